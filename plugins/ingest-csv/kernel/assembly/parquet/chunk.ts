/**
 * Turns a column of the present group into the pages of a Parquet column chunk: a dictionary if the
 * values repeat, and one data page (https://parquet.apache.org/docs/file-format/data-pages/).
 */
import {
  BITS_AT,
  BOOLEAN,
  DATE32,
  DECIMAL128,
  FLOAT64,
  group_rows,
  NULLS_AT,
  OFFSETS_AT,
  outAt,
  STORED_BYTES_AT,
  TEXT,
  TEXT_BYTES_AT,
  TYPE_AT,
  VALUES_AT,
} from "../group";
import { bitsOf, packNumbers, putVarint } from "./bits";
import {
  boundBits,
  boundDecimals,
  boundDoubles,
  boundEntries,
  boundNumbers,
  boundTexts,
  greatest,
  greatest_bytes,
  least,
  least_bytes,
  putDecimal,
  sumBits,
  sumNumbers,
} from "./bounds";
import { deltaBytesMax, putDeltas } from "./deltas";
import { dictionary, dictionary_bytes, gatherNumbers, gatherTexts, indexes } from "./dictionary";
import { numbersRepeat, textsRepeat } from "./repeats";
import { NUMBERS, PACKED_DICTIONARY, PACKED_PAGE, PAGE, room } from "./room";
import { compress, snappyBytesMax } from "./snappy";

/** Encodings, by their numbers in parquet.thrift. */
const PLAIN: u32 = 0;
const DELTA_BINARY_PACKED: u32 = 5;
const DELTA_LENGTH_BYTE_ARRAY: u32 = 6;
const RLE_DICTIONARY: u32 = 8;

/**
 * The last chunk, u32 each: encoding of its values, whether it is compressed, entries of its
 * dictionary; of the dictionary and of the page, where it is, its bytes, and its bytes before they
 * were compressed; whether there are bounds, and where and how long the least and greatest value are;
 * and as one i64 the sum of its values, if they are booleans or stored as whole numbers.
 */
export const chunk: usize = memory.data(64);

let encoding: u32 = PLAIN;

/** False if the memory cannot be had. */
export function encodeChunk(index: u32): bool {
  const out = outAt(index);
  const type = load<u32>(out, TYPE_AT);
  const nulls = load<u32>(out, NULLS_AT);
  const count = group_rows - nulls;
  const numbers = type == DECIMAL128 ? wholeNumbers(out, count) : <usize>load<u32>(out, VALUES_AT);
  if (!numbers) return false;
  const entries = count ? gather(out, type, numbers, count) : 0;
  const page = room(PAGE, pageBytesMax(out, type, count));
  if (!page) return false;
  let end = putLevels(page, load<u32>(out, BITS_AT), group_rows, nulls);
  encoding = PLAIN;
  if (entries) end = putIndexes(end, count, entries);
  else if (count) end = putValues(end, out, type, numbers, count);
  if (!end) return false;
  const page_bytes = <u32>(end - page);
  if (!putPages(page, page_bytes, entries)) return false;
  putBounds(out, type, numbers, count, entries);
  store<i64>(chunk, sumOf(out, type, numbers, count), 56);
  return true;
}

/** Bytes of a whole number of this type: 4 or 8; 0 for other types. */
@inline
function numberBytes(out: usize, type: u32): u32 {
  if (type == DECIMAL128) {
    const bytes = load<u32>(out, STORED_BYTES_AT);
    return bytes <= 8 ? bytes : 0;
  }
  if (type == TEXT || type == BOOLEAN || type == FLOAT64) return 0;
  return type == DATE32 ? 4 : 8;
}

