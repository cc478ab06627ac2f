/** Numbers of few bits, side by side, and the lengths in front of them. */

/** An unsigned LEB128. Gives back where it ends. */
export function putVarint(to: usize, value: u64): usize {
  for (; value >= 0x80; value >>>= 7) store<u8>(to++, <u8>value | 0x80);
  store<u8>(to, <u8>value);
  return to + 1;
}

export function putZigzag(to: usize, value: i64): usize {
  return putVarint(to, <u64>((value << 1) ^ (value >> 63)));
}

/** Bits that a number takes. */
@inline
export function bitsOf(value: u64): u32 {
  return 64 - <u32>clz(value);
}

/**
 * Packs numbers of `width` bits, at least 1, the first into the lowest bits; each stands in 8 bytes, or
 * in 2. Their bits must come to whole bytes; up to 7 bytes more are written. Gives back where they end.
 */
export function packNumbers(to: usize, from: usize, count: u32, width: u32, is_wide: bool): usize {
  const end = to + ((<usize>count * width) >>> 3);
  let held: u64 = 0;
  let bits: u32 = 0;
  for (let index: usize = 0; index < <usize>count; index++) {
    const value = is_wide ? load<u64>(from + (index << 3)) : <u64>load<u16>(from + (index << 1));
    held |= value << bits;
    bits += width;
    if (bits >= 64) {
      store<u64>(to, held);
      to += 8;
      bits -= 64;
      held = bits ? value >>> (width - bits) : 0;
    }
  }
  if (bits) store<u64>(to, held);
  return end;
}
