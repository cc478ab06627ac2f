import { type FileHandle, open } from "node:fs/promises";
import { readStruct, type ThriftStruct, type ThriftValue, writeStruct } from "./thrift-compact.ts";

/**
 * Joins Parquet files of one schema into one, row group behind row group, without decoding a page:
 * the bytes move, and the footer's offsets with them.
 *
 * https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
 */

const MAGIC = Buffer.from("PAR1");
const TAIL_BYTES = 8;
const COPY_BYTES = 1024 * 1024;
const SYNC_BYTES = 32 * 1024 * 1024;
/** RowGroup.ordinal is an i16. */
const ORDINAL_MAX = 32_767;

/** Field ids of the structs that change. */
const FILE = { schema: 2, num_rows: 3, row_groups: 4 } as const;
const ROW_GROUP = { columns: 1, file_offset: 5, ordinal: 7 } as const;
const CHUNK = { file_offset: 2, meta_data: 3 } as const;
/** An offset index holds offsets itself; a file without one is complete (the index is optional). */
const CHUNK_INDEXES = [4, 5, 6, 7];
/** data_page_offset, index_page_offset, dictionary_page_offset, bloom_filter_offset. */
const COLUMN_OFFSETS = [9, 10, 11, 14];

export interface JoinedFile {
  readonly size_bytes: number;
  /** Hex, of the whole file. */
  readonly sha256: string;
  readonly row_count: number;
}

/** One file that other files are joined to, one after another. */
export class ParquetJoin implements AsyncDisposable {
  readonly #output: FileHandle;
  readonly #hasher = new Bun.CryptoHasher("sha256");
  #size_bytes = 0;
  #synced_bytes = 0;
  #synced: Promise<void> = Promise.resolve();
  #joined: ThriftStruct | undefined;

  private constructor(output: FileHandle) {
    this.#output = output;
  }

  /** `output_path` must not exist. */
  static async create(output_path: string): Promise<ParquetJoin> {
    const join = new ParquetJoin(await open(output_path, "wx", 0o600));
    await join.#write(MAGIC);
    return join;
  }

