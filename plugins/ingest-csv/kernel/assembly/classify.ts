/**
 * What kind of value a cell is. The rule behind every line: a kind other than TEXT is given only to
 * a form from which the value, and nothing else, can be read. What people write in more than one
 * sense is TEXT: `02134`, `+7`, `1_000`, `1e3`, `5.`, `11/6/18`, `Yes`, ` 147`.
 */
import { keepsDigits, UNSURE, YES } from "./double";
import {
  BIG_INTEGER,
  BOOLEAN_LOWER,
  BOOLEAN_TITLE,
  BOOLEAN_UPPER,
  DATE,
  DECIMAL,
  FRACTION_DIGITS_AT,
  INEXACT,
  INTEGER,
  INTEGER_DIGITS_AT,
  KINDS_AT,
  NEGATIVE_ZERO,
  SCIENTIFIC,
  TEXT,
  TIMESTAMP,
  TIMESTAMP_UTC,
} from "./memory";

/** Asks the host whether the shortest decimal of the nearest double has these very digits. */
@external("host", "printsBack")
declare function printsBack(start: usize, length: u32): bool;

const MINUS: u8 = 0x2d;
const PLUS: u8 = 0x2b;
const POINT: u8 = 0x2e;
const ZERO: u8 = 0x30;
const COLON: u8 = 0x3a;

@inline
function digit(at: usize): u32 {
  return <u32>load<u8>(at) - ZERO;
}

/**
 * Of the last cell that was an INTEGER or a DECIMAL: its digits as one number, if they are at most
 * nineteen (`digits_fit`), and how many of them stand behind the point.
 */
export let digits_value: u64 = 0;
export let digits_behind: u32 = 0;
export let digits_fit: bool = false;

@inline
export function keepDigits(value: u64, fraction_digits: u32, fit: bool): void {
  digits_value = value;
  digits_behind = fraction_digits;
  digits_fit = fit;
}

/** The kinds of the cell `[start, end)`, which is not empty; the column's digit counts grow with it. */
export function classify(start: usize, end: usize, column: usize): u32 {
  const first = load<u8>(start);
  if (digit(start) < 10 || first == MINUS || first == POINT) return classifyNumber(start, end, column);
  const length = <u32>(end - start);
  if (length == 4) {
    const word = load<u32>(start);
    if (word == 0x65757274) return BOOLEAN_LOWER; // true
    if (word == 0x65757254) return BOOLEAN_TITLE; // True
    if (word == 0x45555254) return BOOLEAN_UPPER; // TRUE
  } else if (length == 5) {
    const rest = load<u32>(start, 1);
    if (rest == 0x65736c61) {
      if (first == 0x66) return BOOLEAN_LOWER; // false
      if (first == 0x46) return BOOLEAN_TITLE; // False
    } else if (rest == 0x45534c41 && first == 0x46) return BOOLEAN_UPPER; // FALSE
  }
  return TEXT;
}

/** The position behind a run of digits. */
function skipDigits(from: usize, end: usize): usize {
  let at = from;
  while (at < end && digit(at) < 10) at++;
  return at;
}

/** A number had more digits than any before it in its column, since this was last cleared. */
export let has_grown: bool = false;

export function clearGrown(): void {
  has_grown = false;
}

@inline
function grow(column: usize, offset: usize, digits: u32): void {
  if (digits <= load<u32>(column + offset)) return;
  store<u32>(column + offset, digits);
  has_grown = true;
}

/** INEXACT if no double gives the digits back; asked only while the column has no such cell. */
function inexact(start: usize, end: usize, column: usize): u32 {
  if (load<u32>(column + KINDS_AT) & INEXACT) return INEXACT;
  return printsBack(start, <u32>(end - start)) ? 0 : INEXACT;
}

