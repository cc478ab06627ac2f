import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import {
  Bool,
  Field,
  Int32,
  Int64,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table as ArrowTable,
  tableFromIPC,
  tableToIPC,
  Utf8,
  Vector,
  vectorFromArray,
} from "apache-arrow";
import {
  Compression,
  EnabledStatistics,
  readParquet,
  Table,
  WriterPropertiesBuilder,
  writeParquet,
} from "parquet-wasm/esm";
import { LakehouseError } from "../../core/error.ts";
import { datasetId } from "./dataset-id.ts";
import { COMMIT_RING, copyManifest, type StoredManifest } from "./manifest.ts";
import { loadParquetWasm } from "./parquet-wasm.ts";
import { columnSchema, dataObjectSchema } from "./registration.ts";
import { BLANK_SEAL, checkSeal, SEAL_KEY, sealFile } from "./seal.ts";

/**
 * The layout of the file. Raise it with every change to the columns below: a reader refuses a
 * format it does not know, so a manifest is never half-read.
 */
export const MANIFEST_FORMAT = 1;
const FORMAT_KEY = "lakehouse.format";

const text = (name: string, nullable = false): Field => new Field(name, new Utf8(), nullable);
const int64 = (name: string, nullable = false): Field => new Field(name, new Int64(), nullable);
const list = (name: string, item: Field, nullable = false): Field =>
  new Field(name, new List(item), nullable);

/** One row. Integers are 64 bits wide, so that DuckDB and others read sizes as they are. */
const fields = [
  text("name"),
  text("dataset_id"),
  text("schema_fingerprint"),
  int64("version"),
  text("created_at"),
  text("updated_at"),
  int64("row_count", true),
  list(
    "objects",
    new Field("item", new Struct([text("key"), int64("size"), text("sha256", true)]), false),
  ),
  list(
    "columns",
    new Field(
      "item",
      new Struct([
        new Field("id", new Int32(), false),
        text("name"),
        text("type"),
        new Field("nullable", new Bool(), false),
      ]),
      false,
    ),
    true,
  ),
  list("recent_commits", text("item")),
];
const schema = new Schema(fields);
const layout = describe(schema);

/** What a decoded row must be, so that no field is taken on trust. */
const instant = Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$" });
const rowSchema = Type.Object(
  {
    name: Type.String(),
    dataset_id: Type.String(),
    schema_fingerprint: Type.String({ minLength: 1 }),
    version: Type.Integer({ minimum: 1 }),
    created_at: instant,
    updated_at: instant,
    row_count: Type.Optional(Type.Integer({ minimum: 0 })),
    objects: Type.Array(dataObjectSchema),
    columns: Type.Optional(Type.Array(columnSchema)),
    recent_commits: Type.Array(Type.String(), { minItems: 1, maxItems: COMMIT_RING }),
  },
  { additionalProperties: false },
);
const rowCheck = TypeCompiler.Compile(rowSchema);

/** Turns manifests into sealed Parquet files and back. */
export interface ManifestCodec {
  encode(stored: StoredManifest): Uint8Array;
  /** Throws `data_corrupt` unless the file is whole, sealed, of a known format, and of this name. */
  decode(bytes: Uint8Array, name: string): StoredManifest;
}

/** Ready to use once parquet-wasm is loaded. */
export async function openManifestCodec(): Promise<ManifestCodec> {
  await loadParquetWasm();
  return { encode, decode };
}

