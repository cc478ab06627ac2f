/** What a bar needs of standard error. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 100;
/** Characters; the whole line has to fit into 80. */
const BAR = 20;

/**
 * A line that follows a transfer, on a terminal only: `sending ━━━━━───── 42%  105.0 MiB of 250.0 MiB  98.0 MiB/s`.
 * Elsewhere it writes nothing.
 */
export class Progress {
  readonly #terminal: Terminal;
  readonly #total_bytes: number | undefined;
  readonly #started_ms: number;
  #sent_bytes = 0;
  #drawn_ms = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal, total_bytes: number | undefined) {
    this.#terminal = terminal;
    this.#total_bytes = total_bytes;
    this.#started_ms = performance.now();
  }

  add(bytes: number): void {
    this.#sent_bytes += bytes;
    const now_ms = performance.now();
    if (this.#terminal.isTTY !== true || now_ms - this.#drawn_ms < REDRAW_MS) return;
    this.#drawn_ms = now_ms;
    const elapsed_s = Math.max(0.001, (now_ms - this.#started_ms) / 1000);
    this.#draw(progressLine(this.#sent_bytes, this.#total_bytes, elapsed_s));
  }

  /** False where nothing is drawn anyway. */
  get visible(): boolean {
    return this.#terminal.isTTY === true;
  }

  /** Shows a line of another phase. */
  phase(text: string): void {
    if (this.#terminal.isTTY === true) this.#draw(text);
  }

  /** Takes the line away, so that a result or an error starts on a clean one. */
  clear(): void {
    if (this.#terminal.isTTY === true) this.#terminal.write("\r\u001b[K");
  }

  #draw(text: string): void {
    // A terminal that does not know its width says 0.
    const width = (this.#terminal.columns || 80) - 1;
    this.#terminal.write(`\r${text.slice(0, width)}\u001b[K`);
  }
}

/** The line itself; pure. */
export function progressLine(
  sent_bytes: number,
  total_bytes: number | undefined,
  elapsed_s: number,
): string {
  const rate = `${bytesText(sent_bytes / elapsed_s)}/s`;
  if (total_bytes === undefined || total_bytes === 0)
    return `sending  ${bytesText(sent_bytes)}  ${rate}`;
  const bar = barOf(sent_bytes / total_bytes);
  return `sending ${bar}  ${bytesText(sent_bytes)} of ${bytesText(total_bytes)}  ${rate}`;
}

/** `━━━━━━━━━━──────────  50%` for 0.5; pure. */
export function barOf(share: number): string {
  const filled = Math.max(0, Math.min(1, share));
  const full = Math.floor(filled * BAR);
  const percent = `${Math.floor(filled * 100)}%`.padStart(4);
  return `${"━".repeat(full)}${"─".repeat(BAR - full)} ${percent}`;
}

/** `1536` becomes `1.5 KiB`. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ""}`;
}
