/**
 * Reads the value of a cell, by the same forms that `classify.ts` knows: false for any other. Values
 * are written at `to`, little-endian: 8 bytes, 4 for a date, 16 for a decimal.
 */
import { classifyTime } from "./classify";
import { nearest, nearestDouble } from "./double";
import { DATE, TIMESTAMP, TIMESTAMP_UTC } from "./memory";

/** Asks the host for the double nearest to a number with many digits or an exponent. */
@external("host", "double")
declare function hostDouble(start: usize, length: u32): f64;

const MINUS: u8 = 0x2d;
const POINT: u8 = 0x2e;
const ZERO: u8 = 0x30;

@inline
function digit(at: usize): u32 {
  return <u32>load<u8>(at) - ZERO;
}

@inline
function isNegative(start: usize): usize {
  return load<u8>(start) == MINUS ? 1 : 0;
}

export function readInteger(start: usize, end: usize, to: usize): bool {
  const negative = isNegative(start);
  const digits_start = start + negative;
  const digits = <u32>(end - digits_start);
  if (end <= digits_start || digits > 19) return false;
  let value: u64 = 0;
  for (let at = digits_start; at < end; at++) {
    const next = digit(at);
    if (next > 9) return false;
    value = value * 10 + next;
  }
  if (load<u8>(digits_start) == ZERO && digits + <u32>negative > 1) return false;
  if (value > <u64>i64.MAX_VALUE + negative) return false;
  store<u64>(to, negative ? 0 - value : value);
  return true;
}

export function readDouble(start: usize, end: usize, to: usize): bool {
  const negative = isNegative(start);
  let at = start + negative;
  let value: u64 = 0;
  let digits: u32 = 0;
  let fraction_digits: u32 = 0;
  for (; at < end; at++, digits++) {
    const next = digit(at);
    if (next > 9) break;
    value = value * 10 + next;
  }
  if (at < end && load<u8>(at) == POINT) {
    const fraction_start = ++at;
    for (; at < end; at++) {
      const next = digit(at);
      if (next > 9) break;
      value = value * 10 + next;
    }
    fraction_digits = <u32>(at - fraction_start);
    if (fraction_digits == 0) return false;
  }
  if (digits + fraction_digits == 0) return false;
  if (at == end && digits + fraction_digits <= 19 && nearestDouble(value, fraction_digits)) {
    store<f64>(to, negative ? -nearest : nearest);
    return true;
  }
  if (at < end && !isExponent(at, end)) return false;
  store<f64>(to, hostDouble(start, <u32>(end - start)));
  return true;
}

function isExponent(from: usize, end: usize): bool {
  let at = from + 1;
  if (load<u8>(from) != 0x65 && load<u8>(from) != 0x45) return false;
  if (at < end && (load<u8>(at) == 0x2b || load<u8>(at) == MINUS)) at++;
  if (at == end) return false;
  while (at < end && digit(at) < 10) at++;
  return at == end;
}

/** 10^0 to 10^19. */
const POWERS: StaticArray<u64> = [
  1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
  100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
  10000000000000000, 100000000000000000, 1000000000000000000, 10000000000000000000,
];

const DECIMAL_DIGITS: u32 = 38;
/** As many digits always fit 64 bits. */
const HALF_DIGITS: u32 = 19;

