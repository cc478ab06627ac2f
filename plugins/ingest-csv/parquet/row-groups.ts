import { closeSync, openSync, writeSync } from "node:fs";
import type { Column } from "../../../core/services.ts";
import type {
  ColumnGroup,
  EncodedChunk,
  EncodedPage,
  GroupColumn,
} from "../kernel/column-group.ts";
import { schemaElements, storedType } from "./schema.ts";
import {
  binary,
  fieldsOf,
  i32,
  i64,
  list,
  struct,
  type ThriftValue,
  writeStruct,
} from "./thrift-compact.ts";

/**
 * Parquet files of one row group each, or of none. The kernel makes the pages; here they get their
 * headers, and the file its footer.
 *
 * https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
 */

const MAGIC = Buffer.from("PAR1");
/** Readers that work around a writer's faults ask for its version: that of this file and the kernel's pages. */
const CREATED_BY = "lakehouse version 1";
/** Of the format: it has the encodings of deltas. */
const VERSION = 2;
const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;
const PLAIN = 0;
const RLE = 3;
const UNCOMPRESSED = 0;
const SNAPPY = 1;

/** A file, and the sum of the values of each of its columns, see `EncodedChunk`. */
export interface RowGroupFile {
  readonly path: string;
  readonly sums: readonly bigint[];
}

/** Writes a group as a file, which must not exist: the same bytes for the same rows. */
export function writeRowGroup(
  path: string,
  columns: readonly Column[],
  group: ColumnGroup,
): RowGroupFile {
  using file = new PartFile(path);
  const chunks = columns.map((column, index) => {
    const values = group.columns[index];
    if (values === undefined) throw new RangeError("there are fewer columns than types");
    return writeChunk(file, column, values, group.row_count);
  });
  const total = (of: (chunk: WrittenChunk) => number): ThriftValue =>
    i64(chunks.reduce((sum, chunk) => sum + of(chunk), 0));
  const row_group = struct(
    [
      1,
      list(
        "struct",
        chunks.map(({ metadata }) => struct([2, i64(0)], [3, metadata])),
      ),
    ],
    [2, total(({ uncompressed_bytes }) => uncompressed_bytes)],
    [3, i64(group.row_count)],
    [5, i64(MAGIC.length)],
    [6, total(({ stored_bytes }) => stored_bytes)],
  );
  file.finish(columns, group.row_count, [row_group]);
  return { path, sums: chunks.map(({ sum }) => sum) };
}

/** A file without a row. */
export function writeNoRows(path: string, columns: readonly Column[]): RowGroupFile {
  using file = new PartFile(path);
  file.finish(columns, 0, []);
  return { path, sums: columns.map(() => 0n) };
}

/** A column chunk that stands in the file; its bytes are those with the headers of its pages. */
interface WrittenChunk {
  readonly metadata: ThriftValue;
  readonly stored_bytes: number;
  readonly uncompressed_bytes: number;
  readonly sum: bigint;
}

function writeChunk(
  file: PartFile,
  { name, type }: Column,
  column: GroupColumn,
  row_count: number,
): WrittenChunk {
  const chunk = column.encode();
  const { encoding, dictionary, page, is_compressed } = chunk;
  const start = file.size_bytes;
  let header_bytes = 0;
  if (dictionary !== undefined) {
    const header = struct([1, i32(dictionary.entry_count)], [2, i32(PLAIN)]);
    header_bytes += writePage(file, DICTIONARY_PAGE, dictionary, [7, header]);
  }
  const data_page = file.size_bytes;
  const levels = i32(RLE);
  const header = struct([1, i32(row_count)], [2, i32(encoding)], [3, levels], [4, levels]);
  header_bytes += writePage(file, DATA_PAGE, page, [5, header]);
  const stored_bytes = file.size_bytes - start;
  const uncompressed_bytes =
    header_bytes + page.uncompressed_bytes + (dictionary?.uncompressed_bytes ?? 0);
  const encodings = [RLE, ...(dictionary === undefined ? [] : [PLAIN]), encoding];
  const metadata = struct(
    [1, i32(storedType(type).physical)],
    [2, list("i32", [...new Set(encodings)].map(i32))],
    [3, list("binary", [binary(name)])],
    [4, i32(is_compressed ? SNAPPY : UNCOMPRESSED)],
    [5, i64(row_count)],
    [6, i64(uncompressed_bytes)],
    [7, i64(stored_bytes)],
    [9, i64(data_page)],
    [11, dictionary && i64(start)],
    [12, statistics(chunk, column.null_count)],
  );
  return { metadata, stored_bytes, uncompressed_bytes, sum: chunk.sum };
}

/** Gives back the bytes of its header. */
function writePage(
  file: PartFile,
  type: number,
  { bytes, uncompressed_bytes }: EncodedPage,
  [id, header]: readonly [number, ThriftValue],
): number {
  const written = writeStruct(
    fieldsOf([1, i32(type)], [2, i32(uncompressed_bytes)], [3, i32(bytes.length)], [id, header]),
  );
  file.write(written);
  file.write(bytes);
  return written.length;
}

function statistics({ bounds }: EncodedChunk, null_count: number): ThriftValue {
  return struct(
    [3, i64(null_count)],
    // They are copies: the views end with the next chunk, and the footer is written last.
    [5, bounds && binary(Buffer.from(bounds.greatest))],
    [6, bounds && binary(Buffer.from(bounds.least))],
  );
}

const BUFFER_BYTES = 1024 * 1024;

/** Of this thread; files are written one after another, without a pause. */
const buffer = Buffer.allocUnsafe(BUFFER_BYTES);

class PartFile implements Disposable {
  readonly #file: number;
  #buffered_bytes = 0;
  size_bytes = 0;

  constructor(path: string) {
    this.#file = openSync(path, "wx", 0o600);
    this.write(MAGIC);
  }

  write(bytes: Uint8Array): void {
    this.size_bytes += bytes.length;
    if (bytes.length > BUFFER_BYTES - this.#buffered_bytes) this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      this.#put(bytes);
      return;
    }
    buffer.set(bytes, this.#buffered_bytes);
    this.#buffered_bytes += bytes.length;
  }

  finish(columns: readonly Column[], row_count: number, row_groups: readonly ThriftValue[]): void {
    const orders = columns.map(() => struct([1, struct()]));
    const footer = writeStruct(
      fieldsOf(
        [1, i32(VERSION)],
        [2, schemaElements(columns)],
        [3, i64(row_count)],
        [4, list("struct", row_groups)],
        [6, binary(CREATED_BY)],
        [7, list("struct", orders)],
      ),
    );
    const length = Buffer.alloc(4);
    length.writeUInt32LE(footer.length);
    this.write(footer);
    this.write(length);
    this.write(MAGIC);
    this.#flush();
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #flush(): void {
    this.#put(buffer.subarray(0, this.#buffered_bytes));
    this.#buffered_bytes = 0;
  }

  #put(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += writeSync(this.#file, bytes, done);
  }
}
