/** Memory that serves one column chunk after another. */
import { allocate } from "../memory";

export const PAGE: u32 = 0;
export const PACKED_PAGE: u32 = 1;
export const DICTIONARY: u32 = 2;
export const PACKED_DICTIONARY: u32 = 3;
export const INDEXES: u32 = 4;
export const TABLE: u32 = 5;
export const ENTRIES: u32 = 6;
export const NUMBERS: u32 = 7;
const ROOMS: usize = 8;

const LEAST_BYTES: usize = 1024;

/** Per room: where it is, and its bytes; u32 each. */
const rooms: usize = memory.data(64);

export function clearRooms(): void {
  memory.fill(rooms, 0, ROOMS * 8);
}

/** At least so many bytes, whatever was in them; 0 if they cannot be had. */
export function room(which: u32, bytes: usize): usize {
  const at = rooms + (<usize>which << 3);
  const held = <usize>load<u32>(at, 4);
  if (!held || held < bytes) {
    const larger = max(max(bytes, held * 2), LEAST_BYTES);
    const where = allocate(larger);
    if (!where) return 0;
    store<u32>(at, <u32>where);
    store<u32>(at, <u32>larger, 4);
  }
  return load<u32>(at);
}
