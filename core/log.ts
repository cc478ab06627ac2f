import pino from "pino";
import pretty from "pino-pretty";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** pino's call shape: `log.info({ request_id }, "message")`. */
export type Logger = Pick<pino.Logger, "trace" | "debug" | "info" | "warn" | "error" | "fatal"> & {
  child(bindings: Record<string, unknown>): Logger;
};

/**
 * JSON lines on standard error, so that standard output stays free for results; readable lines
 * when it is a terminal. pino's worker transports fail in a compiled binary, hence the plain
 * synchronous stream.
 */
export function createLogger(level: LogLevel, options: { readable?: boolean } = {}): Logger {
  const readable = options.readable ?? process.stderr.isTTY;
  const settings: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: ["authorization", "*.authorization", "token", "*.token", "*.secret_access_key"],
      censor: "[redacted]",
    },
  };
  const stream = readable
    ? pretty({
        destination: 2,
        sync: true,
        colorize: true,
        translateTime: "SYS:HH:MM:ss",
        ignore: "pid,hostname",
      })
    : pino.destination({ dest: 2, sync: true });
  return pino(settings, stream);
}
