/**
 * DELTA_BINARY_PACKED: whole numbers by their differences, in blocks of 128 with a least difference,
 * in miniblocks of 32 with a number of bits each.
 *
 * https://parquet.apache.org/docs/file-format/data-pages/encodings/#delta-encoding-delta_binary_packed--5
 */
import { bitsOf, packNumbers, putVarint, putZigzag } from "./bits";

const BLOCK: u32 = 128;
const MINIBLOCK: u32 = 32;
const MINIBLOCKS: u32 = BLOCK / MINIBLOCK;
/** Block size, miniblocks, count and first value; per block, its least difference and the widths. */
const HEADER_BYTES: usize = 32;
const BLOCK_BYTES: usize = 16 + BLOCK * 8;

/** The differences of one block. */
const deltas: usize = memory.data(1024);

/** No more than this is written for so many numbers. */
export function deltaBytesMax(count: u32): usize {
  return HEADER_BYTES + <usize>((count + BLOCK - 1) / BLOCK) * BLOCK_BYTES;
}

/** Of numbers of 8 bytes, or of 4; there is at least one. Gives back where they end. */
export function putDeltas(to: usize, from: usize, count: u32, is_wide: bool): usize {
  to = putVarint(to, BLOCK);
  to = putVarint(to, MINIBLOCKS);
  to = putVarint(to, count);
  let previous = is_wide ? load<i64>(from) : <i64>load<i32>(from);
  to = putZigzag(to, previous);
  for (let done: u32 = 1; done < count; done += BLOCK) {
    const taken = min(BLOCK, count - done);
    let least = i64.MAX_VALUE;
    for (let index: u32 = 0; index < taken; index++) {
      const at = <usize>(done + index);
      const value = is_wide ? load<i64>(from + (at << 3)) : <i64>load<i32>(from + (at << 2));
      // May wrap around, as it does for the reader.
      const delta = value - previous;
      previous = value;
      least = min(least, delta);
      store<i64>(deltas + (<usize>index << 3), delta);
    }
    for (let index = taken; index < BLOCK; index++) store<i64>(deltas + (<usize>index << 3), least);
    to = putBlock(to, taken, least);
  }
  return to;
}

function putBlock(to: usize, taken: u32, least: i64): usize {
  const widths = putZigzag(to, least);
  to = widths + MINIBLOCKS;
  for (let miniblock: u32 = 0; miniblock < MINIBLOCKS; miniblock++) {
    const from = deltas + <usize>(miniblock * MINIBLOCK) * 8;
    let all: u64 = 0;
    for (let at = from; at < from + MINIBLOCK * 8; at += 8) {
      const above = load<i64>(at) - least;
      all |= above;
      store<i64>(at, above);
    }
    const width = bitsOf(all);
    store<u8>(widths + miniblock, <u8>width);
    // Miniblocks behind the last number have no bytes.
    if (width && miniblock * MINIBLOCK < taken) to = packNumbers(to, from, MINIBLOCK, width, true);
  }
  return to;
}