function classifyNumber(start: usize, end: usize, column: usize): u32 {
  const negative = load<u8>(start) == MINUS;
  const integer_start = negative ? start + 1 : start;
  let at = integer_start;
  let value: u64 = 0;
  while (at < end) {
    const next = digit(at);
    if (next > 9) break;
    value = value * 10 + next;
    at++;
  }
  const integer_digits = <u32>(at - integer_start);
  const is_time = at < end && load<u8>(at) == MINUS;
  if (is_time) return integer_digits == 4 && !negative ? classifyTime(start, end) : TEXT;
  if (integer_digits > 1 && load<u8>(integer_start) == ZERO) return TEXT;
  if (at == end) return classifyInteger(start, end, column, integer_digits, value, negative);

  let fraction_digits: u32 = 0;
  if (load<u8>(at) == POINT) {
    const fraction_start = ++at;
    while (at < end) {
      const next = digit(at);
      if (next > 9) break;
      value = value * 10 + next;
      at++;
    }
    fraction_digits = <u32>(at - fraction_start);
    if (fraction_digits == 0) return TEXT;
  }
  if (at < end) {
    if (integer_digits == 0 || !isExponent(at, end, fraction_digits > 0)) return TEXT;
    return SCIENTIFIC | signOfZero(negative, value) | inexact(start, end, column);
  }
  grow(column, INTEGER_DIGITS_AT, integer_digits);
  grow(column, FRACTION_DIGITS_AT, fraction_digits);
  const digits = integer_digits + fraction_digits;
  keepDigits(value, fraction_digits, digits <= 19);
  // Fifteen significant digits always survive a double (IEEE 754, DBL_DIG); `value` is only whole
  // while no more than nineteen digits went into it.
  if (digits <= 15 || (digits <= 19 && value < 1_000_000_000_000_000)) {
    return DECIMAL | signOfZero(negative, value);
  }
  const sure = digits <= 19 ? keepsDigits(value, fraction_digits) : UNSURE;
  if (sure != UNSURE) return sure == YES ? DECIMAL : DECIMAL | INEXACT;
  return DECIMAL | signOfZero(negative, value) | inexact(start, end, column);
}

@inline
function signOfZero(negative: bool, value: u64): u32 {
  return negative && value == 0 ? NEGATIVE_ZERO : 0;
}

function classifyInteger(
  start: usize,
  end: usize,
  column: usize,
  digits: u32,
  value: u64,
  negative: bool,
): u32 {
  if (digits == 0) return TEXT;
  grow(column, INTEGER_DIGITS_AT, digits);
  keepDigits(value, 0, digits <= 19);
  if (digits < 16) return negative && value == 0 ? DECIMAL | NEGATIVE_ZERO : INTEGER;
  const limit: u64 = negative ? 9_223_372_036_854_775_808 : 9_223_372_036_854_775_807;
  const kind = digits < 19 || (digits == 19 && value <= limit) ? INTEGER : BIG_INTEGER;
  return kind | inexact(start, end, column);
}

/** `e-5`, `E+05`, and `e7` only behind a fraction: `1e3` may be a code. At most three digits. */
function isExponent(from: usize, end: usize, has_fraction: bool): bool {
  const letter = load<u8>(from);
  if (letter != 0x65 && letter != 0x45) return false;
  let at = from + 1;
  const sign = at < end ? load<u8>(at) : 0;
  const signed = sign == MINUS || sign == PLUS;
  if (signed) at++;
  const digits = <u32>(end - at);
  return (signed || has_fraction) && digits >= 1 && digits <= 3 && skipDigits(at, end) == end;
}

/** Two digits as a number, or 100. */
function twoDigits(at: usize): u32 {
  const tens = digit(at);
  const ones = digit(at + 1);
  return tens < 10 && ones < 10 ? tens * 10 + ones : 100;
}

const DAYS_IN_MONTH: usize = memory.data<u8>([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]);

/** ISO 8601: `YYYY-MM-DD`, then `T` or a space and `hh:mm:ss`, up to six decimals, and `Z`. */
export function classifyTime(start: usize, end: usize): u32 {
  const length = <u32>(end - start);
  if (length < 10 || load<u8>(start, 4) != MINUS || load<u8>(start, 7) != MINUS) return TEXT;
  const year = twoDigits(start) * 100 + twoDigits(start + 2);
  const month = twoDigits(start + 5);
  const day = twoDigits(start + 8);
  if (year == 0 || month - 1 > 11 || day == 0 || day > load<u8>(DAYS_IN_MONTH + month)) return TEXT;
  const leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  if (month == 2 && day == 29 && !leap) return TEXT;
  if (length == 10) return DATE;
  if (length < 19) return TEXT;
  const between = load<u8>(start, 10);
  if (between != 0x54 && between != 0x20) return TEXT;
  if (load<u8>(start, 13) != COLON || load<u8>(start, 16) != COLON) return TEXT;
  if (twoDigits(start + 11) > 23 || twoDigits(start + 14) > 59 || twoDigits(start + 17) > 59) return TEXT;
  let at = start + 19;
  if (at < end && load<u8>(at) == POINT) {
    const fraction_start = at + 1;
    at = skipDigits(fraction_start, end);
    if (at == fraction_start || at - fraction_start > 6) return TEXT;
  }
  if (at == end) return TIMESTAMP;
  return at + 1 == end && load<u8>(at) == 0x5a ? TIMESTAMP_UTC : TEXT;
}
