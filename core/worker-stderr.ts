import type { Logger } from "./log.ts";

const LINE_LIMIT_CHARS = 4096;
/** Per worker and window; what goes beyond is counted, not logged. */
const LINES_PER_WINDOW = 200;
const WINDOW_MS = 10_000;

/** Control characters, the escape that starts terminal sequences among them; not the tab. */
// oxlint-disable-next-line no-control-regex -- control characters are what this removes
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu;

/**
 * Writes a worker's standard error to the log, line by line. The stream is always read on, or the
 * worker would block; what reaches the log is bounded in length and rate, since the content of
 * untrusted files may end up in it. Resolves when the stream ends; never rejects.
 */
export async function forwardStderr(
  stream: AsyncIterable<Uint8Array>,
  log: Logger,
  bindings: Readonly<Record<string, unknown>>,
): Promise<void> {
  const throttle = new LineThrottle(log, bindings);
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = (lines.pop() ?? "").slice(0, LINE_LIMIT_CHARS);
      for (const line of lines) throttle.write(line);
    }
  } catch {
    // The pipe broke with the process; its exit is reported elsewhere.
  }
  throttle.write(rest);
  throttle.end();
}

class LineThrottle {
  readonly #log: Logger;
  readonly #bindings: Readonly<Record<string, unknown>>;
  #window_start_ms = performance.now();
  #written = 0;
  #dropped = 0;

  constructor(log: Logger, bindings: Readonly<Record<string, unknown>>) {
    this.#log = log;
    this.#bindings = bindings;
  }

  write(line: string): void {
    const text = line.slice(0, LINE_LIMIT_CHARS).replaceAll(CONTROL, "");
    if (text.trim() === "") return;
    const now_ms = performance.now();
    if (now_ms - this.#window_start_ms > WINDOW_MS) {
      this.end();
      this.#window_start_ms = now_ms;
      this.#written = 0;
    }
    if (this.#written >= LINES_PER_WINDOW) {
      this.#dropped += 1;
      return;
    }
    this.#written += 1;
    this.#log.warn({ ...this.#bindings, line: text }, "a worker wrote to standard error");
  }

  end(): void {
    if (this.#dropped === 0) return;
    this.#log.warn(
      { ...this.#bindings, dropped_lines: this.#dropped },
      "a worker wrote more than the log takes",
    );
    this.#dropped = 0;
  }
}
