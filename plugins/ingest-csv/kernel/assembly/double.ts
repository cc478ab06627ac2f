/**
 * The nearest double of a decimal, and whether it has the decimal's digits when it is printed as
 * briefly as possible.
 *
 * Decided with double-double arithmetic (Dekker 1971): about 106 bits, where 17 digits and a power
 * of ten up to 22 need them; whatever comes too near to a boundary is left to the host, which prints
 * and compares.
 */

export const NO: i32 = 0;
export const YES: i32 = 1;
export const UNSURE: i32 = -1;

/** 10^0 to 10^22, all of them exact as doubles. */
const POWERS: StaticArray<f64> = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
  1e18, 1e19, 1e20, 1e21, 1e22,
];
const POWER_MAX: u32 = 22;

/** A double has at most so many significant digits when printed, and always keeps fifteen. */
const PRINTED_MAX: u64 = 100_000_000_000_000_000;
const ALWAYS_KEPT: u64 = 1_000_000_000_000_000;
/** Up to here every integer is a double. */
const EXACT_MAX: u64 = 1 << 53;

/** Far below any step that matters, far above the error of the arithmetic. */
const TOLERANCE: f64 = 1e-6;

/** What `divide` found. */
export let nearest: f64 = 0;
/** How far the decimal lies above `nearest`, and half the way to the next double, in its last digit. */
let above: f64 = 0;
let half_step: f64 = 0;

/** The decimal `value / 10^fraction_digits`; `value` must be exact. */
export function keepsDigits(value: u64, fraction_digits: u32): i32 {
  let digits = value;
  let power = fraction_digits;
  while (digits % 10 == 0 && power > 0) {
    digits /= 10;
    power--;
  }
  if (digits < ALWAYS_KEPT) return power <= POWER_MAX ? YES : UNSURE;
  if (power == 0 || power > POWER_MAX) return UNSURE;
  if (digits >= PRINTED_MAX) return NO;
  if (!divide(digits, power)) return UNSURE;
  const last = <f64>(digits % 10);
  for (let shorter: f64 = -10; shorter <= 20; shorter += 10) {
    const distance = Math.abs(shorter - last + above);
    if (distance < half_step - TOLERANCE) return NO;
    if (distance <= half_step + TOLERANCE) return UNSURE;
  }
  if (Math.abs(above) < 0.5 - TOLERANCE) return YES;
  return Math.abs(above) > 0.5 + TOLERANCE ? NO : UNSURE;
}

/** Finds the double nearest to `value / 10^fraction_digits`; false if that takes more arithmetic. */
export function nearestDouble(value: u64, fraction_digits: u32): bool {
  if (fraction_digits > POWER_MAX) return false;
  if (value <= EXACT_MAX) {
    // Both are doubles, and a division rounds once (Clinger 1990).
    nearest = <f64>value / unchecked(POWERS[fraction_digits]);
    return true;
  }
  return fraction_digits > 0 && value < PRINTED_MAX && divide(value, fraction_digits);
}

/** `digits` below 10^17 by a power of ten; false too near to the middle between two doubles. */
function divide(digits: u64, power: u32): bool {
  const scale = unchecked(POWERS[power]);
  const high = <f64>digits;
  const low = <f64>(<i64>digits - <i64>high);
  // The quotient in two steps; the second corrects the first by what it left over.
  const first = high / scale;
  const rest = high - productHigh(first, scale) - productLow(first, scale) + low;
  nearest = first + rest / scale;
  const bits = reinterpret<u64>(nearest);
  // The steps below and above a power of two differ.
  if ((bits & 0x000f_ffff_ffff_ffff) == 0) return false;
  half_step = (reinterpret<f64>(bits + 1) - nearest) * 0.5 * scale;
  above = high - productHigh(nearest, scale) - productLow(nearest, scale) + low;
  return Math.abs(above) <= half_step - TOLERANCE;
}

/** `a * b` is exactly `productHigh + productLow` (Veltkamp's splitting). */
@inline
function productHigh(a: f64, b: f64): f64 {
  return a * b;
}

function productLow(a: f64, b: f64): f64 {
  const a_high = upperHalf(a);
  const a_low = a - a_high;
  const b_high = upperHalf(b);
  const b_low = b - b_high;
  return a_low * b_low - (a * b - a_high * b_high - a_low * b_high - a_high * b_low);
}

@inline
function upperHalf(a: f64): f64 {
  const spread = 134_217_729 * a;
  return spread - (spread - a);
}
