/** Tells the records that are rows from those that are none. */
import { classify } from "./classify";
import { GIVEN, SETTLED } from "./facts";
import {
  ACCEPTED_AT,
  BAD_ESCAPE,
  BARE_QUOTE,
  COLUMN_BYTES,
  column_count,
  columns,
  ESCAPED,
  input,
  null_bytes,
  nulls,
  POSITION,
  QUOTED,
  rows,
  SETTLED_AT,
  TEXT,
  TRAILING_TEXT,
} from "./memory";
import {
  fieldEnd,
  fieldStart,
  firstField,
  has_broken_fields,
  isBlank,
  linesBefore,
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

/** The first field of a row that is a blank line: it has none. */
export const BLANK: u32 = u32.MAX_VALUE;

export let row_count: f64 = 0;
export let bad_count: f64 = 0;
export let blank_count: f64 = 0;
/** The record that the next list begins with; all are in when it is `record_count`. */
export let listed_records: u32 = 0;
/** Blank lines at the end so far; empty cells of a one-column file if a record follows. */
let pending_blanks: u32 = 0;
let given_types: bool = false;

export function clearJudge(): void {
  given_types = false;
  row_count = 0;
  bad_count = 0;
  blank_count = 0;
  pending_blanks = 0;
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
 * Lists the good records from `from` on, at most `room`, and tells the host of the others. `line` is the
 * number of the input's first line. Gives back how many there are; `listed_records` says how far it
 * came.
 */
export function listRows(from: u32, room: u32, line: f64): u32 {
  const rows_before = row_count;
  let count: u32 = 0;
  let record = from;
  for (; record < record_count && count < room; record++) {
    if (isBlank(record)) {
      // In a file of one column a blank line is an empty cell, unless it is at the end.
      if (column_count == 1) pending_blanks++;
      else blank_count += 1;
      continue;
    }
    // Behind any record, also one that is no row: a range of a file must not end with blank lines.
    for (; pending_blanks > 0 && count < room; pending_blanks--) putRow(count++, BLANK, record);
    if (count == room) break;
    const record_line = line + linesBefore(record);
    const cut_off = unclosed && record == record_count - 1;
    row_count = rows_before + count;
    if (cut_off) reject(UNCLOSED_QUOTE, record, record_line, firstField(record + 1) - firstField(record) - 1);
    if (cut_off || !isRow(record, record_line)) bad_count += 1;
    else putRow(count++, firstField(record), record);
  }
  listed_records = record;
  row_count = rows_before + count;
  return count;
}

@inline
function putRow(row: u32, first_field: u32, record: u32): void {
  store<u32>(rows + (<usize>row << 3), first_field);
  store<u32>(rows + (<usize>row << 3), record, 4);
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
export function isNull(start: u32, flagged: u32): bool {
  if (!null_bytes || flagged & QUOTED) return false;
  const length = (flagged & POSITION) - start;
  for (let at = nulls; at < nulls + null_bytes; at += 1 + load<u8>(at)) {
    if (load<u8>(at) == length && memory.compare(at + 1, input + start, length) == 0) return true;
  }
  return false;
}

function reject(reason: u32, record: u32, line: f64, field: u32): void {
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
