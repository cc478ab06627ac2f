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
 * Packs numbers of `width` bits, the first into the lowest bits. Their bits must come to whole bytes;
 * up to 7 bytes more are written. Gives back where they end.
 */
export function packWide(to: usize, from: usize, count: u32, width: u32): usize {
  const end = to + ((<usize>count * width) >>> 3);
  if (!width) return end;
  let held: u64 = 0;
  let bits: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const value = load<u64>(from + (<usize>index << 3));
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

/** The same for numbers of two bytes each. */
export function packNarrow(to: usize, from: usize, count: u32, width: u32): usize {
  const end = to + ((<usize>count * width) >>> 3);
  let held: u64 = 0;
  let bits: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const value = <u64>load<u16>(from + (<usize>index << 1));
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
