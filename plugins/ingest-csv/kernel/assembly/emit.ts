/**
 * Writes the good rows of the indexed records in the one plain form that the engine reads without
 * any choice of its own: the same delimiter, LF, quotes only around whole fields and doubled inside
 * them, nothing for null.
 */
import {
  BARE_QUOTE,
  column_count,
  delimiter,
  escape,
  ESCAPED,
  input,
  NULLED,
  output,
  POSITION,
  quote,
  QUOTED,
} from "./memory";
import {
  fieldEnd,
  fieldStart,
  firstField,
  isBad,
  isBlank,
  needs_rewriting,
  record_count,
  recordEnd,
  recordStart,
} from "./records";

const LF: u8 = 10;
/** A row of one column gets a second, empty field: the engine would skip a line without a byte. */
const EMPTY_ROW_BYTES: u32 = 2;

/** The record that the next call begins with; all are out when it is `record_count`. */
export let emitted_records: u32 = 0;
/** Empty rows of a one-column file, held until a row follows: at the end they are no rows. */
let held_rows: u32 = 0;

export function clearEmit(): void {
  held_rows = 0;
}

/**
 * Writes whole rows to `output`, from record `from` on, and returns the bytes written. Stops before
 * a row that would go beyond `budget` bytes, but writes at least one if `fresh`: where the output is
 * cut depends on the rows alone, not on how the input arrived.
 */
export function emitRecords(from: u32, budget: u32, fresh: bool): u32 {
  let to = output;
  let record = from;
  for (; record < record_count; record++) {
    if (isBlank(record)) {
      if (column_count == 1) held_rows++;
      continue;
    }
    if (isBad(record)) continue;
    for (; held_rows > 0; held_rows--) {
      if (<u32>(to - output) + EMPTY_ROW_BYTES > budget) break;
      to = putByte(putByte(to, delimiter), LF);
    }
    const length = recordEnd(record) - recordStart(record);
    const empty = fresh && to == output;
    if (held_rows > 0 || (!empty && <u32>(to - output) + length + EMPTY_ROW_BYTES > budget)) break;
    to = needs_rewriting ? putFields(to, record) : putBytes(to, input + recordStart(record), length);
    if (column_count == 1) to = putByte(to, delimiter);
    to = putByte(to, LF);
  }
  emitted_records = record;
  return <u32>(to - output);
}

@inline
function putBytes(to: usize, from: usize, length: u32): usize {
  memory.copy(to, from, length);
  return to + length;
}

function putFields(start: usize, record: u32): usize {
  let to = start;
  const first = firstField(record);
  const behind = firstField(record + 1);
  for (let field = first; field < behind; field++) {
    if (field > first) to = putByte(to, delimiter);
    to = putField(to, field);
  }
  return to;
}

@inline
function putByte(to: usize, byte: u8): usize {
  store<u8>(to, byte);
  return to + 1;
}

/** As it stands in the file; anew if it holds quotes outside of quotes, or escapes of another kind. */
function putField(to: usize, field: u32): usize {
  const start = fieldStart(field);
  const flagged = fieldEnd(field);
  const end = flagged & POSITION;
  if ((flagged & (NULLED | QUOTED)) == NULLED) return to;
  if (flagged & BARE_QUOTE) return putQuoted(to, input + start, input + end, false);
  if (escape && flagged & ESCAPED) return putQuoted(to, input + start + 1, input + end - 1, true);
  return putBytes(to, input + start, end - start);
}

function putQuoted(start: usize, from: usize, end: usize, escapes: bool): usize {
  let to = putByte(start, quote);
  for (let at = from; at < end; at++) {
    let byte = load<u8>(at);
    if (escapes && byte == escape) byte = load<u8>(++at);
    if (byte == quote) to = putByte(to, quote);
    to = putByte(to, byte);
  }
  return putByte(to, quote);
}
