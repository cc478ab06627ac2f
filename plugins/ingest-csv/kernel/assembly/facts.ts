/** What is known of a column: the kinds of its cells, and where each was seen first. */
import { clearGrown } from "./classify";
import {
  escape,
  FIRST_AT,
  FIRST_BYTES,
  FRACTION_DIGITS_AT,
  INEXACT,
  INTEGER_DIGITS_AT,
  KINDS,
  KINDS_AT,
  NUMERIC,
  quote,
  SETTLED_AT,
  TEXT,
} from "./memory";

/** `SETTLED_AT` of a column: 0 open, 1 text whatever comes, 2 the user gave a type. */
export const SETTLED: u32 = 1;
export const GIVEN: u32 = 2;

const DECIMAL_DIGITS: u32 = 38;

/** Bit s is set if a decimal may have s digits behind its point. */
let scales: u64 = 0;

export function clearFacts(allowed_scales: u64): void {
  scales = allowed_scales;
}

@inline
export function addTo(column: usize, offset: usize, count: u32): void {
  store<f64>(column + offset, load<f64>(column + offset) + <f64>count);
}

/** Notes where a kind was seen first, and settles the column on text if no other type is left. */
export function see(column: usize, seen: u32, row: f64, line: f64, offset: f64, bytes: u32): void {
  clearGrown();
  const before = load<u32>(column, KINDS_AT);
  let now = before | seen;
  // Neither a double nor any decimal holds all digits.
  if (now & INEXACT && !hasRoom(column)) now |= TEXT;
  for (let kind: u32 = 0; kind < KINDS; kind++) {
    if (!((now & ~before) & (1 << kind))) continue;
    const place = column + FIRST_AT + <usize>kind * FIRST_BYTES;
    store<f64>(place, row);
    store<f64>(place, line, 8);
    store<f64>(place, offset, 16);
    store<u32>(place, bytes, 24);
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

/** Bytes that only say that another stands behind them: inside quotes both come in pairs. */
export function escapesIn(start: usize, end: usize): u32 {
  let escapes: u32 = 0;
  const byte = escape ? escape : quote;
  for (let at = start; at < end; at++) {
    if (load<u8>(at) != byte) continue;
    escapes++;
    at++;
  }
  return escapes;
}
