/**
 * Writes the good rows of the indexed records in the one plain form that the engine reads without
 * any choice of its own: the same delimiter, LF, quotes only around whole fields. Used for files
 * that are not plain already: lone CR, mixed line ends, blank lines, bare quotes, rejected rows.
 */
import {
  BARE_QUOTE,
  column_count,
  delimiter,
  input,
  output,
  POSITION,
  quote,
} from "./memory";
import { fieldEnd, fieldStart, firstField, isBad, isBlank, record_count } from "./records";

/**
 * Writes to `output` and returns the bytes written. A row of one column gets a second, empty field,
 * because the engine would skip a line without a byte; so do its blank lines, and the host cuts off
 * those that turn out to stand at the end.
 */
export function emitRecords(): u32 {
  let to = output;
  for (let record: u32 = 0; record < record_count; record++) {
    if (isBad(record) || (column_count != 1 && isBlank(record))) continue;
    const first = firstField(record);
    const behind = firstField(record + 1);
    for (let field = first; field < behind; field++) {
      if (field > first) to = putByte(to, delimiter);
      to = putField(to, field);
    }
    if (column_count == 1) to = putByte(to, delimiter);
    to = putByte(to, LF);
  }
  return <u32>(to - output);
}

const LF: u8 = 10;

@inline
function putByte(to: usize, byte: u8): usize {
  store<u8>(to, byte);
  return to + 1;
}

/** As it stands in the file, or quoted anew if it holds quotes outside of quotes. */
function putField(to: usize, field: u32): usize {
  const start = fieldStart(field);
  const flagged = fieldEnd(field);
  const length = (flagged & POSITION) - start;
  if (!(flagged & BARE_QUOTE)) {
    memory.copy(to, input + start, length);
    return to + length;
  }
  let at = putByte(to, quote);
  for (let from = input + start; from < input + start + length; from++) {
    const byte = load<u8>(from);
    if (byte == quote) at = putByte(at, quote);
    at = putByte(at, byte);
  }
  return putByte(at, quote);
}
