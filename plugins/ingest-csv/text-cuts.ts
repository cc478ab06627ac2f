import type { ArrivingFile } from "./arriving-file.ts";
import type { Dialect } from "./dialect.ts";
import { CsvKernel } from "./kernel/csv-kernel.ts";
import { numberOf } from "./kernel/kernel.ts";
import { codeOf } from "./kernel/field-syntax.ts";

/** Whole records of a text, in bytes from its beginning. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

export interface CutOptions {
  /** Ranges are cut behind the first record that goes beyond so many bytes. */
  readonly range_bytes: number;
  /** A record longer than this is cut anyhow: it is an error whatever follows. */
  readonly record_limit_bytes: number;
}

const CAPACITY_BYTES = 1024 * 1024;

/**
 * Cuts the records behind the header into ranges, as they arrive. Where it cuts depends on the bytes
 * alone. Nothing is judged: it looks at quotes, and near the cuts at line ends.
 */
export async function* cutText(
  file: ArrivingFile,
  { delimiter, quote, escape, data_offset }: Dialect,
  { range_bytes, record_limit_bytes }: CutOptions,
): AsyncGenerator<TextRange, void, void> {
  const { kernel } = await CsvKernel.open();
  const escape_code = escape === quote ? 0 : codeOf(escape);
  if (kernel.begin(codeOf(delimiter), codeOf(quote), escape_code, 1, CAPACITY_BYTES, 0, 0n) === 0)
    throw new RangeError("no memory for the CSV kernel");
  const input = new Uint8Array(kernel.memory.buffer, numberOf(kernel.input), CAPACITY_BYTES);
  let start = data_offset;
  /** Of the first byte of the input, and how many of them have been there before. */
  let position = data_offset;
  let held = 0;
  for (;;) {
    const count = await file.read(input.subarray(held), position + held);
    const length = held + count;
    let at = 0;
    while (at < length) {
      const wanted = Math.min(length, Math.max(at, start + range_bytes - position));
      kernel.skipTo(at, wanted);
      if (wanted === length) {
        at = length;
        break;
      }
      const is_cut = kernel.cutAfter(wanted, length, count === 0) !== 0;
      at = numberOf(kernel.cut_at);
      if (!is_cut) break;
      yield { start, end: position + at };
      start = position + at;
    }
    held = length - at;
    if (held > 0) input.copyWithin(0, at, length);
    position += at;
    if (count === 0) break;
    if (position - start > range_bytes + record_limit_bytes) break;
  }
  if (position > start) yield { start, end: position };
}
