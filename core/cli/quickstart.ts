import { Client } from "./client.ts";
import { type Command, UsageError } from "./command.ts";

export const quickstart: Command = {
  name: "quickstart",
  summary: "Start a server, load a file, query it with SQL and vectors, and keep serving.",
  usage: "[--port N] [--data FOLDER]",
  positionals: [0, 0],
  options: {
    port: { type: "string", value: "N", description: "Port on 127.0.0.1; 3110 by default." },
    data: { type: "string", value: "FOLDER", description: "Where data goes; ./data by default." },
  },
  async run(args) {
    const { loadConfig } = await import("../config.ts");
    const { startServer, stopAtSignal } = await import("./running-server.ts");
    const { takeTour } = await import("./tour.ts");
    const port = args.count("port");
    if (port !== undefined && port > 65_535) throw new UsageError("--port goes up to 65535.");
    const data = args.text("data");
    const config = await loadConfig({
      env: {
        LAKEHOUSE_LOG_LEVEL: "warn",
        ...process.env,
        ...(port === undefined ? {} : { LAKEHOUSE_SERVER_BIND: `127.0.0.1:${port}` }),
        ...(data === undefined ? {} : { LAKEHOUSE_PLUGINS_STORAGE_FS_ROOT: data }),
      },
    });
    const host = await startServer(config);
    const shutdown = stopAtSignal(host);
    try {
      await takeTour(new Client({ url: host.url, token: config.server.token }));
    } catch (error) {
      // Whoever presses Ctrl-C meanwhile knows why it ended.
      if (shutdown.asked) return shutdown.done;
      await host.stop();
      throw error;
    }
    return shutdown.done;
  },
};