function encode({ manifest, recent_commits }: StoredManifest): Uint8Array {
  const row: Record<string, unknown> = {
    ...manifest,
    version: BigInt(manifest.version),
    row_count: manifest.row_count === undefined ? null : BigInt(manifest.row_count),
    objects: manifest.objects.map(({ key, size, sha256 }) => ({
      key,
      size: BigInt(size),
      sha256: sha256 ?? null,
    })),
    columns: manifest.columns ?? null,
    recent_commits,
  };
  const children = fields.map(({ name, type }) => vectorFromArray([row[name]], type).data[0]);
  const struct = makeData({
    type: new Struct(fields),
    length: 1,
    nullCount: 0,
    children: children.filter((child) => child !== undefined),
  });
  const batch = new RecordBatch(schema, struct);
  const properties = new WriterPropertiesBuilder()
    .setCompression(Compression.SNAPPY)
    .setDictionaryEnabled(false)
    // Statistics would put values into the footer, where the seal is looked for.
    .setStatisticsEnabled(EnabledStatistics.None)
    .setKeyValueMetadata(
      new Map([
        [FORMAT_KEY, String(MANIFEST_FORMAT)],
        [SEAL_KEY, BLANK_SEAL],
      ]),
    )
    .build();
  const bytes = writeParquet(
    Table.fromIPCStream(tableToIPC(new ArrowTable([batch]), "stream")),
    properties,
  );
  sealFile(bytes);
  return bytes;
}

function decode(bytes: Uint8Array, name: string): StoredManifest {
  checkSeal(bytes);
  const row = decodeRow(bytes);
  if (!rowCheck.Check(row)) {
    const problem = rowCheck.Errors(row).First();
    throw corrupt(`Its member ${problem?.path ?? ""} is not as expected: ${problem?.message}.`);
  }
  const { recent_commits, ...manifest } = row;
  if (manifest.name !== name) {
    throw corrupt(`It is the manifest of ${JSON.stringify(manifest.name)}, not of ${name}.`);
  }
  if (manifest.dataset_id !== datasetId(name)) {
    throw corrupt(`Its dataset_id is ${manifest.dataset_id}, not the one of ${name}.`);
  }
  return { manifest: copyManifest(manifest), recent_commits };
}

function decodeRow(bytes: Uint8Array): Record<string, unknown> {
  try {
    const table = tableFromIPC(readParquet(bytes).intoIPCStream());
    checkFormat(table.schema);
    if (table.numRows !== 1) throw corrupt(`It has ${table.numRows} rows, not one.`);
    return rowAt(table.schema.fields, (field) => table.getChild(field), 0);
  } catch (error) {
    if (error instanceof LakehouseError) throw error;
    throw corrupt("It is not a Parquet file that can be read.", error);
  }
}

function checkFormat(found: Schema): void {
  const format = found.metadata.get(FORMAT_KEY);
  if (format === undefined || !/^[1-9]\d{0,8}$/.test(format)) {
    throw corrupt("It does not say which manifest format it has.");
  }
  if (Number(format) > MANIFEST_FORMAT) {
    throw corrupt(
      `It has manifest format ${format}, written by a newer version of this program; this one reads up to ${MANIFEST_FORMAT}.`,
    );
  }
  if (describe(found) !== layout) {
    throw corrupt("Its columns are not those of a manifest.");
  }
}

/** Names, types and order of the columns, as text to compare. */
function describe({ fields: columns }: Schema): string {
  return columns.map(({ name, type }) => `${name}: ${type}`).join(", ");
}

/** One row as a plain object; a null becomes an absent member. */
function rowAt(
  columns: readonly Field[],
  childOf: (name: string) => Vector | null,
  index: number,
): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const { name } of columns) {
    const value = plain(childOf(name)?.get(index));
    if (value !== undefined) row[name] = value;
  }
  return row;
}

function plain(value: unknown): unknown {
  if (value === null) return undefined;
  if (typeof value === "bigint") return safeNumber(value);
  if (!(value instanceof Vector)) return value;
  const { type } = value;
  if (!(type instanceof Struct)) return Array.from(value, plain);
  const children = new Map(type.children.map(({ name }) => [name, value.getChild(name)]));
  return Array.from({ length: value.length }, (_, index) =>
    rowAt(type.children, (name) => children.get(name) ?? null, index),
  );
}

function safeNumber(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw corrupt(`It holds the integer ${value}, which a JSON number cannot hold exactly.`);
}

function corrupt(detail: string, cause?: unknown): LakehouseError {
  return new LakehouseError("data_corrupt", detail, { cause });
}
