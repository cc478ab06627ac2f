import { type Static, Type } from "@sinclair/typebox";

/** How far a conversion is. What a worker tells, and `CodecInput.onProgress` is given. */
export const conversionStepSchema = Type.Object({
  /** Of the file as UTF-8 text, from its first byte. */
  judged_bytes: Type.Integer({ minimum: 0 }),
  /** Rows among them. */
  row_count: Type.Integer({ minimum: 0 }),
  /** Parts of the Parquet file that are written, and that are begun. */
  parts_done: Type.Integer({ minimum: 0 }),
  parts_total: Type.Integer({ minimum: 0 }),
});
export type ConversionStep = Static<typeof conversionStepSchema>;

/** Each costs a write to the pipe and a wake-up of the server. */
const PAUSE_MS = 100;

/** Gathers the progress of one conversion and passes it on, a few times a second. */
export class ConversionProgress {
  readonly #tell: (step: ConversionStep) => void;
  #step: ConversionStep = { judged_bytes: 0, row_count: 0, parts_done: 0, parts_total: 0 };
  #told_ms = Number.NEGATIVE_INFINITY;

  constructor(tell: (step: ConversionStep) => void) {
    this.#tell = tell;
  }

  judged(judged_bytes: number, row_count: number): void {
    this.#update({ ...this.#step, judged_bytes, row_count });
  }

  parts(parts_done: number, parts_total: number): void {
    this.#update({ ...this.#step, parts_done, parts_total });
  }

  #update(step: ConversionStep): void {
    this.#step = step;
    const now_ms = performance.now();
    if (now_ms - this.#told_ms < PAUSE_MS) return;
    this.#told_ms = now_ms;
    this.#tell(step);
  }
}
