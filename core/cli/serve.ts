import type { Command } from "./command.ts";

export const serve: Command = {
  name: "serve",
  summary: "Run the server.",
  usage: "[--config FILE]",
  positionals: [0, 0],
  options: {
    config: {
      type: "string",
      short: "c",
      value: "FILE",
      description: "TOML file; without it lakehouse.toml if it is there, else everything on.",
    },
  },
  examples: [
    ["lakehouse serve", "Everything on, data in ./data, http://127.0.0.1:3110"],
    ["lakehouse serve --config /etc/lakehouse.toml", "As configured"],
    ["LAKEHOUSE_SERVER_BIND=127.0.0.1:8080 lakehouse serve", "Every key has a variable"],
  ],
  async run(args) {
    const { loadConfig } = await import("../config.ts");
    const { startServer, stopAtSignal } = await import("./running-server.ts");
    const config = await loadConfig({ path: args.text("config"), env: process.env });
    return stopAtSignal(await startServer(config)).done;
  },
};
