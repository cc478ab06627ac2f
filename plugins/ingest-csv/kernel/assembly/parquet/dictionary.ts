/**
 * The different values of a column, each once, and for every value which of them it is.
 *
 * https://parquet.apache.org/docs/file-format/data-pages/encodings/#dictionary-encoding-plain_dictionary--2-and-rle_dictionary--8
 */
import { DICTIONARY, ENTRIES, INDEXES, room, TABLE } from "./room";

/** Two bytes hold an index, and half of the table stays free. */
const ENTRIES_MAX: u32 = 1 << 15;
const TABLE_BITS: u32 = 16;
const BYTES_MAX: u32 = 1 << 20;
/** Over taken places, of all values together: cells can be chosen so that all fall into one place. */
const STEPS_MAX: u32 = 1 << 20;
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/** Of the last dictionary that was made: where it is, its bytes, and u16 for every value. */
export let dictionary: usize = 0;
export let dictionary_bytes: u32 = 0;
export let indexes: usize = 0;
/** Per entry: its index and 1, at the place that its hash says or the next free one; u32 each. */
let table: usize = 0;

/** How many there are of `count` numbers of 4 or 8 bytes; 0 if they are too many. */
export function gatherNumbers(values: usize, count: u32, is_wide: bool): u32 {
  if (!makeRoom(count, <usize>ENTRIES_MAX * 8)) return 0;
  const shift: usize = is_wide ? 3 : 2;
  let entries: u32 = 0;
  let steps: u32 = 0;
  for (let row: u32 = 0; row < count; row++) {
    const at = values + (<usize>row << shift);
    const value = is_wide ? load<u64>(at) : <u64>load<u32>(at);
    let slot = slotOf(value * MULTIPLIER);
    let entry = load<u32>(table + (slot << 2));
    while (entry) {
      const known = dictionary + (<usize>(entry - 1) << shift);
      if ((is_wide ? load<u64>(known) : <u64>load<u32>(known)) == value) break;
      if (++steps > STEPS_MAX) return 0;
      slot = (slot + 1) & ((1 << TABLE_BITS) - 1);
      entry = load<u32>(table + (slot << 2));
    }
    if (!entry) {
      if (entries == ENTRIES_MAX) return 0;
      const next = dictionary + (<usize>entries << shift);
      if (is_wide) store<u64>(next, value);
      else store<u32>(next, <u32>value);
      entry = ++entries;
      store<u32>(table + (slot << 2), entry);
    }
    store<u16>(indexes + (<usize>row << 1), <u16>(entry - 1));
  }
  dictionary_bytes = entries << <u32>shift;
  return entries;
}

/** The same of texts, which are given by where each begins and where the last one ends. */
export function gatherTexts(texts: usize, offsets: usize, count: u32): u32 {
  // Where each entry begins, with its length in front of it.
  const entry_offsets = room(ENTRIES, <usize>ENTRIES_MAX * 4);
  if (!entry_offsets || !makeRoom(count, BYTES_MAX)) return 0;
  let entries: u32 = 0;
  let steps: u32 = 0;
  let used: u32 = 0;
  let start = load<u32>(offsets);
  for (let row: u32 = 0; row < count; row++) {
    const end = load<u32>(offsets + (<usize>row << 2), 4);
    const length = end - start;
    const text = texts + start;
    start = end;
    let slot = slotOf(hashText(text, length));
    let entry = load<u32>(table + (slot << 2));
    while (entry) {
      const known = dictionary + load<u32>(entry_offsets + (<usize>(entry - 1) << 2));
      if (load<u32>(known) == length && isSame(known + 4, text, length)) break;
      if (++steps > STEPS_MAX) return 0;
      slot = (slot + 1) & ((1 << TABLE_BITS) - 1);
      entry = load<u32>(table + (slot << 2));
    }
    if (!entry) {
      if (entries == ENTRIES_MAX || length > BYTES_MAX - 4 || used + 4 + length > BYTES_MAX) return 0;
      store<u32>(dictionary + used, length);
      memory.copy(dictionary + used + 4, text, length);
      store<u32>(entry_offsets + (<usize>entries << 2), used);
      used += 4 + length;
      entry = ++entries;
      store<u32>(table + (slot << 2), entry);
    }
    store<u16>(indexes + (<usize>row << 1), <u16>(entry - 1));
  }
  dictionary_bytes = used;
  return entries;
}

function makeRoom(count: u32, bytes: usize): bool {
  dictionary = room(DICTIONARY, bytes);
  // The last bits are packed by eights.
  indexes = room(INDEXES, (<usize>count + 8) * 2);
  table = room(TABLE, 4 << TABLE_BITS);
  if (!dictionary || !indexes || !table) return false;
  memory.fill(table, 0, 4 << TABLE_BITS);
  memory.fill(indexes + <usize>count * 2, 0, 16);
  return true;
}

@inline
function slotOf(hash: u64): usize {
  return <usize>(hash >>> (64 - TABLE_BITS));
}

/** The first bytes of a word, of which there are fewer than eight. */
@inline
function firstBytes(at: usize, count: u32): u64 {
  return load<u64>(at) & (((<u64>1) << (count << 3)) - 1);
}

function hashText(text: usize, length: u32): u64 {
  let hash: u64 = length;
  let at = text;
  let rest = length;
  for (; rest >= 8; rest -= 8, at += 8) {
    hash = (hash ^ load<u64>(at)) * MULTIPLIER;
    hash ^= hash >>> 32;
  }
  if (rest) hash ^= firstBytes(at, rest);
  hash *= MULTIPLIER;
  return (hash ^ (hash >>> 29)) * MULTIPLIER;
}

function isSame(one: usize, other: usize, length: u32): bool {
  for (; length >= 8; length -= 8, one += 8, other += 8) {
    if (load<u64>(one) != load<u64>(other)) return false;
  }
  return !length || firstBytes(one, length) == firstBytes(other, length);
}
