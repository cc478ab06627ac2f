import type { Config } from "../config.ts";
import { type Host, startHost } from "../host.ts";
import { createLogger } from "../log.ts";
import { createWorkers } from "../worker-pool.ts";

/** Starts a server in this process, with its log on standard error. */
export function startServer(config: Config): Promise<Host> {
  const log = createLogger(config.log.level);
  const { worker_start_timeout_ms } = config.limits;
  return startHost(config, { log, workers: createWorkers({ worker_start_timeout_ms, log }) });
}

/** A server that ends at SIGTERM or SIGINT. */
export interface Shutdown {
  /** True from the first signal on. */
  readonly asked: boolean;
  /** Resolves to the exit code once the server has drained. */
  readonly done: Promise<number>;
}

/**
 * Drains the server at the first SIGTERM or SIGINT. A second one ends the process at once, for
 * whoever cannot wait.
 */
export function stopAtSignal(host: Host): Shutdown {
  const { promise: done, resolve, reject } = Promise.withResolvers<number>();
  const shutdown = { asked: false, done };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (shutdown.asked) process.exit(signal === "SIGINT" ? 130 : 143);
    shutdown.asked = true;
    host.stop().then(() => resolve(0), reject);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return shutdown;
}
