/**
 * Writes the good rows of the indexed records as columns: a bit per row that says it has a value, the
 * values there are side by side, text as offsets and bytes. That is Arrow's layout, without the places
 * that it leaves for nulls (https://arrow.apache.org/docs/format/Columnar.html).
 */
import {
  allocate,
  BARE_QUOTE,
  column_count,
  escape,
  ESCAPED,
  input,
  POSITION,
  quote,
  QUOTED,
} from "./memory";
import {
  addRows,
  ASK_AT,
  BITS_AT,
  BOOLEAN,
  DATE32,
  FLOAT64,
  group_rows,
  INT64,
  NULLS_AT,
  OFFSETS_AT,
  out_count,
  outAt,
  rows,
  rows_max,
  SCALE_AT,
  SOURCE_AT,
  TEXT,
  TEXT_BYTES_AT,
  TEXT_ROOM_AT,
  TIMESTAMP_US,
  TIMESTAMP_US_UTC,
  TYPE_AT,
  value,
  VALUES_AT,
  width,
} from "./group";
import { fieldEnd, fieldStart, firstField, isBad, isBlank, record_count } from "./records";
import {
  readBoolean,
  readDate,
  readDecimal,
  readDouble,
  readInteger,
  readTimestamp,
} from "./values";

/**
 * Asks the host to write the value of a cell at `to`, as it stands in the file; false if it has none
 * in the column's type.
 */
@external("host", "value")
declare function hostValue(column: u32, start: usize, length: u32, to: usize): bool;

/** When the host is asked for a value: never, if the cell is none of the known forms, always. */
const NEVER: u32 = 0;
const ALWAYS: u32 = 2;

/** Of a blank line in a file of one column: a row without a field. */
const BLANK: u32 = u32.MAX_VALUE;

/** The record that the next call begins with; all are in when it is `record_count`. */
export let encoded_records: u32 = 0;
/** Cells without a value in their column's type. */
export let misfits: f64 = 0;
/** Blank lines of a one-column file, held until a record follows: at the end they are no rows. */
let held_blanks: u32 = 0;

export function clearEncoder(): void {
  misfits = 0;
  held_blanks = 0;
}

/**
 * Adds the good rows from record `from` on, as many as the group has room for. False if the memory
 * cannot be had.
 */
export function encodeRecords(from: u32): bool {
  const count = listRows(from);
  for (let index: u32 = 0; index < out_count; index++) {
    const out = outAt(index);
    const type = load<u32>(out, TYPE_AT);
    if (type == TEXT) {
      if (!encodeText(out, count)) return false;
    } else encodeValues(index, out, type, count);
  }
  addRows(count);
  return true;
}

function listRows(from: u32): u32 {
  const room = rows_max - group_rows;
  let count: u32 = 0;
  let record = from;
  for (; record < record_count && count < room; record++) {
    if (isBlank(record)) {
      if (column_count == 1) held_blanks++;
      continue;
    }
    for (; held_blanks > 0 && count < room; held_blanks--) putRow(count++, BLANK);
    if (count == room) break;
    if (isBad(record)) continue;
    putRow(count++, firstField(record));
  }
  encoded_records = record;
  return count;
}

@inline
function putRow(row: u32, first_field: u32): void {
  store<u32>(rows + (<usize>row << 2), first_field);
}

@inline
function setBit(bits: usize, row: u32): void {
  const at = bits + (row >>> 3);
  store<u8>(at, load<u8>(at) | (<u8>1 << <u8>(row & 7)));
}

/** True for a field that is null in a column of any type: empty, or one of the texts for null. */
@inline
function isNull(start: u32, flagged: u32): bool {
  return start == (flagged & POSITION) || (flagged & (QUOTED | ESCAPED)) == ESCAPED;
}

