import { type Kernel, numberOf } from "./kernel.ts";

/** The types of columns that the kernel writes, by their codes in `assembly/group.ts`. */
export const OUTPUT_TYPES = [
  "utf8",
  "int64",
  "float64",
  "bool",
  "date32",
  "timestamp",
  "timestamp_utc",
  "decimal128",
] as const;
export type OutputType = (typeof OUTPUT_TYPES)[number];

/**
 * A value: whole numbers, days, microseconds and unscaled decimals as bigint.
 * Undefined if the cell has none in its column's type.
 */
export type CellValue = bigint | number | boolean | undefined;

export interface OutputColumn {
  /** Its field in a record, from 0; of no other column. */
  readonly source: number;
  readonly type: OutputType;
  /** Of a decimal, else 0. */
  readonly scale: number;
  /** What a decimal takes in the file: 4 or 8 for a whole number, up to 16 for others; else 0. */
  readonly stored_bytes: number;
  /** Reads cells that are in none of the forms the kernel knows, or, with `always`, all of them. */
  readonly read?:
    | { readonly always: boolean; readonly value: (cell: string) => CellValue }
    | undefined;
}

/** What rows are to become. */
export interface ColumnOutput {
  readonly columns: readonly OutputColumn[];
  readonly group_rows_max: number;
  readonly onGroup: (group: ColumnGroup) => void;
}

/** Rows as columns. The views are valid during the call that they are given to, until `encode`. */
export interface ColumnGroup {
  readonly row_count: number;
  readonly columns: readonly GroupColumn[];
}

export interface GroupColumn {
  readonly null_count: number;
  /** A bit per row: it has a value. */
  readonly validity: Uint8Array;
  /** The values there are, side by side; of text, its bytes. */
  readonly values: Uint8Array;
  /** Of text, where each begins, int32, and where the last one ends. */
  readonly offsets: Uint8Array | undefined;
  /** Makes the pages of a Parquet column chunk; their views are valid until the next call. */
  readonly encode: () => EncodedChunk;
}

/** A column chunk: a data page, behind a dictionary if its values are indexes into one. */
export interface EncodedChunk {
  /** Of the values, by its number in parquet.thrift. */
  readonly encoding: number;
  /** By Snappy; both pages, or none. */
  readonly is_compressed: boolean;
  readonly dictionary: (EncodedPage & { readonly entry_count: number }) | undefined;
  /** Definition levels (RLE) and values. */
  readonly page: EncodedPage;
  /** The least and the greatest value, as PLAIN has them but for the length of a text. */
  readonly bounds: { readonly least: Uint8Array; readonly greatest: Uint8Array } | undefined;
  /**
   * Of whole numbers, days, microseconds, booleans and unscaled decimals of at most 8 bytes, its last
   * 64 bits; else 0.
   */
  readonly sum: bigint;
}

export interface EncodedPage {
  readonly bytes: Uint8Array;
  readonly uncompressed_bytes: number;
}

const NEVER = 0;
const IF_UNKNOWN = 1;
const ALWAYS = 2;

/** `BITS_AT` and what is behind it, in `assembly/group.ts`. */
const BITS_AT = 16;
const VALUES_AT = 20;
const OFFSETS_AT = 24;
const TEXT_BYTES_AT = 28;
const NULLS_AT = 36;

/** The fields of `chunk`, in `assembly/parquet/chunk.ts`. */
const DICTIONARY_FIELD = 3;
const PAGE_FIELD = 6;
const BOUNDS_FIELD = 9;
const LEAST_FIELD = 10;
const GREATEST_FIELD = 12;
const SUM_AT = 56;
const CHUNK_FIELDS = 16;

/** Turns the records of one scan into groups of rows. */
export class ColumnGroups {
  readonly #kernel: Kernel;
  readonly #output: ColumnOutput;

  constructor(kernel: Kernel, output: ColumnOutput) {
    this.#kernel = kernel;
    this.#output = output;
    const { columns, group_rows_max } = output;
    if (new Set(columns.map(({ source }) => source)).size < columns.length)
      throw new RangeError("a field goes to two columns");
    let has_room = kernel.beginColumns(columns.length, group_rows_max) !== 0;
    for (const [index, { source, type, scale, stored_bytes, read }] of columns.entries()) {
      const ask = read === undefined ? NEVER : read.always ? ALWAYS : IF_UNKNOWN;
      const code = OUTPUT_TYPES.indexOf(type);
      has_room &&= kernel.giveColumn(index, source, code, scale, stored_bytes, ask) !== 0;
    }
    if (!has_room) throw noMemory();
    kernel.startGroup();
  }

