/** Gathers the facts of every column over the indexed records. */
import { classify, clearGrown, has_grown } from "./classify";
import {
  ACCEPTED_AT,
  BAD_ESCAPE,
  BARE_QUOTE,
  COLUMN_BYTES,
  column_count,
  columns,
  EMPTY_AT,
  escape,
  ESCAPED,
  FIRST_AT,
  FIRST_BYTES,
  FRACTION_DIGITS_AT,
  INEXACT,
  input,
  INTEGER_DIGITS_AT,
  KINDS,
  KINDS_AT,
  null_bytes,
  nulls,
  NUMERIC,
  POSITION,
  QUOTED,
  quote,
  QUOTED_EMPTY_AT,
  SETTLED_AT,
  TEXT,
  TEXT_BYTES_AT,
  TRAILING_TEXT,
} from "./memory";
import {
  fieldEnd,
  fieldStart,
  firstField,
  has_broken_fields,
  isBlank,
  linesBefore,
  markBad,
  markNull,
  record_count,
  recordEnd,
  recordStart,
  unclosed,
} from "./records";

/** Why a record is no row. */
const WRONG_FIELD_COUNT: u32 = 1;
const TEXT_BEHIND_QUOTE: u32 = 2;
const DOES_NOT_FIT: u32 = 3;
const UNCLOSED_QUOTE: u32 = 4;
const UNKNOWN_ESCAPE: u32 = 5;

/**
 * Tells the host of a record that is no row: the row number it would have, its line, its place in
 * the input, the fields found, and the field at fault with its place.
 */
@external("host", "badRecord")
declare function badRecord(
  reason: u32,
  row: f64,
  line: f64,
  start: u32,
  length: u32,
  fields: u32,
  field: u32,
  field_start: u32,
  field_length: u32,
): void;

/** Asks the host whether a cell fits the type that the user gave its column. */
@external("host", "fits")
declare function fits(column: u32, start: usize, length: u32): bool;

/** `SETTLED_AT` of a column: 0 open, 1 text whatever comes, 2 the user gave a type. */
const SETTLED: u32 = 1;
const GIVEN: u32 = 2;

const DECIMAL_DIGITS: u32 = 38;

export let row_count: f64 = 0;
export let bad_count: f64 = 0;
export let blank_count: f64 = 0;
/** Cells with an escaped quote inside quotes. */
export let escaped_count: f64 = 0;
/** Blank lines at the end so far; empty cells of a one-column file if a record follows. */
let pending_blanks: u32 = 0;
let given_types: bool = false;
/** Bit s is set if a decimal may have s digits behind its point. */
let scales: u64 = 0;

export function clearJudge(allowed_scales: u64): void {
  given_types = false;
  row_count = 0;
  bad_count = 0;
  blank_count = 0;
  escaped_count = 0;
  pending_blanks = 0;
  scales = allowed_scales;
}

/**
 * The user gave this column a type: cells of other kinds than `accepted` are asked of the host
 * (`fits`). Where text is accepted, no cell is looked at.
 */
export function giveType(column: u32, accepted: u32): void {
  const at = columns + <usize>column * COLUMN_BYTES;
  store<u32>(at, accepted & TEXT ? SETTLED : GIVEN, SETTLED_AT);
  store<u32>(at, accepted, ACCEPTED_AT);
  if (!(accepted & TEXT)) given_types = true;
}

/** Counts the blank lines at the end of the file, which are no rows. */
export function endBlanks(): void {
  blank_count += pending_blanks;
  pending_blanks = 0;
}

/**
 * Judges the indexed records. `base` is the offset of the input in the file, `line` the number of
 * its first line.
 */
export function judgeRecords(base: f64, line: f64): void {
  for (let record: u32 = 0; record < record_count; record++) {
    if (isBlank(record)) {
      // In a file of one column a blank line is an empty cell, unless it is at the end.
      if (column_count == 1) pending_blanks++;
      else blank_count += 1;
      continue;
    }
    // Behind any record, also one that is no row: a range of a file must not end with blank lines.
    if (pending_blanks > 0) {
      addTo(columns, EMPTY_AT, pending_blanks);
      row_count += pending_blanks;
      pending_blanks = 0;
    }
    const record_line = line + linesBefore(record);
    const cut_off = unclosed && record == record_count - 1;
    if (cut_off) reject(UNCLOSED_QUOTE, record, record_line, firstField(record + 1) - firstField(record) - 1);
    if (cut_off || !isRow(record, record_line)) {
      bad_count += 1;
      continue;
    }
    judgeRow(record, base, record_line);
    row_count += 1;
  }
}

/** False, and told to the host, if the record is no row; then nothing of it counts. */
function isRow(record: u32, line: f64): bool {
  const first = firstField(record);
  const behind = firstField(record + 1);
  if (behind - first != column_count) {
    reject(WRONG_FIELD_COUNT, record, line, min(behind - first, column_count));
    return false;
  }
  if (!given_types && !has_broken_fields) return true;
  for (let field = first; field < behind; field++) {
    const flagged = fieldEnd(field);
    if (flagged & (TRAILING_TEXT | BAD_ESCAPE)) {
      reject(flagged & BAD_ESCAPE ? UNKNOWN_ESCAPE : TEXT_BEHIND_QUOTE, record, line, field - first);
      return false;
    }
    if (given_types && !fitsGiven(field - first, fieldStart(field), flagged)) {
      reject(DOES_NOT_FIT, record, line, field - first);
      return false;
    }
  }
  return true;
}

