/** Whether the values of a column repeat. */
import {
  BITS_AT,
  DATE32,
  group_rows,
  INT64,
  OFFSETS_AT,
  outAt,
  TEXT,
  TIMESTAMP_US,
  TIMESTAMP_US_UTC,
  TYPE_AT,
  VALUES_AT,
} from "./group";

/** Values looked at, and the bits they may set. */
const SAMPLES: u32 = 2048;
const SKETCH_BITS: u32 = 1 << 14;
const SKETCH: usize = memory.data(1 << 11);

/**
 * True if the values of a column of the group repeat so much that a dictionary pays: at most one in
 * eight is new, by a sample that depends on the rows alone.
 */
export function looksRepeated(index: u32): bool {
  const out = outAt(index);
  const type = load<u32>(out, TYPE_AT);
  const is_time = type == DATE32 || type == TIMESTAMP_US || type == TIMESTAMP_US_UTC;
  if (type != TEXT && type != INT64 && !is_time) return false;
  memory.fill(SKETCH, 0, SKETCH_BITS / 8);
  const step = max<u32>(group_rows / SAMPLES, 1);
  let samples: u32 = 0;
  let distinct: u32 = 0;
  for (let row: u32 = 0; row < group_rows; row += step) {
    if (!(load<u8>(load<u32>(out, BITS_AT) + (row >>> 3)) & (1 << (row & 7)))) continue;
    samples++;
    const bit = hashOf(out, type, row) % SKETCH_BITS;
    const at = SKETCH + (bit >>> 3);
    if (!(load<u8>(at) & (1 << (bit & 7)))) distinct++;
    store<u8>(at, load<u8>(at) | (<u8>1 << <u8>(bit & 7)));
  }
  return samples >= 64 && distinct * 8 <= samples;
}

function hashOf(out: usize, type: u32, row: u32): u32 {
  const values: usize = load<u32>(out, VALUES_AT);
  let hash: u64 = 0xcbf2_9ce4_8422_2325;
  if (type == TEXT) {
    const offset = <usize>load<u32>(out, OFFSETS_AT) + (<usize>row << 2);
    const end = values + load<u32>(offset, 4);
    for (let at = values + load<u32>(offset); at < end; at++) hash = (hash ^ load<u8>(at)) * 0x100_0000_01b3;
  } else if (type == DATE32) hash ^= load<u32>(values + (<usize>row << 2));
  else hash ^= load<u64>(values + (<usize>row << 3));
  return <u32>((hash * 0x9e37_79b9_7f4a_7c15) >>> 32);
}
