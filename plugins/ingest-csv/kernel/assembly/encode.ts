/** Writes the values of cells. */
import { digits_behind, digits_fit, digits_value } from "./classify";
import { nearest, nearestDouble } from "./double";
import {
  ASK_AT,
  BOOLEAN,
  DATE32,
  DECIMAL128,
  FLOAT64,
  INDEX_AT,
  INT64,
  SCALE_AT,
  STORED_BYTES_AT,
  TEXT_ROOM_AT,
  TIMESTAMP_US,
  TIMESTAMP_US_UTC,
  VALUES_AT,
} from "./group";
import {
  allocate,
  BARE_QUOTE,
  BOOLEAN_LOWER,
  BOOLEAN_TITLE,
  BOOLEAN_UPPER,
  DATE,
  DECIMAL,
  escape,
  ESCAPED,
  input,
  INTEGER,
  POSITION,
  quote,
  TIMESTAMP,
  TIMESTAMP_UTC,
} from "./memory";
import { isQuoted } from "./records";
import {
  daysOf,
  microsOf,
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

const MINUS: u8 = 0x2d;
const BOOLEANS: u32 = BOOLEAN_LOWER | BOOLEAN_TITLE | BOOLEAN_UPPER;

@inline
export function setBit(bits: usize, row: u32): void {
  const at = bits + (row >>> 3);
  store<u8>(at, load<u8>(at) | (<u8>1 << <u8>(row & 7)));
}

/**
 * Writes the value of a cell that is not empty at `to`. What the judge has just found out of it, its
 * `kinds` and its digits, is used as far as it goes. False if the cell has no value of this type.
 */
@inline
export function putValue(out: usize, type: u32, kinds: u32, start: u32, flagged: u32, to: usize): bool {
  const quoted = isQuoted(flagged);
  const end = flagged & POSITION;
  const ask = load<u32>(out, ASK_AT);
  if (ask != ALWAYS && !(flagged & (ESCAPED | BARE_QUOTE))) {
    if (putJudged(type, kinds, input + start + quoted, input + end - quoted, to)) return true;
    if (readValue(out, type, input + start + quoted, input + end - quoted, to)) return fitsStored(out, type, to);
  }
  return (
    ask != NEVER &&
    hostValue(load<u32>(out, INDEX_AT), input + start, end - start, to) &&
    fitsStored(out, type, to)
  );
}

/** False for a decimal that has more bytes than its column stores: it would be cut off. */
@inline
function fitsStored(out: usize, type: u32, at: usize): bool {
  return type != DECIMAL128 || fitsBytes(at, load<u32>(out, STORED_BYTES_AT));
}

function fitsBytes(at: usize, bytes: u32): bool {
  const high = load<i64>(at, 8);
  const low = load<i64>(at);
  if (bytes <= 8) return high == low >> 63 && (bytes == 8 || low == <i64><i32>low);
  const unused_bits = <i64>(16 - bytes) << 3;
  return (high << unused_bits) >> unused_bits == high;
}

/** True if the kinds tell that the cell has a value of this type, which is then written. */
@inline
function putJudged(type: u32, kinds: u32, start: usize, end: usize, to: usize): bool {
  switch (type) {
    case INT64:
      if (!(kinds & INTEGER)) return false;
      store<u64>(to, load<u8>(start) == MINUS ? 0 - digits_value : digits_value);
      return true;
    case FLOAT64:
      if (!(kinds & (INTEGER | DECIMAL)) || !digits_fit || !nearestDouble(digits_value, digits_behind))
        return false;
      store<f64>(to, load<u8>(start) == MINUS ? -nearest : nearest);
      return true;
    case BOOLEAN:
      if (!(kinds & BOOLEANS)) return false;
      // Of five letters only `false` is one, of four only `true`.
      store<u8>(to, end - start == 4 ? 1 : 0);
      return true;
    case DATE32:
      if (kinds != DATE) return false;
      store<i32>(to, daysOf(start));
      return true;
    case TIMESTAMP_US:
      if (kinds != TIMESTAMP) return false;
      store<i64>(to, microsOf(start, end, false));
      return true;
    case TIMESTAMP_US_UTC:
      if (kinds != TIMESTAMP_UTC) return false;
      store<i64>(to, microsOf(start, end, true));
      return true;
    default:
      return false;
  }
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

/** 0 if the memory cannot be had. */
export function enlargeText(out: usize, length: u32, bytes: u32): usize {
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
export function putBytes(to: usize, from: usize, length: u32): u32 {
  if (length > 64) memory.copy(to, from, length);
  else for (let at: u32 = 0; at < length; at += 16) v128.store(to + at, v128.load(from + at));
  return length;
}

/** Of two bytes of a pair the second is meant. */
export function putUnescaped(to: usize, from: usize, length: u32): u32 {
  const mark = escape ? escape : quote;
  let written: u32 = 0;
  for (let at: u32 = 0; at < length; at++) {
    if (load<u8>(from + at) == mark) at++;
    store<u8>(to + written, load<u8>(from + at));
    written++;
  }
  return written;
}