  /** Hands the group over if it is full. */
  advance(): void {
    if (numberOf(this.#kernel.group_rows) === this.#output.group_rows_max) this.#handOver();
  }

  /** No more rows. */
  finish(): void {
    if (numberOf(this.#kernel.group_rows) > 0) this.#handOver();
  }

  #handOver(): void {
    const row_count = numberOf(this.#kernel.group_rows);
    const columns = this.#output.columns.map(({ type }, index) =>
      this.#column(type, index, row_count),
    );
    this.#output.onGroup({ row_count, columns });
    this.#kernel.startGroup();
  }

  #column(type: OutputType, index: number, row_count: number): GroupColumn {
    const { memory, outs, OUT_BYTES } = this.#kernel;
    const size = numberOf(OUT_BYTES);
    const out = new DataView(memory.buffer, numberOf(outs) + index * size, size);
    const view = (at: number, length: number): Uint8Array =>
      new Uint8Array(memory.buffer, out.getUint32(at, true), length);
    const null_count = out.getUint32(NULLS_AT, true);
    const count = row_count - null_count;
    const is_text = type === "utf8";
    const values_bytes = is_text
      ? out.getUint32(TEXT_BYTES_AT, true)
      : type === "bool"
        ? Math.ceil(count / 8)
        : count * valueBytes(type);
    return {
      null_count,
      validity: view(BITS_AT, Math.ceil(row_count / 8)),
      values: view(VALUES_AT, values_bytes),
      offsets: is_text ? view(OFFSETS_AT, (count + 1) * 4) : undefined,
      encode: () => this.#encode(index),
    };
  }

  #encode(index: number): EncodedChunk {
    const kernel = this.#kernel;
    if (kernel.encodeChunk(index) === 0) throw noMemory();
    const { buffer } = kernel.memory;
    const chunk = new Uint32Array(buffer, numberOf(kernel.chunk), CHUNK_FIELDS);
    const [encoding = 0, is_compressed = 0, entry_count = 0] = chunk;
    const bytes = (field: number): Uint8Array =>
      new Uint8Array(buffer, chunk[field], chunk[field + 1]);
    const page = (field: number): EncodedPage => ({
      bytes: bytes(field),
      uncompressed_bytes: chunk[field + 2] ?? 0,
    });
    return {
      encoding,
      is_compressed: is_compressed !== 0,
      dictionary: entry_count === 0 ? undefined : { ...page(DICTIONARY_FIELD), entry_count },
      page: page(PAGE_FIELD),
      bounds:
        chunk[BOUNDS_FIELD] === 0
          ? undefined
          : { least: bytes(LEAST_FIELD), greatest: bytes(GREATEST_FIELD) },
      sum: new DataView(chunk.buffer, chunk.byteOffset).getBigInt64(SUM_AT, true),
    };
  }
}

function valueBytes(type: OutputType): number {
  if (type === "decimal128") return 16;
  return type === "date32" ? 4 : 8;
}

/** Writes a value where the kernel wants it; false if it is none of the column's type. */
export function writeValue(
  { type }: OutputColumn,
  value: CellValue,
  memory: Buffer,
  to: number,
): boolean {
  if (typeof value === "bigint") return writeWhole(type, value, memory, to);
  if (typeof value === "boolean") {
    memory.writeUInt8(value ? 1 : 0, to);
    return type === "bool";
  }
  if (value === undefined) return false;
  memory.writeDoubleLE(value, to);
  return type === "float64";
}

function writeWhole(type: OutputType, value: bigint, memory: Buffer, to: number): boolean {
  if (type === "date32") memory.writeInt32LE(Number(value), to);
  else memory.writeBigInt64LE(BigInt.asIntN(64, value), to);
  if (type === "decimal128") memory.writeBigInt64LE(BigInt.asIntN(64, value >> 64n), to + 8);
  return type !== "utf8" && type !== "float64" && type !== "bool";
}

const noMemory = (): RangeError => new RangeError("no memory for the columns");
