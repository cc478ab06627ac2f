import type { DuckDBConnection } from "@duckdb/node-api";
import { sqlIdentifier, sqlLiteral } from "../../core/duckdb.ts";
import type { WrittenColumn } from "./judged-schema.ts";
import { sqlTypeNamed } from "./parquet-casts.ts";
import { readUploaded } from "./parquet-schema.ts";
import { arrowName } from "./parquet-types.ts";
import { type ParquetFile, SCAN_COLUMNS } from "./parquet-validate.ts";
import { EngineDisagrees } from "./witness.ts";

export interface Rewriting {
  readonly path: string;
  readonly output_path: string;
  readonly file: ParquetFile;
  readonly written: readonly WrittenColumn[];
}

/** Rows of a row group for up to 64 columns; fewer for wide files, to bound memory. */
const ROW_GROUP_ROWS = 122_880;
const ROW_GROUP_STEP = 2048;

/**
 * Writes the rows of an uploaded file anew, in their order, with the columns of the dataset: its
 * types, ids and order. Every cast was found to change no value. The same bytes for any number of
 * threads. Throws `EngineDisagrees` if what was written is not what was read.
 */
export async function rewriteParquet(
  connection: DuckDBConnection,
  rewriting: Rewriting,
): Promise<void> {
  const { path, output_path, written } = rewriting;
  const field_ids = written.map(({ id, name }) => `${sqlLiteral(name)}: ${id}`);
  const values = written.map(
    (column) => `${valueOf(column, rewriting.file)} AS ${sqlIdentifier(column.name)}`,
  );
  const dictionaries = (await hasSignedZero(connection, rewriting)) ? WITHOUT_DICTIONARY : "";
  await connection.run(`COPY (
    SELECT ${values.join(",\n")} FROM ${readUploaded(path)}
  ) TO ${sqlLiteral(output_path)} (
    FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${rowGroupRows(written.length)},
    FIELD_IDS {${field_ids.join(", ")}}, ${dictionaries} USE_TMP_FILE false
  )`);
  await checkRewritten(connection, rewriting);
}

/** The engine's dictionaries take the two zeros of a double for one (duckdb#25781). */
const WITHOUT_DICTIONARY = "DICTIONARY_SIZE_LIMIT 0,";

function rowGroupRows(width: number): number {
  const rows = Math.floor((ROW_GROUP_ROWS * 64) / Math.max(64, width) / ROW_GROUP_STEP);
  return Math.max(1, rows) * ROW_GROUP_STEP;
}

function valueOf({ name, type, source }: WrittenColumn, { columns, facts }: ParquetFile): string {
  if (columns[source]?.type === type) return sqlIdentifier(name);
  // Not every type can be cast to every other, even where there is nothing to cast.
  const value = facts[source]?.value_count === 0 ? "NULL" : sqlIdentifier(name);
  return `CAST(${value} AS ${sqlTypeNamed(type)})`;
}

/** True if a floating point number is zero with a minus; nested ones are taken to be. */
async function hasSignedZero(
  connection: DuckDBConnection,
  { path, file }: Rewriting,
): Promise<boolean> {
  const floats = file.columns.filter(({ type }) => type.includes("float"));
  if (floats.some(({ type }) => type !== "float32" && type !== "float64")) return true;
  if (floats.length === 0) return false;
  const tests = floats.map(({ name }) => {
    const value = sqlIdentifier(name);
    return `(${value} = 0 AND signbit(${value}))`;
  });
  const reader = await connection.runAndReadAll(
    `SELECT coalesce(bool_or(${tests.join(" OR ")}), false) FROM ${readUploaded(path)}`,
  );
  return reader.getRows()[0]?.[0] !== false;
}

/** Holds the columns, the rows, the nulls and a checksum of all rows against those of the upload. */
async function checkRewritten(
  connection: DuckDBConnection,
  { path, output_path, file, written }: Rewriting,
): Promise<void> {
  const schema = await connection.runAndReadAll(
    `SELECT * FROM ${readUploaded(output_path)} LIMIT 0`,
  );
  const names = schema.columnNames();
  const types = schema.columnTypes().map(arrowName);
  hold("columns", names.length, written.length);
  for (const [index, { id, name, type }] of written.entries()) {
    hold(`the name of column ${id}`, names[index], name);
    hold(`the type of column ${id}`, types[index], type);
  }
  for (let first = 0; first < written.length; first += SCAN_COLUMNS) {
    const some = written.slice(first, first + SCAN_COLUMNS);
    const now = some.map(({ name }) => sqlIdentifier(name));
    const found = await sums(connection, output_path, now);
    const wanted = some.map((column) => valueOf(column, file));
    const expected = await sums(connection, path, wanted);
    hold("rows", found[0], String(file.row_count));
    for (const [index, sum] of expected.entries()) hold("a checksum", found[index], sum);
  }
}

/** Rows, a checksum of them that does not tell their order, and the values of each column. */
async function sums(
  connection: DuckDBConnection,
  path: string,
  values: readonly string[],
): Promise<readonly unknown[]> {
  const counts = values.map((value) => `count(${value})::VARCHAR`);
  const reader = await connection.runAndReadAll(
    `SELECT count(*)::VARCHAR, coalesce(sum(hash(${values.join(", ")})::HUGEINT), 0)::VARCHAR,
      ${counts.join(", ")} FROM ${readUploaded(path)}`,
  );
  return reader.getRows()[0] ?? [];
}

function hold(what: string, found: unknown, expected: unknown): void {
  if (found === expected) return;
  throw new EngineDisagrees(`${what}: ${String(found)} was written, not ${String(expected)}`);
}
