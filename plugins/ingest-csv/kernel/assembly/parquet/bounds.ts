/** The least and the greatest value of a column chunk, as its statistics have them. */

/** Longer texts are no bounds: a part of one would need care that nothing here asks for. */
const BOUND_BYTES_MAX: u32 = 64;

/** Where they are, and their bytes. */
export let least: usize = 0;
export let least_bytes: u32 = 0;
export let greatest: usize = 0;
export let greatest_bytes: u32 = 0;

const numbers: usize = memory.data(64);

@inline
function setBounds(bytes: u32): void {
  least = numbers;
  greatest = numbers + 16;
  least_bytes = bytes;
  greatest_bytes = bytes;
}

/** Of whole numbers of 8 bytes, or of 4; there is at least one. */
export function boundNumbers(values: usize, count: u32, is_wide: bool): bool {
  let low = i64.MAX_VALUE;
  let high = i64.MIN_VALUE;
  for (let row: u32 = 0; row < count; row++) {
    const at = <usize>row;
    const value = is_wide ? load<i64>(values + (at << 3)) : <i64>load<i32>(values + (at << 2));
    low = min(low, value);
    high = max(high, value);
  }
  store<i64>(numbers, low);
  store<i64>(numbers, high, 16);
  setBounds(is_wide ? 8 : 4);
  return true;
}

/**
 * Of doubles. None if one of them is not a number; a zero stands for both zeros
 * (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, TypeDefinedOrder).
 */
export function boundDoubles(values: usize, count: u32): bool {
  let low: f64 = Infinity;
  let high: f64 = -Infinity;
  for (let row: u32 = 0; row < count; row++) {
    const value = load<f64>(values + (<usize>row << 3));
    low = min(low, value);
    high = max(high, value);
  }
  // Both are NaN if one value is.
  if (low != low) return false;
  store<f64>(numbers, low == 0 ? -0.0 : low);
  store<f64>(numbers, high == 0 ? 0.0 : high, 16);
  setBounds(8);
  return true;
}

/** Of bits: 0 or 1 in one byte. */
export function boundBits(bits: usize, count: u32): bool {
  const set = sumBits(bits, count);
  store<u8>(numbers, set == count ? 1 : 0);
  store<u8>(numbers, set ? 1 : 0, 16);
  setBounds(1);
  return true;
}

/** The last 64 bits of the sum of whole numbers of 8 bytes, or of 4. */
export function sumNumbers(values: usize, count: u32, is_wide: bool): i64 {
  let sum: i64 = 0;
  for (let row: u32 = 0; row < count; row++) {
    const at = <usize>row;
    sum += is_wide ? load<i64>(values + (at << 3)) : <i64>load<i32>(values + (at << 2));
  }
  return sum;
}

/** How many bits are set. */
export function sumBits(bits: usize, count: u32): u32 {
  let set: u32 = 0;
  for (let row: u32 = 0; row < count; row += 8) set += popcnt(<u32>load<u8>(bits + (row >>> 3)));
  return set;
}

/** Of 128-bit numbers, little-endian; they are given as the last `bytes` of big-endian ones. */
export function boundDecimals(values: usize, count: u32, bytes: u32): bool {
  let low = values;
  let high = values;
  for (let row: u32 = 1; row < count; row++) {
    const value = values + (<usize>row << 4);
    if (isLess(value, low)) low = value;
    if (isLess(high, value)) high = value;
  }
  putDecimal(numbers, low, bytes);
  putDecimal(numbers + 16, high, bytes);
  setBounds(bytes);
  return true;
}

/** Writes up to 16 bytes. */
@inline
export function putDecimal(to: usize, from: usize, bytes: u32): void {
  let high = bswap(load<u64>(from, 8));
  let low = bswap(load<u64>(from));
  if (bytes == 16) {
    store<u64>(to, high);
    store<u64>(to, low, 8);
    return;
  }
  // More than 8 and fewer than 16: the upper bytes that say nothing but the sign are left out.
  const shift = <u64>(16 - bytes) << 3;
  high = (high >>> shift) | (low << (64 - shift));
  low >>>= shift;
  store<u64>(to, high);
  store<u64>(to, low, 8);
}

@inline
function isLess(one: usize, other: usize): bool {
  const high = load<i64>(one, 8);
  const other_high = load<i64>(other, 8);
  return high == other_high ? load<u64>(one) < load<u64>(other) : high < other_high;
}

/** Of texts, by their bytes; none if one of both is long. */
export function boundTexts(texts: usize, offsets: usize, count: u32): bool {
  let start = load<u32>(offsets);
  let end = load<u32>(offsets, 4);
  clearTexts(texts + start, end - start);
  for (let row: u32 = 1; row < count; row++) {
    start = end;
    end = load<u32>(offsets + (<usize>row << 2), 4);
    seeText(texts + start, end - start);
  }
  return haveRoom();
}

/** The same of the entries of a dictionary, each behind its length. */
export function boundEntries(entries: usize, bytes: u32): bool {
  clearTexts(entries + 4, load<u32>(entries));
  for (let at = entries; at < entries + bytes; at += 4 + load<u32>(at)) seeText(at + 4, load<u32>(at));
  return haveRoom();
}

/** The first bytes of both, as numbers that compare as they do. */
let least_head: u64 = 0;
let greatest_head: u64 = 0;

function clearTexts(text: usize, length: u32): void {
  least = text;
  greatest = text;
  least_bytes = length;
  greatest_bytes = length;
  least_head = headOf(text, length);
  greatest_head = least_head;
}

@inline
function headOf(text: usize, length: u32): u64 {
  const head = bswap(load<u64>(text));
  return length >= 8 ? head : length ? head & (~<u64>0 << (64 - (length << 3))) : 0;
}

@inline
function seeText(text: usize, length: u32): void {
  const head = headOf(text, length);
  if (head <= least_head && isBefore(text, length, least, least_bytes)) {
    least = text;
    least_bytes = length;
    least_head = head;
  }
  if (head >= greatest_head && isBefore(greatest, greatest_bytes, text, length)) {
    greatest = text;
    greatest_bytes = length;
    greatest_head = head;
  }
}

function isBefore(one: usize, length: u32, other: usize, other_length: u32): bool {
  const order = memory.compare(one, other, min(length, other_length));
  return order == 0 ? length < other_length : order < 0;
}

function haveRoom(): bool {
  return least_bytes <= BOUND_BYTES_MAX && greatest_bytes <= BOUND_BYTES_MAX;
}
