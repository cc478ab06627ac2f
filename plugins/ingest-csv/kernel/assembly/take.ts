/**
 * Takes the listed rows column by column: gathers what each cell says of its column, and writes its
 * value where the column goes.
 */
import { classify, has_grown, keepDigits } from "./classify";
import { enlargeText, putBytes, putUnescaped, putValue, setBit } from "./encode";
import { addTo, escapesIn, see } from "./facts";
import {
  addRows,
  BITS_AT,
  BOOLEAN,
  group_rows,
  NULLS_AT,
  OFFSETS_AT,
  out_count,
  outOf,
  rows_max,
  TEXT as TEXT_TYPE,
  TEXT_BYTES_AT as OUT_TEXT_BYTES_AT,
  TEXT_ROOM_AT,
  TYPE_AT,
  value,
  VALUES_AT,
  width,
} from "./group";
import { BLANK, isNull, listRows, row_count } from "./judge";
import {
  BARE_QUOTE,
  COLUMN_BYTES,
  column_count,
  columns,
  EMPTY_AT,
  ESCAPED,
  field_capacity,
  input,
  INTEGER,
  INTEGER_DIGITS_AT,
  KINDS_AT,
  null_bytes,
  POSITION,
  QUOTED,
  QUOTED_EMPTY_AT,
  rows,
  SETTLED_AT,
  TEXT,
  TEXT_BYTES_AT,
} from "./memory";
import { fieldEnd, fieldStart, isQuoted, linesBefore } from "./records";

/** Over the whole file: cells with an escaped quote inside quotes. */
export let escaped_count: f64 = 0;
/** Cells without a value in their column's type. */
export let misfits: f64 = 0;

export function clearTaken(): void {
  escaped_count = 0;
  misfits = 0;
}

/** Of the rows that are taken: the number of the first, the place of the input, its first line. */
let first_row: f64 = 0;
let base: f64 = 0;
let first_line: f64 = 0;

const EXACT_DIGITS: u32 = 15;

/** Of the column that is taken: its facts, the kinds seen, whether it is settled; what was counted. */
let column: usize = 0;
let seen: u32 = 0;
let is_settled: bool = false;
/** A cell of so few digits and nothing else says nothing new. */
let plain_digits: u32 = 0;
let empty: u32 = 0;
let quoted_empty: u32 = 0;
let text_bytes: u32 = 0;

/**
 * Takes the records from `from` on, as many as the group has room for. `offset` is that of the input in
 * the file, `line` the number of its first line. False if the memory cannot be had.
 */
export function takeRecords(from: u32, offset: f64, line: f64): bool {
  const room = out_count ? min(rows_max - group_rows, field_capacity) : field_capacity;
  first_row = row_count;
  base = offset;
  first_line = line;
  const count = listRows(from, room, line);
  for (let index: u32 = 0; index < column_count; index++) {
    column = columns + <usize>index * COLUMN_BYTES;
    lookUp();
    empty = 0;
    quoted_empty = 0;
    text_bytes = 0;
    const out = outOf(index);
    if (!out) takeCells(index, count);
    else if (load<u32>(out, TYPE_AT) != TEXT_TYPE) takeValues(index, out, count);
    else if (!takeTexts(index, out, count)) return false;
    addTo(column, EMPTY_AT, empty);
    addTo(column, QUOTED_EMPTY_AT, quoted_empty);
    addTo(column, TEXT_BYTES_AT, text_bytes);
  }
  if (out_count) addRows(count);
  return true;
}

@inline
function fieldOf(row: u32): u32 {
  return load<u32>(rows + (<usize>row << 3));
}

/** What a field holds, which is counted. */
const NOTHING: u32 = 0;
const EMPTY_TEXT: u32 = 1;
const CELL: u32 = 2;

@inline
function countContent(start: u32, flagged: u32): u32 {
  const end = flagged & POSITION;
  if (start == end || (null_bytes && isNull(start, flagged))) {
    empty++;
    return NOTHING;
  }
  if (flagged & QUOTED && end - start == 2) {
    quoted_empty++;
    return EMPTY_TEXT;
  }
  return CELL;
}

/** Where the text of a cell begins and ends: behind its opening quote, before its closing one. */
@inline
function textStart(start: u32, flagged: u32): usize {
  return input + start + isQuoted(flagged);
}

@inline
function textEnd(flagged: u32): usize {
  return input + (flagged & POSITION) - isQuoted(flagged);
}

