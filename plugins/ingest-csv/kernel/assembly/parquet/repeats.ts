/** Whether the values of a column repeat, so that a dictionary pays. */

/** Values looked at, and the bits they may set. */
const SAMPLES: u32 = 2048;
const SAMPLES_MIN: u32 = 64;
const SKETCH_LOG: u32 = 14;
const SKETCH_BITS: u32 = 1 << SKETCH_LOG;
const SKETCH: usize = memory.data(1 << 11);

let samples: u32 = 0;
let distinct: u32 = 0;

/** True if at most one of eight is new, by a sample that depends on the values alone. */
export function numbersRepeat(values: usize, count: u32, is_wide: bool): bool {
  clear();
  const step = max<u32>(count / SAMPLES, 1);
  for (let row: u32 = 0; row < count; row += step) {
    const at = <usize>row;
    see(is_wide ? load<u64>(values + (at << 3)) : <u64>load<u32>(values + (at << 2)));
  }
  return doRepeat();
}

/** The same of texts, which are given by where each begins and where the last one ends. */
export function textsRepeat(texts: usize, offsets: usize, count: u32): bool {
  clear();
  const step = max<u32>(count / SAMPLES, 1);
  for (let row: u32 = 0; row < count; row += step) {
    const offset = offsets + (<usize>row << 2);
    const end = texts + load<u32>(offset, 4);
    let hash: u64 = 0xcbf2_9ce4_8422_2325;
    for (let at = texts + load<u32>(offset); at < end; at++) hash = (hash ^ load<u8>(at)) * 0x100_0000_01b3;
    see(hash);
  }
  return doRepeat();
}

function clear(): void {
  memory.fill(SKETCH, 0, SKETCH_BITS / 8);
  samples = 0;
  distinct = 0;
}

@inline
function see(value: u64): void {
  samples++;
  const bit = <u32>((value * 0x9e37_79b9_7f4a_7c15) >>> (64 - SKETCH_LOG));
  const at = SKETCH + (bit >>> 3);
  if (!(load<u8>(at) & (1 << (bit & 7)))) distinct++;
  store<u8>(at, load<u8>(at) | (<u8>1 << <u8>(bit & 7)));
}

@inline
function doRepeat(): bool {
  return samples >= SAMPLES_MIN && distinct * 8 <= samples;
}