function fitsGiven(index: u32, start: u32, flagged: u32): bool {
  const column = columns + <usize>index * COLUMN_BYTES;
  if (load<u32>(column, SETTLED_AT) != GIVEN) return true;
  const end = flagged & POSITION;
  const quoted = flagged & QUOTED ? 1 : 0;
  // No type but text has an empty value: it is null.
  if (end - start == 2 * quoted || isNull(start, flagged)) return true;
  const accepted = load<u32>(column, ACCEPTED_AT);
  if (accepted && !(flagged & (ESCAPED | BARE_QUOTE))) {
    const kinds = classify(input + start + quoted, input + end - quoted, column);
    if (!(kinds & ~accepted)) return true;
  }
  return fits(index, input + start, end - start);
}

/** True for an unquoted field with one of the texts that stand for null. */
function isNull(start: u32, flagged: u32): bool {
  if (!null_bytes || flagged & QUOTED) return false;
  const length = (flagged & POSITION) - start;
  for (let at = nulls; at < nulls + null_bytes; at += 1 + load<u8>(at)) {
    if (load<u8>(at) == length && memory.compare(at + 1, input + start, length) == 0) return true;
  }
  return false;
}

function judgeRow(record: u32, base: f64, line: f64): void {
  const first = firstField(record);
  const behind = firstField(record + 1);
  let column = columns;
  for (let field = first; field < behind; field++, column += COLUMN_BYTES) {
    const start = fieldStart(field);
    const flagged = fieldEnd(field);
    const end = flagged & POSITION;
    if (start == end) {
      addTo(column, EMPTY_AT, 1);
      continue;
    }
    if (isNull(start, flagged)) {
      markNull(field);
      addTo(column, EMPTY_AT, 1);
      continue;
    }
    const quoted = flagged & QUOTED ? 1 : 0;
    if (quoted && end - start == 2) {
      addTo(column, QUOTED_EMPTY_AT, 1);
      continue;
    }
    let text_bytes = end - start - 2 * quoted;
    if (flagged & ESCAPED) {
      escaped_count += 1;
      text_bytes -= escapesIn(input + start + 1, input + end - 1);
    }
    addTo(column, TEXT_BYTES_AT, text_bytes);
    if (load<u32>(column, SETTLED_AT)) continue;
    const kinds =
      flagged & (ESCAPED | BARE_QUOTE)
        ? TEXT
        : classify(input + start + quoted, input + end - quoted, column);
    if (has_grown || (load<u32>(column, KINDS_AT) & kinds) != kinds) {
      see(column, kinds, base, line, start, end);
    }
  }
}

/** Bytes that only say that another stands behind them: inside quotes both come in pairs. */
function escapesIn(start: usize, end: usize): u32 {
  let escapes: u32 = 0;
  const byte = escape ? escape : quote;
  for (let at = start; at < end; at++) {
    if (load<u8>(at) != byte) continue;
    escapes++;
    at++;
  }
  return escapes;
}

function reject(reason: u32, record: u32, line: f64, field: u32): void {
  markBad(record);
  const start = recordStart(record);
  const first = firstField(record);
  const fields = firstField(record + 1) - first;
  const at = first + min(field, fields - 1);
  const field_start = fieldStart(at);
  badRecord(
    reason,
    row_count + bad_count,
    line,
    start,
    recordEnd(record) - start,
    fields,
    field,
    field_start,
    (fieldEnd(at) & POSITION) - field_start,
  );
}

@inline
function addTo(column: usize, offset: usize, count: u32): void {
  store<f64>(column + offset, load<f64>(column + offset) + <f64>count);
}

/** Notes where a kind was seen first, and settles the column on text if no other type is left. */
function see(column: usize, seen: u32, base: f64, line: f64, start: u32, end: u32): void {
  clearGrown();
  const before = load<u32>(column, KINDS_AT);
  let now = before | seen;
  // Neither a double nor any decimal holds all digits.
  if (now & INEXACT && !hasRoom(column)) now |= TEXT;
  for (let kind: u32 = 0; kind < KINDS; kind++) {
    if (!((now & ~before) & (1 << kind))) continue;
    const place = column + FIRST_AT + <usize>kind * FIRST_BYTES;
    store<f64>(place, row_count);
    store<f64>(place, line, 8);
    store<f64>(place, base + <f64>start, 16);
    store<u32>(place, end - start, 24);
  }
  store<u32>(column, now, KINDS_AT);
  const others = now & ~NUMERIC;
  const mixed = (now & NUMERIC && others) || (others & (others - 1)) != 0;
  if (now & TEXT || mixed) store<u32>(column, SETTLED, SETTLED_AT);
}

/** True if some decimal has room for the most digits before and behind the point. */
function hasRoom(column: usize): bool {
  const before = load<u32>(column, INTEGER_DIGITS_AT);
  for (let scale = load<u32>(column, FRACTION_DIGITS_AT); scale <= DECIMAL_DIGITS; scale++) {
    if (scales & ((<u64>1) << scale) && before + scale <= DECIMAL_DIGITS) return true;
  }
  return false;
}
