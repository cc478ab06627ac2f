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
  listOf("objects", [text("key"), int64("size"), text("sha256", true)]),
  listOf(
    "columns",
    [
      new Field("id", new Int32(), false),
      text("name"),
      text("type"),
      new Field("nullable", new Bool(), false),
    ],
    true,
  ),
  new Field("recent_commits", new List(text("item")), false),
];
const schema = new Schema(fields);

/** The manifest as an Arrow table of one row, in the IPC stream format. */
export function manifestTable({ manifest, recent_commits }: StoredManifest): Uint8Array {
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
  const children = fields.flatMap(({ name, type }) => vectorFromArray([row[name]], type).data);
  const data = makeData({ type: new Struct(fields), length: 1, nullCount: 0, children });
  return tableToIPC(new Table([new RecordBatch(schema, data)]), "stream");
}