/** The kinds of a cell, of which its column's facts take note; 0 if the column is settled. */
@inline
function judgeCell(row: u32, start: u32, flagged: u32): u32 {
  const from = textStart(start, flagged);
  const end = textEnd(flagged);
  text_bytes += <u32>(end - from);
  if (flagged & ESCAPED) {
    escaped_count += 1;
    text_bytes -= escapesIn(from, end);
  }
  if (is_settled) return 0;
  // Before the flags are looked at: no digit can be a quote or an escape (`options.ts`).
  if (<u32>(end - from) <= plain_digits && isPlainInteger(from, end)) return INTEGER;
  const kinds = flagged & (ESCAPED | BARE_QUOTE) ? TEXT : classify(from, end, column);
  if (has_grown || (seen & kinds) != kinds) note(row, kinds, start, flagged & POSITION);
  return kinds;
}

/** The usual cell of a column of integers, without what `classify` does for all others. */
@inline
function isPlainInteger(from: usize, end: usize): bool {
  let number: u64 = 0;
  let at = from;
  for (; at < end; at++) {
    const digit = <u32>load<u8>(at) - 0x30;
    if (digit > 9) return false;
    number = number * 10 + digit;
  }
  if (load<u8>(from) == 0x30 && end - from > 1) return false;
  keepDigits(number, 0, true);
  return true;
}

function note(row: u32, kinds: u32, start: u32, end: u32): void {
  const line = first_line + linesBefore(load<u32>(rows + (<usize>row << 3), 4));
  see(column, kinds, first_row + row, line, base + start, end - start);
  lookUp();
}

/** What is known of the column so far. */
@inline
function lookUp(): void {
  seen = load<u32>(column, KINDS_AT);
  is_settled = load<u32>(column, SETTLED_AT) != 0;
  // So many digits are none too many for a double, and more than any cell before had would be news.
  plain_digits = seen & INTEGER ? min<u32>(load<u32>(column, INTEGER_DIGITS_AT), EXACT_DIGITS) : 0;
}

// The loops of the three kinds of column begin alike, and have what they need in locals: for speed.

/** Of a column that is written nowhere. */
function takeCells(index: u32, count: u32): void {
  for (let row: u32 = 0; row < count; row++) {
    const first = fieldOf(row);
    if (first == BLANK) {
      empty++;
      continue;
    }
    const start = fieldStart(first + index);
    const flagged = fieldEnd(first + index);
    if (countContent(start, flagged) == CELL) judgeCell(row, start, flagged);
  }
}

function takeValues(index: u32, out: usize, count: u32): void {
  const type = load<u32>(out, TYPE_AT);
  const bits: usize = load<u32>(out, BITS_AT);
  const values: usize = load<u32>(out, VALUES_AT);
  const bytes = width(type);
  const nulls_before = load<u32>(out, NULLS_AT);
  const held_before = group_rows - nulls_before;
  let held = held_before;
  for (let row: u32 = 0; row < count; row++) {
    const first = fieldOf(row);
    if (first == BLANK) {
      empty++;
      continue;
    }
    const start = fieldStart(first + index);
    const flagged = fieldEnd(first + index);
    if (countContent(start, flagged) != CELL) continue;
    const kinds = judgeCell(row, start, flagged);
    const to = type == BOOLEAN ? value : values + <usize>held * bytes;
    if (!putValue(out, type, kinds, start, flagged, to)) {
      misfits += 1;
      continue;
    }
    setBit(bits, group_rows + row);
    if (type == BOOLEAN && load<u8>(value)) setBit(values, held);
    held++;
  }
  store<u32>(out, nulls_before + count - (held - held_before), NULLS_AT);
}

/** False if the memory cannot be had. */
function takeTexts(index: u32, out: usize, count: u32): bool {
  const bits: usize = load<u32>(out, BITS_AT);
  const offsets: usize = load<u32>(out, OFFSETS_AT);
  let text: usize = load<u32>(out, VALUES_AT);
  let room = load<u32>(out, TEXT_ROOM_AT);
  let length = load<u32>(out, OUT_TEXT_BYTES_AT);
  const nulls_before = load<u32>(out, NULLS_AT);
  const held_before = group_rows - nulls_before;
  let held = held_before;
  for (let row: u32 = 0; row < count; row++) {
    const first = fieldOf(row);
    if (first == BLANK) {
      empty++;
      continue;
    }
    const start = fieldStart(first + index);
    const flagged = fieldEnd(first + index);
    const content = countContent(start, flagged);
    if (content == NOTHING) continue;
    if (content == CELL) {
      judgeCell(row, start, flagged);
      const from = textStart(start, flagged);
      const bytes = <u32>(textEnd(flagged) - from);
      if (bytes > room - length) {
        text = enlargeText(out, length, bytes);
        if (!text) return false;
        room = load<u32>(out, TEXT_ROOM_AT);
      }
      length += flagged & ESCAPED ? putUnescaped(text + length, from, bytes) : putBytes(text + length, from, bytes);
    }
    setBit(bits, group_rows + row);
    store<u32>(offsets + (<usize>++held << 2), length);
  }
  store<u32>(out, length, OUT_TEXT_BYTES_AT);
  store<u32>(out, nulls_before + count - (held - held_before), NULLS_AT);
  return true;
}