function encodeValues(index: u32, out: usize, type: u32, count: u32): void {
  const source = load<u32>(out, SOURCE_AT);
  const ask = load<u32>(out, ASK_AT);
  const bits: usize = load<u32>(out, BITS_AT);
  const values: usize = load<u32>(out, VALUES_AT);
  const bytes = width(type);
  const nulls_before = load<u32>(out, NULLS_AT);
  const held_before = group_rows - nulls_before;
  let held = held_before;
  for (let place: u32 = 0; place < count; place++) {
    const to = type == BOOLEAN ? value : values + <usize>held * bytes;
    const first = load<u32>(rows + (<usize>place << 2));
    if (first != BLANK) {
      const start = fieldStart(first + source);
      const flagged = fieldEnd(first + source);
      const end = flagged & POSITION;
      const quoted: u32 = flagged & QUOTED ? 1 : 0;
      if (!isNull(start, flagged) && end - start != 2 * quoted) {
        const is_known =
          ask != ALWAYS &&
          !(flagged & (ESCAPED | BARE_QUOTE)) &&
          readValue(out, type, input + start + quoted, input + end - quoted, to);
        if (is_known || (ask != NEVER && hostValue(index, input + start, end - start, to))) {
          setBit(bits, group_rows + place);
          if (type == BOOLEAN && load<u8>(value)) setBit(values, held);
          held++;
          continue;
        }
        misfits += 1;
      }
    }
  }
  store<u32>(out, nulls_before + count - (held - held_before), NULLS_AT);
}

function readValue(out: usize, type: u32, start: usize, end: usize, to: usize): bool {
  switch (type) {
    case INT64:
      return readInteger(start, end, to);
    case FLOAT64:
      return readDouble(start, end, to);
    case BOOLEAN: {
      const truth = readBoolean(start, end);
      store<u8>(to, <u8>truth);
      return truth >= 0;
    }
    case DATE32:
      return readDate(start, end, to);
    case TIMESTAMP_US:
      return readTimestamp(start, end, false, to);
    case TIMESTAMP_US_UTC:
      return readTimestamp(start, end, true, to);
    default:
      return readDecimal(start, end, load<u32>(out, SCALE_AT), to);
  }
}

function encodeText(out: usize, count: u32): bool {
  const source = load<u32>(out, SOURCE_AT);
  const bits: usize = load<u32>(out, BITS_AT);
  const offsets: usize = load<u32>(out, OFFSETS_AT);
  let text: usize = load<u32>(out, VALUES_AT);
  let room = load<u32>(out, TEXT_ROOM_AT);
  let length = load<u32>(out, TEXT_BYTES_AT);
  const nulls_before = load<u32>(out, NULLS_AT);
  const held_before = group_rows - nulls_before;
  let held = held_before;
  for (let place: u32 = 0; place < count; place++) {
    const first = load<u32>(rows + (<usize>place << 2));
    const start: u32 = first == BLANK ? 0 : fieldStart(first + source);
    const flagged: u32 = first == BLANK ? 0 : fieldEnd(first + source);
    if (!isNull(start, flagged)) {
      setBit(bits, group_rows + place);
      const quoted: u32 = flagged & QUOTED ? 1 : 0;
      const end = flagged & POSITION;
      const bytes = end - start - 2 * quoted;
      if (bytes > room - length) {
        text = enlargeText(out, length, bytes);
        if (!text) return false;
        room = load<u32>(out, TEXT_ROOM_AT);
      }
      const from = input + start + quoted;
      length += flagged & ESCAPED ? putUnescaped(text + length, from, bytes) : putBytes(text + length, from, bytes);
      store<u32>(offsets + (<usize>++held << 2), length);
    }
  }
  store<u32>(out, length, TEXT_BYTES_AT);
  store<u32>(out, nulls_before + count - (held - held_before), NULLS_AT);
  return true;
}

function enlargeText(out: usize, length: u32, bytes: u32): usize {
  const room = max<u32>(load<u32>(out, TEXT_ROOM_AT) * 2, length + bytes);
  const text = allocate(room);
  if (!text) return 0;
  memory.copy(text, load<u32>(out, VALUES_AT), length);
  store<u32>(out, <u32>text, VALUES_AT);
  store<u32>(out, room, TEXT_ROOM_AT);
  return text;
}

/** May write up to 15 bytes more; all memory has room for them at its end. */
@inline
function putBytes(to: usize, from: usize, length: u32): u32 {
  if (length > 64) memory.copy(to, from, length);
  else for (let at: u32 = 0; at < length; at += 16) v128.store(to + at, v128.load(from + at));
  return length;
}

/** Of two bytes of a pair the second is meant. */
function putUnescaped(to: usize, from: usize, length: u32): u32 {
  const mark = escape ? escape : quote;
  let written: u32 = 0;
  for (let at: u32 = 0; at < length; at++) {
    if (load<u8>(from + at) == mark) at++;
    store<u8>(to + written, load<u8>(from + at));
    written++;
  }
  return written;
}