/** Decimals of few digits are stored as whole numbers, others as they are. */
function wholeNumbers(out: usize, count: u32): usize {
  const values: usize = load<u32>(out, VALUES_AT);
  const bytes = load<u32>(out, STORED_BYTES_AT);
  if (bytes > 8) return values;
  const numbers = room(NUMBERS, <usize>count * 8);
  if (!numbers) return 0;
  for (let row: usize = 0; row < <usize>count; row++) {
    const value = load<u64>(values + (row << 4));
    if (bytes == 8) store<u64>(numbers + (row << 3), value);
    else store<u32>(numbers + (row << 2), <u32>value);
  }
  return numbers;
}

/** Entries of a dictionary; 0 if none pays. */
function gather(out: usize, type: u32, numbers: usize, count: u32): u32 {
  if (type == TEXT) {
    const offsets: usize = load<u32>(out, OFFSETS_AT);
    return textsRepeat(numbers, offsets, count) ? gatherTexts(numbers, offsets, count) : 0;
  }
  // Of doubles the bits count: the two zeros are two values.
  const bytes = type == FLOAT64 ? 8 : numberBytes(out, type);
  if (!bytes || !numbersRepeat(numbers, count, bytes == 8)) return 0;
  return gatherNumbers(numbers, count, bytes == 8);
}

function pageBytesMax(out: usize, type: u32, count: u32): usize {
  const levels = (<usize>16) + (<usize>group_rows >>> 3);
  const text_bytes = type == TEXT ? <usize>load<u32>(out, TEXT_BYTES_AT) : 0;
  return levels + deltaBytesMax(count) + <usize>count * 8 + text_bytes;
}

/**
 * Whether each row has a value, 1 or 0, behind the bytes that say it: as one run of bits, or of the
 * same value (RLE, https://parquet.apache.org/docs/file-format/data-pages/encodings/#run-length-encoding--bit-packing-hybrid-rle--3).
 */
function putLevels(to: usize, bits: usize, rows: u32, nulls: u32): usize {
  const start = to + 4;
  let end: usize;
  if (nulls == 0 || nulls == rows) {
    end = putVarint(start, <u64>rows << 1);
    store<u8>(end++, nulls ? 0 : 1);
  } else {
    const bytes = (rows + 7) >>> 3;
    end = putVarint(start, (<u64>bytes << 1) | 1);
    memory.copy(end, bits, bytes);
    end += bytes;
  }
  store<u32>(to, <u32>(end - start));
  return end;
}

function putIndexes(to: usize, count: u32, entries: u32): usize {
  encoding = RLE_DICTIONARY;
  const width = max<u32>(1, bitsOf(entries - 1));
  store<u8>(to, <u8>width);
  const eights = (count + 7) >>> 3;
  to = putVarint(to + 1, (<u64>eights << 1) | 1);
  return packNumbers(to, indexes, eights << 3, width, false);
}

/** 0 if the memory cannot be had. */
function putValues(to: usize, out: usize, type: u32, numbers: usize, count: u32): usize {
  if (type == TEXT) return putTexts(to, numbers, load<u32>(out, OFFSETS_AT), count);
  const bytes = numberBytes(out, type);
  if (bytes) {
    encoding = DELTA_BINARY_PACKED;
    return putDeltas(to, numbers, count, bytes == 8);
  }
  if (type == DECIMAL128) {
    const stored = load<u32>(out, STORED_BYTES_AT);
    for (let row: u32 = 0; row < count; row++, to += stored) putDecimal(to, numbers + (<usize>row << 4), stored);
    return to;
  }
  const size = type == BOOLEAN ? (count + 7) >>> 3 : count << 3;
  memory.copy(to, numbers, size);
  return to + size;
}

/** The lengths of all, and then the bytes of all. */
function putTexts(to: usize, texts: usize, offsets: usize, count: u32): usize {
  encoding = DELTA_LENGTH_BYTE_ARRAY;
  const lengths = room(NUMBERS, <usize>count * 4);
  if (!lengths) return 0;
  const first = load<u32>(offsets);
  let start = first;
  for (let row: usize = 0; row < <usize>count; row++) {
    const end = load<u32>(offsets + (row << 2), 4);
    store<u32>(lengths + (row << 2), end - start);
    start = end;
  }
  to = putDeltas(to, lengths, count, false);
  memory.copy(to, texts + first, start - first);
  return to + (start - first);
}

