import duckdb from "@duckdb/node-bindings";
import type { ByteSink } from "./byte-sink.ts";

/** Writes the value of one row. */
export type Cell = (sink: ByteSink, row: number) => void;

/** Binds a column of one chunk: `count` rows of `vector`. Made once per result, called per chunk. */
export type CellMaker = (vector: duckdb.Vector, count: number) => Cell;

/** A JSON value, or the content of a CSV field; they differ in quotes and in NULL only. */
export type Style = "json" | "csv";

/** The memory of a vector's values, valid as long as its chunk is. */
export interface Heap {
  readonly bytes: Uint8Array;
  readonly buffer: ArrayBuffer;
  /** Of the first value in `buffer`. */
  readonly offset: number;
}

export function heapOf(vector: duckdb.Vector, length_bytes: number): Heap {
  const bytes = duckdb.vector_get_data(vector, length_bytes);
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer)) throw new Error("a vector lies in shared memory");
  return { bytes, buffer, offset: bytes.byteOffset };
}

/** Pairs of 32-bit words, low first: 64-bit values without a BigInt for each. */
export function wordsOf(vector: duckdb.Vector, count: number): Int32Array {
  const { buffer, offset } = heapOf(vector, count * 8);
  return new Int32Array(buffer, offset, count * 2);
}

/** The bytes of a string, blob or bit value (`duckdb_string_t`: inline up to 12 bytes). */
export interface StringSlice {
  source: Uint8Array;
  start: number;
  length: number;
}

const INLINE_BYTES = 12;

/**
 * Reads into one reused slice, so that a column of strings allocates next to nothing. Strings
 * beyond 12 bytes lie elsewhere and cost a native call to reach, but those of neighbouring rows
 * are often neighbours in memory: one call fetches such a run.
 */
export function stringReader(vector: duckdb.Vector, count: number): (row: number) => StringSlice {
  const heap = heapOf(vector, count * 16);
  const words = new Uint32Array(heap.buffer, heap.offset, count * 4);
  const bits = validityOf(vector, count);
  const slice: StringSlice = { source: heap.bytes, start: 0, length: 0 };
  let run = heap.bytes;
  let run_start = 0;
  let run_end = 0;
  return (row) => {
    const length = words[row * 4] ?? 0;
    slice.length = length;
    if (length <= INLINE_BYTES) {
      slice.source = heap.bytes;
      slice.start = row * 16 + 4;
      return slice;
    }
    const address = addressAt(words, row);
    if (address < run_start || address + length > run_end) {
      run_start = address;
      run_end = runEnd(words, bits, row, count);
      run = duckdb.get_data_from_pointer(
        heap.buffer,
        heap.offset + row * 16 + 8,
        run_end - run_start,
      );
    }
    slice.source = run;
    slice.start = address - run_start;
    return slice;
  };
}

/** User-space addresses have 47 bits, so a number holds them. */
const addressAt = (words: Uint32Array, row: number): number =>
  (words[row * 4 + 3] ?? 0) * 0x1_0000_0000 + (words[row * 4 + 2] ?? 0);

const RUN_LIMIT_BYTES = 1024 * 1024;
/**
 * Far below a page (4,096 bytes): a gap this small between two readable bytes lies in their own
 * pages, so reading across it cannot fault. What lies in a gap is never looked at.
 */
const RUN_GAP_BYTES = 64;

/** Where the run of neighbouring strings ends that starts with this row's. */
function runEnd(
  words: Uint32Array,
  bits: Uint8Array | undefined,
  row: number,
  count: number,
): number {
  const start = addressAt(words, row);
  let end = start + (words[row * 4] ?? 0);
  for (let next = row + 1; next < count && end - start < RUN_LIMIT_BYTES; next++) {
    const length = words[next * 4] ?? 0;
    // The slot of a NULL holds no string, whatever its bytes look like.
    if (length <= INLINE_BYTES || (bits !== undefined && !isValid(bits, next))) continue;
    const address = addressAt(words, next);
    if (address < end || address - end > RUN_GAP_BYTES) break;
    end = address + length;
  }
  return end;
}

/** One bit per row, set if the value is not NULL; undefined if no value is. */
export function validityOf(vector: duckdb.Vector, count: number): Uint8Array | undefined {
  // The binding's type does not say so, but it returns null when every row is valid.
  const bits: Uint8Array | null = duckdb.vector_get_validity(vector, Math.ceil(count / 64) * 8);
  return bits ?? undefined;
}

export const isValid = (bits: Uint8Array, row: number): boolean =>
  (((bits[row >> 3] ?? 0) >> (row & 7)) & 1) === 1;

/** Wraps a cell so that NULL is `null` in JSON and an empty, unquoted field in CSV. */
export function nullable(vector: duckdb.Vector, count: number, style: Style, cell: Cell): Cell {
  const bits = validityOf(vector, count);
  if (bits === undefined) return cell;
  return (sink, row) => {
    if (isValid(bits, row)) cell(sink, row);
    else if (style === "json") sink.ascii("null");
  };
}
