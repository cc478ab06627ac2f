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
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import type { StoredManifest } from "./manifest.ts";

const text = (name: string, nullable = false): Field => new Field(name, new Utf8(), nullable);
const int64 = (name: string, nullable = false): Field => new Field(name, new Int64(), nullable);
const int32 = (name: string, nullable = false): Field => new Field(name, new Int32(), nullable);
const listOf = (name: string, item: Field[], nullable = false): Field =>
  new Field(name, new List(new Field("item", new Struct(item), false)), nullable);

/** Integers are 64 bits wide, so that DuckDB and others read sizes as they are. */
const fields = [
  text("name"),
  text("dataset_id"),
  text("schema_fingerprint"),
  int64("version"),
  text("created_at"),
  text("updated_at"),
  int64("row_count", true),
  listOf("objects", [
    text("key"),
    int64("size"),
    text("sha256", true),
    int64("row_count", true),
    listOf("columns", [int32("id"), text("name"), text("type")], true),
  ]),
  listOf(
    "columns",
    [
      int32("id"),
      text("name"),
      text("type"),
      new Field("nullable", new Bool(), false),
      int64("integer_digits", true),
      int64("fraction_digits", true),
    ],
    true,
  ),
  int32("last_column_id", true),
  text("incarnation"),
  new Field("recent_commits", new List(text("item")), false),
];
const schema = new Schema(fields);

const wide = (value: number | undefined): bigint | null =>
  value === undefined ? null : BigInt(value);

/** The manifest as an Arrow table of one row, in the IPC stream format. */
export function manifestTable(stored: StoredManifest): Uint8Array {
  const { manifest, incarnation, recent_commits } = stored;
  const row: Record<string, unknown> = {
    ...manifest,
    version: BigInt(manifest.version),
    row_count: wide(manifest.row_count),
    objects: manifest.objects.map(({ key, size, sha256, row_count, columns }) => ({
      key,
      size: BigInt(size),
      sha256: sha256 ?? null,
      row_count: wide(row_count),
      columns: columns ?? null,
    })),
    columns:
      manifest.columns?.map((column) => ({
        ...column,
        integer_digits: wide(column.integer_digits),
        fraction_digits: wide(column.fraction_digits),
      })) ?? null,
    last_column_id: manifest.last_column_id ?? null,
    incarnation,
    recent_commits,
  };
  const children = fields.flatMap(({ name, type }) => vectorFromArray([row[name]], type).data);
  const data = makeData({ type: new Struct(fields), length: 1, nullCount: 0, children });
  return tableToIPC(new Table([new RecordBatch(schema, data)]), "stream");
}
