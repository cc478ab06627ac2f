/**
 * Snappy, in its raw format: https://github.com/google/snappy/blob/main/format_description.txt
 * Pieces of 64 KiB are searched for bytes that stood in them before.
 */
import { putVarint } from "./bits";

const PIECE_BYTES: u32 = 65_536;
const TABLE_BITS: u32 = 13;
/** Where four bytes of a hash were last seen in the piece; u16 each. */
const table: usize = memory.data(16_384);
/** Matches begin so far in front of the end, so that whole words can be loaded. */
const MARGIN: usize = 15;

/** No more than this is written for so many bytes. */
export function snappyBytesMax(bytes: u32): usize {
  return 32 + <usize>bytes + bytes / 6;
}

/** Gives back where it ends. */
export function compress(to: usize, from: usize, bytes: u32): usize {
  to = putVarint(to, bytes);
  for (let done: u32 = 0; done < bytes; done += PIECE_BYTES)
    to = compressPiece(to, from + done, min(PIECE_BYTES, bytes - done));
  return to;
}

@inline
function hashOf(word: u32): usize {
  return <usize>((word * 0x1e35_a7bd) >>> (32 - TABLE_BITS)) << 1;
}

function compressPiece(to: usize, from: usize, bytes: u32): usize {
  const end = from + bytes;
  let written = from;
  if (<usize>bytes > MARGIN) {
    memory.fill(table, 0, 16_384);
    const last = end - MARGIN;
    let at = from + 1;
    // Where nothing matches the steps grow.
    let misses: u32 = 32;
    while (at < last) {
      const word = load<u32>(at);
      const slot = table + hashOf(word);
      const found = from + load<u16>(slot);
      store<u16>(slot, <u16>(at - from));
      if (load<u32>(found) != word) {
        at += misses++ >>> 5;
        continue;
      }
      to = putLiteral(to, written, <u32>(at - written));
      const length = 4 + matching(found + 4, at + 4, end);
      to = putCopy(to, <u32>(at - found), length);
      at += length;
      written = at;
      misses = 32;
      if (at < last) store<u16>(table + hashOf(load<u32>(at - 1)), <u16>(at - 1 - from));
    }
  }
  return written < end ? putLiteral(to, written, <u32>(end - written)) : to;
}

/** Bytes that are the same in both places. */
function matching(one: usize, other: usize, end: usize): u32 {
  const start = other;
  while (other + 8 <= end) {
    const difference = load<u64>(one) ^ load<u64>(other);
    if (difference) return <u32>(other - start) + <u32>(ctz(difference) >>> 3);
    one += 8;
    other += 8;
  }
  while (other < end && load<u8>(one) == load<u8>(other)) {
    one++;
    other++;
  }
  return <u32>(other - start);
}

function putLiteral(to: usize, from: usize, length: u32): usize {
  if (!length) return to;
  const stored = length - 1;
  if (stored < 60) store<u8>(to++, <u8>(stored << 2));
  else if (stored < 256) {
    store<u8>(to, 60 << 2);
    store<u8>(to, <u8>stored, 1);
    to += 2;
  } else {
    store<u8>(to, 61 << 2);
    store<u16>(to, <u16>stored, 1);
    to += 3;
  }
  if (length > 64) memory.copy(to, from, length);
  // May write up to 15 bytes more; all memory has room for them at its end.
  else for (let at: u32 = 0; at < length; at += 16) v128.store(to + at, v128.load(from + at));
  return to + length;
}

/** Copies of up to 64 bytes; what remains of a longer one is at least 4. */
function putCopy(to: usize, offset: u32, length: u32): usize {
  for (; length >= 68; length -= 64) to = putLongCopy(to, offset, 64);
  if (length > 64) {
    to = putLongCopy(to, offset, 60);
    length -= 60;
  }
  if (length >= 12 || offset >= 2048) return putLongCopy(to, offset, length);
  store<u8>(to, <u8>(1 | ((length - 4) << 2) | ((offset >>> 8) << 5)));
  store<u8>(to, <u8>offset, 1);
  return to + 2;
}

@inline
function putLongCopy(to: usize, offset: u32, length: u32): usize {
  store<u8>(to, <u8>(2 | ((length - 1) << 2)));
  store<u16>(to, <u16>offset, 1);
  return to + 3;
}