/** Both pages are compressed, or none: a chunk has one codec. */
function putPages(page: usize, page_bytes: u32, entries: u32): bool {
  const raw = entries ? dictionary_bytes : 0;
  const saved = savingOf(page, page_bytes) + (raw ? savingOf(dictionary, raw) : 0);
  const is_compressed = saved > 0 && saved >= (page_bytes + raw) / SAVING_MIN;
  store<u32>(chunk, encoding);
  store<u32>(chunk, is_compressed ? 1 : 0, 4);
  store<u32>(chunk, entries, 8);
  if (raw && !putPage(12, dictionary, raw, is_compressed, PACKED_DICTIONARY)) return false;
  return putPage(24, page, page_bytes, is_compressed, PACKED_PAGE);
}

function putPage(field: usize, from: usize, bytes: u32, is_compressed: bool, packed_room: u32): bool {
  let at = from;
  let stored = bytes;
  if (is_compressed) {
    at = room(packed_room, snappyBytesMax(bytes));
    if (!at) return false;
    stored = <u32>(compress(at, from, bytes) - at);
  }
  store<u32>(chunk + field, <u32>at);
  store<u32>(chunk + field, stored, 4);
  store<u32>(chunk + field, bytes, 8);
  return true;
}

/** It pays to compress what gets smaller by an eighth. */
const SAVING_MIN: u32 = 8;
/** By that many bytes, at two places, it is told whether it does. */
const SAMPLE_BYTES: u32 = 8192;

const sample: usize = memory.data(16_384);

/** Bytes that compressing would save, about. */
function savingOf(from: usize, bytes: u32): u32 {
  if (bytes <= 2 * SAMPLE_BYTES) return savingOfSample(from, min(bytes, SAMPLE_BYTES)) * (bytes > SAMPLE_BYTES ? 2 : 1);
  const saved = savingOfSample(from, SAMPLE_BYTES) + savingOfSample(from + bytes / 2, SAMPLE_BYTES);
  return <u32>((<u64>saved * bytes) / (2 * SAMPLE_BYTES));
}

function savingOfSample(from: usize, bytes: u32): u32 {
  const packed = <u32>(compress(sample, from, bytes) - sample);
  return packed < bytes ? bytes - packed : 0;
}

function putBounds(out: usize, type: u32, numbers: usize, count: u32, entries: u32): void {
  const are_there = count != 0 && bound(out, type, numbers, count, entries);
  store<u32>(chunk, are_there ? 1 : 0, 36);
  store<u32>(chunk, <u32>least, 40);
  store<u32>(chunk, least_bytes, 44);
  store<u32>(chunk, <u32>greatest, 48);
  store<u32>(chunk, greatest_bytes, 52);
}

/** Of the values as the rows have them: nothing of their pages has a part in it. */
function sumOf(out: usize, type: u32, numbers: usize, count: u32): i64 {
  if (type == BOOLEAN) return sumBits(numbers, count);
  const bytes = numberBytes(out, type);
  return bytes ? sumNumbers(numbers, count, bytes == 8) : 0;
}

function bound(out: usize, type: u32, numbers: usize, count: u32, entries: u32): bool {
  if (type == TEXT) {
    if (entries) return boundEntries(dictionary, dictionary_bytes);
    return boundTexts(numbers, load<u32>(out, OFFSETS_AT), count);
  }
  const bytes = numberBytes(out, type);
  if (bytes) return entries ? boundNumbers(dictionary, entries, bytes == 8) : boundNumbers(numbers, count, bytes == 8);
  if (type == FLOAT64) return entries ? boundDoubles(dictionary, entries) : boundDoubles(numbers, count);
  if (type == BOOLEAN) return boundBits(numbers, count);
  return boundDecimals(numbers, count, load<u32>(out, STORED_BYTES_AT));
}
