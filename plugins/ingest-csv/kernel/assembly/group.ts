/** The group of rows that is being written: its columns, and the memory they have. */
import { allocate, column_count } from "./memory";

/** What a column of the result is: codes of types, as in `column-group.ts`. */
export const TEXT: u32 = 0;
export const INT64: u32 = 1;
export const FLOAT64: u32 = 2;
export const BOOLEAN: u32 = 3;
export const DATE32: u32 = 4;
export const TIMESTAMP_US: u32 = 5;
export const TIMESTAMP_US_UTC: u32 = 6;
export const DECIMAL128: u32 = 7;

/**
 * A column of the result, u32 each: its index, type, scale, when the host is asked; then where its
 * bits, its values (or text) and its offsets are; bytes of text, room for it; nulls; the bytes of a
 * decimal in the file.
 */
export const INDEX_AT: usize = 0;
export const TYPE_AT: usize = 4;
export const SCALE_AT: usize = 8;
export const ASK_AT: usize = 12;
export const BITS_AT: usize = 16;
export const VALUES_AT: usize = 20;
export const OFFSETS_AT: usize = 24;
export const TEXT_BYTES_AT: usize = 28;
export const TEXT_ROOM_AT: usize = 32;
export const NULLS_AT: usize = 36;
export const STORED_BYTES_AT: usize = 40;
export const OUT_BYTES: usize = 44;

/** At first; thousands of columns have few rows each. */
const TEXT_ROOM_BYTES: u32 = 64 * 1024;
const TEXT_ROOM_BYTES_PER_ROW: u32 = 8;

export let outs: usize = 0;
export let out_count: u32 = 0;
/** Rows that a group may have, and has. */
export let rows_max: u32 = 0;
export let group_rows: u32 = 0;
/** Per field of a record: its column of the result, or 0; u32 each. */
let outs_by_source: usize = 0;
/** A value that is not yet where it goes. */
export let value: usize = 0;

/** Rows are written nowhere. */
export function clearGroup(): void {
  outs = 0;
  outs_by_source = 0;
  out_count = 0;
  group_rows = 0;
}

@inline
export function outAt(index: u32): usize {
  return outs + <usize>index * OUT_BYTES;
}

/** The column of the result that field `source` of a record goes to; 0 if it goes nowhere. */
@inline
export function outOf(source: u32): usize {
  return outs_by_source ? <usize>load<u32>(outs_by_source + (<usize>source << 2)) : 0;
}

export function addRows(count: u32): void {
  group_rows += count;
}

/** Behind `begin`: rows are to be written as so many columns, and in groups of so many rows. */
export function beginColumns(count: u32, group_rows_max: u32): bool {
  out_count = count;
  rows_max = group_rows_max;
  outs = allocate(<usize>count * OUT_BYTES);
  outs_by_source = allocate(<usize>column_count * 4);
  value = allocate(16);
  if (!outs || !outs_by_source || !value) return false;
  memory.fill(outs, 0, <usize>count * OUT_BYTES);
  memory.fill(outs_by_source, 0, <usize>column_count * 4);
  return true;
}

/** One column of the result. False if the memory cannot be had. */
export function giveColumn(index: u32, source: u32, type: u32, scale: u32, stored_bytes: u32, ask: u32): bool {
  const out = outAt(index);
  store<u32>(out, index, INDEX_AT);
  store<u32>(outs_by_source + (<usize>source << 2), <u32>out);
  store<u32>(out, type, TYPE_AT);
  store<u32>(out, scale, SCALE_AT);
  store<u32>(out, ask, ASK_AT);
  store<u32>(out, stored_bytes, STORED_BYTES_AT);
  const bits = allocate(bitsBytes());
  const values = allocate(valuesBytes(type));
  store<u32>(out, <u32>bits, BITS_AT);
  store<u32>(out, <u32>values, VALUES_AT);
  if (type == TEXT) {
    const offsets = allocate((<usize>rows_max + 1) * 4);
    store<u32>(out, <u32>offsets, OFFSETS_AT);
    store<u32>(out, textRoomBytes(), TEXT_ROOM_AT);
    if (!offsets) return false;
    store<u32>(offsets, 0);
  }
  return bits && values;
}

@inline
function bitsBytes(): usize {
  return (<usize>rows_max + 7) / 8;
}

@inline
function textRoomBytes(): u32 {
  return min(rows_max * TEXT_ROOM_BYTES_PER_ROW, TEXT_ROOM_BYTES);
}

function valuesBytes(type: u32): usize {
  if (type == TEXT) return textRoomBytes();
  return type == BOOLEAN ? bitsBytes() : <usize>rows_max * width(type);
}

@inline
export function width(type: u32): u32 {
  return type == DECIMAL128 ? 16 : type == DATE32 ? 4 : 8;
}

/** Begins an empty group. */
export function startGroup(): void {
  group_rows = 0;
  for (let index: u32 = 0; index < out_count; index++) {
    const out = outAt(index);
    memory.fill(load<u32>(out, BITS_AT), 0, bitsBytes());
    if (load<u32>(out, TYPE_AT) == BOOLEAN) memory.fill(load<u32>(out, VALUES_AT), 0, bitsBytes());
    store<u32>(out, 0, TEXT_BYTES_AT);
    store<u32>(out, 0, NULLS_AT);
  }
}