  /** Throws `RangeError` if the file does not belong to the ones before. One call at a time. */
  async add(path: string): Promise<void> {
    const shift = BigInt(this.#size_bytes - MAGIC.length);
    const footer = await copyPages(path, (bytes) => this.#write(bytes));
    this.#joined = this.#joined === undefined ? footer : append(this.#joined, footer, shift, path);
    if (this.#size_bytes - this.#synced_bytes >= SYNC_BYTES) this.#sync();
  }

  /** A store that keeps the file has to wait until it is on the disk: most of it will be. */
  #sync(): void {
    this.#synced_bytes = this.#size_bytes;
    this.#synced = this.#synced.then(() => this.#output.datasync());
    // Kept from being unhandled: `finish` tells.
    this.#synced.catch(() => {});
  }

  /** No more files. Throws `RangeError` if there was none. */
  async finish(): Promise<JoinedFile> {
    const joined = this.#joined;
    if (joined === undefined) throw new RangeError("there is no file to join");
    const footer = writeStruct(joined);
    const tail = Buffer.alloc(TAIL_BYTES);
    tail.writeUInt32LE(footer.length);
    MAGIC.copy(tail, 4);
    await this.#write(footer);
    await this.#write(tail);
    await this.#synced;
    return {
      size_bytes: this.#size_bytes,
      sha256: this.#hasher.digest("hex"),
      row_count: Number(intOf(joined, FILE.num_rows)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#synced]);
    await this.#output.close();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#hasher.update(bytes);
    this.#size_bytes += bytes.length;
    for (let done = 0; done < bytes.length;) {
      done += (await this.#output.write(bytes, done)).bytesWritten;
    }
  }
}

/** Writes `output_path`, which must not exist. Throws `RangeError` if the files do not belong together. */
export async function joinParquet(
  parts: readonly string[],
  output_path: string,
): Promise<JoinedFile> {
  await using join = await ParquetJoin.create(output_path);
  for (const path of parts) await join.add(path);
  return await join.finish();
}

/** Hands on all bytes between the leading magic and the footer; returns the footer. */
async function copyPages(
  path: string,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<ThriftStruct> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const read = async (offset: number, length: number): Promise<Buffer> => {
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new RangeError(`${path} ends too early`);
      done += bytesRead;
    }
    return bytes;
  };
  const tail = await read(size - TAIL_BYTES, TAIL_BYTES);
  const footer_start = size - TAIL_BYTES - tail.readUInt32LE();
  if (!tail.subarray(4).equals(MAGIC) || footer_start < MAGIC.length)
    throw new RangeError(`${path} is not Parquet`);
  for (let at = MAGIC.length; at < footer_start; at += COPY_BYTES) {
    await write(await read(at, Math.min(COPY_BYTES, footer_start - at)));
  }
  return readStruct(await read(footer_start, size - TAIL_BYTES - footer_start));
}

function append(
  joined: ThriftStruct,
  footer: ThriftStruct,
  shift: bigint,
  path: string,
): ThriftStruct {
  const schemas = [joined, footer].map((each) =>
    writeStruct(new Map([[FILE.schema, required(each, FILE.schema)]])),
  );
  if (Buffer.compare(schemas[0] ?? MAGIC, schemas[1] ?? MAGIC) !== 0)
    throw new RangeError(`${path} has another schema`);
  const before = listOf(joined, FILE.row_groups);
  const groups = listOf(footer, FILE.row_groups).map((group, index) =>
    moveRowGroup(structOf(group), shift, before.length + index),
  );
  return replace(joined, [
    [
      FILE.num_rows,
      { kind: "int", type: 6, value: intOf(joined, FILE.num_rows) + intOf(footer, FILE.num_rows) },
    ],
    [FILE.row_groups, { kind: "list", element: 12, items: [...before, ...groups] }],
  ]);
}

function moveRowGroup(group: ThriftStruct, shift: bigint, ordinal: number): ThriftValue {
  const columns = listOf(group, ROW_GROUP.columns).map((chunk) =>
    moveChunk(structOf(chunk), shift),
  );
  const moved = replace(moveOffsets(group, [ROW_GROUP.file_offset], shift), [
    [ROW_GROUP.columns, { kind: "list", element: 12, items: columns }],
  ]);
  if (moved.has(ROW_GROUP.ordinal)) {
    if (ordinal > ORDINAL_MAX) moved.delete(ROW_GROUP.ordinal);
    else moved.set(ROW_GROUP.ordinal, { kind: "int", type: 4, value: BigInt(ordinal) });
  }
  return { kind: "struct", fields: moved };
}

function moveChunk(chunk: ThriftStruct, shift: bigint): ThriftValue {
  const meta_data = structOf(required(chunk, CHUNK.meta_data));
  const fields = replace(moveOffsets(chunk, [CHUNK.file_offset], shift), [
    [CHUNK.meta_data, { kind: "struct", fields: moveOffsets(meta_data, COLUMN_OFFSETS, shift) }],
  ]);
  for (const id of CHUNK_INDEXES) fields.delete(id);
  return { kind: "struct", fields };
}

/** Zero stands for an offset that is not given. */
function moveOffsets(
  fields: ThriftStruct,
  ids: readonly number[],
  shift: bigint,
): Map<number, ThriftValue> {
  return new Map(
    [...fields].map(([id, value]): [number, ThriftValue] =>
      ids.includes(id) && value.kind === "int" && value.value !== 0n
        ? [id, { ...value, value: value.value + shift }]
        : [id, value],
    ),
  );
}

/** Setting an existing key keeps its place, and fields must stay in the order of their ids. */
function replace(
  fields: ThriftStruct,
  entries: readonly (readonly [number, ThriftValue])[],
): Map<number, ThriftValue> {
  const changed = new Map(fields);
  for (const [id, value] of entries) changed.set(id, value);
  return changed;
}

function required(fields: ThriftStruct, id: number): ThriftValue {
  const value = fields.get(id);
  if (value === undefined) throw new RangeError(`the footer lacks field ${id}`);
  return value;
}

function structOf(value: ThriftValue): ThriftStruct {
  if (value.kind !== "struct") throw new RangeError("the footer has another shape");
  return value.fields;
}

function listOf(fields: ThriftStruct, id: number): readonly ThriftValue[] {
  const value = required(fields, id);
  if (value.kind !== "list") throw new RangeError("the footer has another shape");
  return value.items;
}

function intOf(fields: ThriftStruct, id: number): bigint {
  const value = required(fields, id);
  if (value.kind !== "int") throw new RangeError("the footer has another shape");
  return value.value;
}
