import { printsBack } from "./exact-double.ts";
import { textOf } from "./field-syntax.ts";
import { type Kernel, type KernelHost, numberOf, openKernel } from "./kernel.ts";
import { BAD_REASONS, CsvScanner, type ScanOptions } from "./scanner.ts";
import { writeValue } from "./column-group.ts";

/** An instance of the kernel: its memory is used again by one scan after another, and never shrinks. */
export class CsvKernel {
  readonly kernel: Kernel;
  readonly #host: ScanHost;

  static async open(): Promise<CsvKernel> {
    const host = new ScanHost();
    const kernel = await openKernel(host.calls());
    return new CsvKernel(kernel, host);
  }

  private constructor(kernel: Kernel, host: ScanHost) {
    this.kernel = kernel;
    this.#host = host;
  }

  /** One file, or one piece of a file. Ends the scan before. */
  scan(options: ScanOptions): CsvScanner {
    this.#host.attach(this.kernel, options);
    return new CsvScanner(this.kernel, options);
  }
}

/** What the kernel asks while it works. */
class ScanHost {
  #kernel: Kernel | undefined;
  #options: ScanOptions | undefined;
  #memory = Buffer.alloc(0);

  attach(kernel: Kernel, options: ScanOptions): void {
    this.#kernel = kernel;
    this.#options = options;
  }

  calls(): KernelHost {
    return {
      // Asked for every long number; numbers are ASCII, and Latin-1 is read three times faster.
      printsBack: (start, length) => printsBack(this.#text(start, length, "latin1")),
      double: (start, length) => Number(this.#text(start, length, "latin1")),
      fits: (column, start, length) =>
        this.#asked.given.get(column)?.fits(this.#cell(start, length)) ?? true,
      value: (column, start, length, to) => {
        const asked = this.#asked.output?.columns[column];
        const value = asked?.read?.value(this.#cell(start, length));
        return asked !== undefined && writeValue(asked, value, this.#bytes, to);
      },
      badRecord: (reason, row, line, start, length, field_count, field, at, field_length) => {
        const input = this.#kernel === undefined ? 0 : numberOf(this.#kernel.input);
        const view = (from: number, size: number): Buffer =>
          this.#bytes.subarray(input + from, input + from + size);
        this.#asked.onBadRecord({
          reason: BAD_REASONS[reason - 1] ?? "field_count",
          row,
          line,
          field_count,
          field,
          bytes: view(start, length),
          field_bytes: view(at, field_length),
        });
      },
    };
  }

  get #asked(): ScanOptions {
    if (this.#options === undefined) throw new Error("the kernel called before it began");
    return this.#options;
  }

  /** The kernel's memory. */
  get #bytes(): Buffer {
    const buffer = this.#kernel?.memory.buffer;
    // Growing the memory replaces its buffer.
    if (buffer !== undefined && this.#memory.buffer !== buffer) this.#memory = Buffer.from(buffer);
    return this.#memory;
  }

  #text(start: number, length: number, encoding: "latin1" | "utf8"): string {
    return this.#bytes.toString(encoding, start, start + length);
  }

  #cell(start: number, length: number): string {
    return textOf(this.#text(start, length, "utf8"), this.#asked);
  }
}
