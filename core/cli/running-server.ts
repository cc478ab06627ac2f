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

/**
 * Serves until SIGTERM or SIGINT, then drains and resolves to 0. A second signal ends the process
 * at once, for whoever cannot wait.
 */
export async function untilStopped(host: Host): Promise<number> {
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  let asked = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(signal === "SIGINT" ? 130 : 143);
    asked = true;
    host.stop().then(resolve, resolve);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  await stopped;
  return 0;
}
