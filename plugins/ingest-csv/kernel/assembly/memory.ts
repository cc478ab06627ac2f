/**
 * How the kernel lays out its memory. The host writes bytes of the file at `input` and reads the
 * columns' facts at `columns`; everything between is the kernel's own.
 *
 * The kernel is AssemblyScript: TypeScript's syntax over WebAssembly's types, compiled ahead of time.
 */

/** Flags in the upper bits of a field's end; the lower 27 bits are its position in the input. */
export const QUOTED: u32 = 1 << 31;
export const ESCAPED: u32 = 1 << 30;
export const BARE_QUOTE: u32 = 1 << 29;
export const TRAILING_TEXT: u32 = 1 << 28;
export const BAD_ESCAPE: u32 = 1 << 27;
export const POSITION: u32 = (1 << 27) - 1;

/** Kinds of cell. A column keeps the set of the kinds it holds, as bits. */
export const TEXT: u32 = 1 << 0;
export const INTEGER: u32 = 1 << 1;
export const BIG_INTEGER: u32 = 1 << 2;
export const DECIMAL: u32 = 1 << 3;
export const SCIENTIFIC: u32 = 1 << 4;
/** Set beside one of the four above: no double prints these digits. */
export const INEXACT: u32 = 1 << 5;
export const BOOLEAN_LOWER: u32 = 1 << 6;
export const BOOLEAN_TITLE: u32 = 1 << 7;
export const BOOLEAN_UPPER: u32 = 1 << 8;
export const DATE: u32 = 1 << 9;
export const TIMESTAMP: u32 = 1 << 10;
export const TIMESTAMP_UTC: u32 = 1 << 11;
/** Set beside the kind of a number that is zero with a minus: only a double has that. */
export const NEGATIVE_ZERO: u32 = 1 << 12;
export const KINDS: u32 = 13;
export const NUMERIC: u32 =
  INTEGER | BIG_INTEGER | DECIMAL | SCIENTIFIC | INEXACT | NEGATIVE_ZERO;

/**
 * A column's facts: the kinds seen, whether cells are still looked at, the most digits of a number
 * before and after the point (u32 each), the counts of empty and of quoted empty cells and the bytes
 * of all text, without quotes and with each escape counted once (f64 each), the kinds that a given
 * type takes without asking the host (u32); then, for each kind, where it was first seen: row, line,
 * offset in the file (f64 each) and length (u32) of the cell.
 */
export const KINDS_AT: usize = 0;
export const SETTLED_AT: usize = 4;
export const INTEGER_DIGITS_AT: usize = 8;
export const FRACTION_DIGITS_AT: usize = 12;
export const EMPTY_AT: usize = 16;
export const QUOTED_EMPTY_AT: usize = 24;
export const TEXT_BYTES_AT: usize = 32;
export const ACCEPTED_AT: usize = 40;
export const FIRST_AT: usize = 48;
export const FIRST_BYTES: usize = 32;
export const COLUMN_BYTES: usize = FIRST_AT + 13 * FIRST_BYTES;

/** Bytes that a 16-byte load may read past the end of the input, or a 16-byte store may write. */
const SLACK_BYTES: u32 = 64;

export let delimiter: u8 = 44;
/** 0, which no text holds, if nothing is quoted. */
export let quote: u8 = 34;
/** 0 if a quote inside quotes is written twice; else the byte before it. */
export let escape: u8 = 0;
export let column_count: u32 = 0;
/** Fields, and records, that one pass may index. */
export let field_capacity: u32 = 0;
export let input: usize = 0;
export let starts: usize = 0;
export let ends: usize = 0;
/** Per record: index of its first field, and line breaks before it in this input; u32 each. */
export let records: usize = 0;
/** Per listed row: its first field and its record; u32 each. */
export let rows: usize = 0;
export let columns: usize = 0;
/** The texts that stand for null, each behind its length in one byte; the host writes them here. */
export let nulls: usize = 0;
export let null_bytes: u32 = 0;
/** Memory from here on is free. Nothing is given back before the next file. */
let free: usize = 0;

/** Room for so many bytes, and a little more; 0 if it cannot be had. Its content is undefined. */
export function allocate(bytes: usize): usize {
  const at = free;
  const end = (at + bytes + SLACK_BYTES + 63) & ~63;
  const pages = <i32>((end + 65535) >>> 16) - memory.size();
  if (end < at || (pages > 0 && !grow(pages))) return 0;
  free = end;
  return at;
}

/** By half at least, if it can be had: growing may move the whole memory. */
function grow(pages: i32): bool {
  return memory.grow(max(pages, memory.size() / 2)) >= 0 || memory.grow(pages) >= 0;
}

/** Lays out the memory of a file. False if it cannot be had. */
export function layOut(
  delimiter_byte: u8,
  quote_byte: u8,
  escape_byte: u8,
  count: u32,
  capacity: u32,
  null_texts_bytes: u32,
): bool {
  delimiter = delimiter_byte;
  quote = quote_byte;
  escape = escape_byte;
  column_count = count;
  null_bytes = null_texts_bytes;
  free = (__heap_base + 63) & ~63;
  columns = allocate(<usize>count * COLUMN_BYTES);
  nulls = allocate(null_bytes);
  input = 0;
  return columns && nulls && enlarge(capacity, 0);
}

/** Makes room for inputs of `capacity` bytes; the first `held` bytes of the input stay. */
export function enlarge(capacity: u32, held: u32): bool {
  // Two more fields than the widest record of the usual sizes; a pass ends early when they are used.
  field_capacity = max<u32>(capacity / 4, 1 << 16);
  const larger = allocate(capacity);
  starts = allocate(<usize>field_capacity * 4);
  ends = allocate(<usize>field_capacity * 4);
  records = allocate(<usize>field_capacity * 8);
  rows = allocate(<usize>field_capacity * 8);
  if (!larger || !starts || !ends || !records || !rows) return false;
  if (held) memory.copy(larger, input, held);
  input = larger;
  return true;
}

export function clearColumns(): void {
  memory.fill(columns, 0, <usize>column_count * COLUMN_BYTES);
}