/** The unscaled value in two's complement; false if it has more than 38 digits at this scale. */
export function readDecimal(start: usize, end: usize, scale: u32, to: usize): bool {
  const negative = isNegative(start);
  let upper: u64 = 0;
  let lower: u64 = 0;
  let lower_digits: u32 = 0;
  let digits: u32 = 0;
  let fraction_start: usize = 0;
  for (let at = start + negative; at < end; at++) {
    const next = digit(at);
    if (next > 9) {
      if (load<u8>(at) != POINT || fraction_start) return false;
      fraction_start = at + 1;
      continue;
    }
    digits++;
    if (digits > DECIMAL_DIGITS) return false;
    if (digits <= HALF_DIGITS) upper = upper * 10 + next;
    else {
      lower = lower * 10 + next;
      lower_digits++;
    }
  }
  const fraction_digits = fraction_start ? <u32>(end - fraction_start) : 0;
  if (digits == 0 || (fraction_start && fraction_digits == 0) || fraction_digits > scale) return false;
  // The digits that the scale asks for beyond those that are written.
  for (let missing = scale - fraction_digits; missing > 0; missing--) {
    digits++;
    if (digits <= HALF_DIGITS) upper *= 10;
    else {
      lower *= 10;
      lower_digits++;
    }
    if (lower_digits > HALF_DIGITS) return false;
  }
  const power = unchecked(POWERS[lower_digits]);
  let low = upper * power;
  let high = productHigh(upper, power);
  low += lower;
  if (low < lower) high++;
  if (negative) {
    low = ~low + 1;
    high = ~high + (low == 0 ? 1 : 0);
  }
  store<u64>(to, low);
  store<u64>(to, high, 8);
  return true;
}

/** The upper 64 bits of a product. */
function productHigh(a: u64, b: u64): u64 {
  const a_low = a & 0xffff_ffff;
  const a_high = a >>> 32;
  const b_low = b & 0xffff_ffff;
  const b_high = b >>> 32;
  const middle = a_high * b_low + ((a_low * b_low) >>> 32);
  const other = a_low * b_high + (middle & 0xffff_ffff);
  return a_high * b_high + (middle >>> 32) + (other >>> 32);
}

/** 1, or 0 for false; -1 for neither. */
export function readBoolean(start: usize, end: usize): i32 {
  const length = <u32>(end - start);
  if (length == 4) {
    const word = load<u32>(start);
    return word == 0x65757274 || word == 0x65757254 || word == 0x45555254 ? 1 : -1;
  }
  if (length != 5) return -1;
  const first = load<u8>(start);
  const rest = load<u32>(start, 1);
  if (rest == 0x65736c61) return first == 0x66 || first == 0x46 ? 0 : -1;
  return rest == 0x45534c41 && first == 0x46 ? 0 : -1;
}

/** Days since 1970-01-01. */
export function readDate(start: usize, end: usize, to: usize): bool {
  if (classifyTime(start, end) != DATE) return false;
  store<i32>(to, daysOf(start));
  return true;
}

/** Microseconds since 1970-01-01; with a `Z` at the end, or without. */
export function readTimestamp(start: usize, end: usize, utc: bool, to: usize): bool {
  if (classifyTime(start, end) != (utc ? TIMESTAMP_UTC : TIMESTAMP)) return false;
  store<i64>(to, microsOf(start, end, utc));
  return true;
}

/** Of a cell that is known to be a timestamp. */
export function microsOf(start: usize, end: usize, utc: bool): i64 {
  const seconds = number(start + 11, 2) * 3600 + number(start + 14, 2) * 60 + number(start + 17, 2);
  let micros: u32 = 0;
  const fraction_end = utc ? end - 1 : end;
  if (fraction_end > start + 20) {
    const digits = <u32>(fraction_end - start - 20);
    micros = number(start + 20, digits);
    for (let missing = digits; missing < 6; missing++) micros *= 10;
  }
  return (<i64>daysOf(start) * 86_400 + seconds) * 1_000_000 + micros;
}

/** So many digits, which are known to be some. */
function number(from: usize, count: u32): u32 {
  let value: u32 = 0;
  for (let at = from; at < from + count; at++) value = value * 10 + digit(at);
  return value;
}

/** Of a cell that begins with a day `YYYY-MM-DD`, by eras of 400 years that begin in March. */
export function daysOf(start: usize): i32 {
  const month = number(start + 5, 2);
  const year = number(start, 4) - (month <= 2 ? 1 : 0);
  const year_of_era = year % 400;
  const day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + number(start + 8, 2) - 1;
  const day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return <i32>((year / 400) * 146_097 + day_of_era) - 719_468;
}
