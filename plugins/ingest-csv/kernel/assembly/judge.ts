/** Gathers the facts of every column over the indexed records. */
import { classify } from "./classify";
import {
  BARE_QUOTE,
  CELL_BYTES_AT,
  COLUMN_BYTES,
  column_count,
  columns,
  EMPTY_AT,
  ESCAPED,
  FIRST_AT,
  FIRST_BYTES,
  input,
  KINDS,
  KINDS_AT,
  NUMERIC,
  POSITION,
  QUOTED,
  quote,
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
  isBlank,
  linesBefore,
  markBad,
  record_count,
  recordEnd,
  recordStart,
  trailing_text,
  unclosed,
} from "./records";

/** Why a record is no row. */
const WRONG_FIELD_COUNT: u32 = 1;
const TEXT_BEHIND_QUOTE: u32 = 2;
const DOES_NOT_FIT: u32 = 3;
const UNCLOSED_QUOTE: u32 = 4;

/**
 * Tells the host of a record that is no row: the row number it would have, its line, its place in
 * the input, the fields found, and the field at fault.
 */
@external("host", "badRecord")
declare function badRecord(reason: u32, row: f64, line: f64, start: u32, length: u32, fields: u32, field: u32): void;

/** Asks the host whether a cell is one of the texts that stand for null. */
@external("host", "isNull")
declare function isNull(start: usize, length: u32): bool;

/** Asks the host whether a cell fits the type that the user gave its column. */
@external("host", "fits")
declare function fits(column: u32, start: usize, length: u32): bool;

/** `SETTLED_AT` of a column: 0 open, 1 text whatever comes, 2 the user gave a type. */
const SETTLED: u32 = 1;
const GIVEN: u32 = 2;

export let row_count: f64 = 0;
export let bad_count: f64 = 0;
export let blank_count: f64 = 0;
/** Cells that hold `""` inside quotes. */
export let escaped_count: f64 = 0;
/** Blank lines at the end so far; they become empty cells of a one-column file if a row follows. */
let pending_blanks: u32 = 0;
let null_texts: bool = false;
let given_types: bool = false;

export function clearJudge(with_null_texts: bool): void {
  given_types = false;
  row_count = 0;
  bad_count = 0;
  blank_count = 0;
  escaped_count = 0;
  pending_blanks = 0;
  null_texts = with_null_texts;
}

/** Every cell of this column is asked of the host (`fits`). */
export function giveType(column: u32): void {
  given_types = true;
  store<u32>(columns + <usize>column * COLUMN_BYTES, GIVEN, SETTLED_AT);
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
    if (pending_blanks > 0) {
      addTo(columns, EMPTY_AT, pending_blanks);
      row_count += pending_blanks;
      pending_blanks = 0;
    }
    const record_line = line + linesBefore(record);
    const cut_off = unclosed && record == record_count - 1;
    if (cut_off) reject(UNCLOSED_QUOTE, record, record_line, firstField(record + 1) - firstField(record) - 1);
    if (!cut_off && judgeRecord(record, base, record_line)) row_count += 1;
    else bad_count += 1;
  }
}

/** False if the record is no row; then nothing of it counts. */
function judgeRecord(record: u32, base: f64, line: f64): bool {
  const first = firstField(record);
  const behind = firstField(record + 1);
  if (behind - first != column_count) {
    reject(WRONG_FIELD_COUNT, record, line, min(behind - first, column_count));
    return false;
  }
  if (!isWhole(record, line, first, behind)) return false;
  let column = columns;
  for (let field = first; field < behind; field++, column += COLUMN_BYTES) {
    const start = fieldStart(field);
    const flagged = fieldEnd(field);
    const end = flagged & POSITION;
    if (start == end || (null_texts && !(flagged & QUOTED) && isNull(input + start, end - start))) {
      addTo(column, EMPTY_AT, 1);
      continue;
    }
    const quoted = flagged & QUOTED ? 1 : 0;
    if (quoted && end - start == 2) {
      addTo(column, QUOTED_EMPTY_AT, 1);
      continue;
    }
    addBytes(column, start, end, flagged);
    let text_bytes = end - start - 2 * quoted;
    if (flagged & ESCAPED) text_bytes -= doubledQuotes(input + start + 1, input + end - 1);
    addTo(column, TEXT_BYTES_AT, text_bytes);
    if (load<u32>(column, SETTLED_AT)) continue;
    const kinds =
      flagged & (ESCAPED | BARE_QUOTE)
        ? TEXT
        : classify(input + start + quoted, input + end - quoted, column);
    if ((load<u32>(column, KINDS_AT) & kinds) != kinds) see(column, kinds, base, line, start, end);
  }
  return true;
}

/** Inside the quotes of a cell all quotes come in pairs. */
function doubledQuotes(start: usize, end: usize): u32 {
  let quotes: u32 = 0;
  for (let at = start; at < end; at++) if (load<u8>(at) == quote) quotes++;
  return quotes >> 1;
}

/** False, and told to the host, if a cell breaks the quoting rule or the type it was given. */
function isWhole(record: u32, line: f64, first: u32, behind: u32): bool {
  if (!given_types && !trailing_text) return true;
  for (let field = first; field < behind; field++) {
    const flagged = fieldEnd(field);
    if (flagged & TRAILING_TEXT) {
      reject(TEXT_BEHIND_QUOTE, record, line, field - first);
      return false;
    }
    if (!isGiven(field - first)) continue;
    const start = fieldStart(field);
    const length = (flagged & POSITION) - start;
    if (length == 0 || (null_texts && !(flagged & QUOTED) && isNull(input + start, length))) continue;
    if (!fits(field - first, input + start, length)) {
      reject(DOES_NOT_FIT, record, line, field - first);
      return false;
    }
  }
  return true;
}

function isGiven(column: u32): bool {
  return load<u32>(columns + <usize>column * COLUMN_BYTES, SETTLED_AT) == GIVEN;
}

function reject(reason: u32, record: u32, line: f64, field: u32): void {
  markBad(record);
  const start = recordStart(record);
  const fields = firstField(record + 1) - firstField(record);
  badRecord(reason, row_count + bad_count, line, start, recordEnd(record) - start, fields, field);
}

@inline
function addTo(column: usize, offset: usize, count: u32): void {
  store<f64>(column + offset, load<f64>(column + offset) + <f64>count);
}

/** The bytes of the cell's text; the engine's text of the column must have as many. */
@inline
function addBytes(column: usize, start: u32, end: u32, flagged: u32): void {
  let bytes = end - start;
  if (flagged & QUOTED) {
    bytes -= 2;
    if (flagged & ESCAPED) {
      escaped_count += 1;
      bytes -= countQuotes(input + start + 1, input + end - 1) >> 1;
    }
  }
  store<f64>(column + CELL_BYTES_AT, load<f64>(column + CELL_BYTES_AT) + <f64>bytes);
}

function countQuotes(from: usize, to: usize): u32 {
  let count: u32 = 0;
  for (let at = from; at < to; at++) count += u32(load<u8>(at) == quote);
  return count;
}

/** Notes where a kind was seen first, and settles the column on text if its kinds do not agree. */
function see(column: usize, kinds: u32, base: f64, line: f64, start: u32, end: u32): void {
  const before = load<u32>(column, KINDS_AT);
  const now = before | kinds;
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
