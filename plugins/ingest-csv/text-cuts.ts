import type { ArrivingFile } from "./arriving-file.ts";
import type { Dialect } from "./dialect.ts";
import { CsvKernel } from "./kernel/csv-kernel.ts";
import { numberOf } from "./kernel/kernel.ts";
import { codeOf } from "./kernel/field-syntax.ts";

/** Whole records of a text, in bytes from its beginning. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
  /** Nothing follows. False also where nothing happens to follow a cut. */
  readonly is_last: boolean;
  /** It ends in the middle of a record that is too long; what follows was not looked at. */
  readonly is_broken: boolean;
}

export interface CutOptions {
  /** Of a range that begins there; it is cut behind the first record that goes beyond so many. */
  readonly rangeBytes: (start: number) => number;
  /** A record far longer than this is cut anyhow: it is an error whatever follows. */
  readonly record_limit_bytes: number;
}

const CAPACITY_BYTES = 1024 * 1024;

/**
 * Cuts the records behind the header into ranges, as they arrive. Where it cuts depends on the bytes
 * alone. Nothing is judged: it looks at quotes, and near the cuts at line ends.
 */
export async function* cutText(
  file: Pick<ArrivingFile, "read">,
  { delimiter, quote, escape, data_offset }: Dialect,
  { rangeBytes, record_limit_bytes }: CutOptions,
): AsyncGenerator<TextRange, void, void> {
  using borrowed = await CsvKernel.borrow();
  const { kernel } = borrowed;
  const escape_code = escape === quote ? 0 : codeOf(escape);
  if (kernel.begin(codeOf(delimiter), codeOf(quote), escape_code, 1, CAPACITY_BYTES, 0, 0n) === 0)
    throw new RangeError("no memory for the CSV kernel");
  const input = new Uint8Array(kernel.memory.buffer, numberOf(kernel.input), CAPACITY_BYTES);
  let start = data_offset;
  /** Of the first byte of the input, and how many of them have been there before. */
  let position = data_offset;
  let held = 0;
  /** The record that the next cut waits for begins here, or later. */
  let record_start = data_offset;
  let is_broken = false;
  // What is cut off must be too long for the scanner as well, whose room for a record doubles until it
  // holds the limit.
  const broken_bytes = 2 * Math.max(record_limit_bytes, CAPACITY_BYTES);
  for (;;) {
    const count = await file.read(input.subarray(held), position + held);
    const length = held + count;
    let at = 0;
    while (at < length) {
      const wanted = Math.min(length, Math.max(at, start + rangeBytes(start) - position));
      kernel.skipTo(at, wanted);
      if (wanted === length) {
        at = length;
        record_start = position + length;
        break;
      }
      const is_cut = kernel.cutAfter(wanted, length, count === 0) !== 0;
      at = numberOf(kernel.cut_at);
      if (numberOf(kernel.line_at) > 0) record_start = position + numberOf(kernel.line_at);
      if (!is_cut) break;
      yield { start, end: position + at, is_last: false, is_broken: false };
      start = position + at;
    }
    held = length - at;
    if (held > 0) input.copyWithin(0, at, length);
    position += at;
    if (count === 0) break;
    is_broken = position - record_start > broken_bytes;
    if (is_broken) break;
  }
  if (position > start) yield { start, end: position, is_last: true, is_broken };
}
