import { printsBack } from "./exact-double.ts";
import { textOf } from "./field-syntax.ts";
import { type Kernel, type KernelHost, numberOf, openKernel } from "./kernel.ts";
import { BAD_REASONS, CsvScanner, type ScanOptions } from "./scanner.ts";
import { writeValue } from "./column-group.ts";

/** More memory than this is not held on to. */
const KEPT_BYTES_MAX = 128 * 1024 * 1024;

/** Instances of this thread that nobody uses: each has reserved address space, mostly 4 GiB. */
const idle: CsvKernel[] = [];

/** An instance of the kernel, for one scan after another; its memory never shrinks. */
export class CsvKernel implements Disposable {
  readonly kernel: Kernel;
  readonly #host: ScanHost;

  /** One that nobody else uses; `using` gives it back. */
  static async borrow(): Promise<CsvKernel> {
    const kept = idle.pop();
    if (kept !== undefined) return kept;
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

  /** No scan may be under way. */
  [Symbol.dispose](): void {
    this.#host.detach();
    if (this.kernel.memory.buffer.byteLength <= KEPT_BYTES_MAX) idle.push(this);
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

  detach(): void {
    this.#options = undefined;
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
