import { createLogger, type Logger } from "../../core/log.ts";

/** For tests in which nothing is expected to be logged, or nobody looks. */
export const silentLog: Logger = createLogger("silent", { readable: false });

/** Keeps what is logged at error level, as `[message, fields]`. */
export function recordingLog(): { readonly log: Logger; readonly errors: [string, unknown][] } {
  const errors: [string, unknown][] = [];
  const log: Logger = {
    ...silentLog,
    child: () => log,
    trace: () => {},
    debug: () => {},
    info: () => {},
    warn: () => {},
    fatal: () => {},
    error: (fields: unknown, message?: string) => {
      errors.push([message ?? "", fields]);
    },
  };
  return { log, errors };
}
