import type { DuckDBConnection } from "@duckdb/node-api";
import { sqlIdentifier, sqlLiteral } from "../../core/duckdb.ts";
import { isRecord } from "../../core/json.ts";
import type { Column } from "../../core/services.ts";
import type { ColumnType } from "./column-types.ts";
import { cell, type CsvSource, readCsv } from "./csv-source.ts";

export interface CopyOptions {
  readonly source: CsvSource;
  readonly columns: readonly Column[];
  /** One per column. */
  readonly types: readonly ColumnType[];
  /** Per column, its index among the cells of a row. */
  readonly sources: readonly number[];
  /** A double may be zero with a minus. */
  readonly signed_zero: boolean;
  readonly output_path: string;
}

export interface Copied {
  readonly row_count: number;
  /** Per column, in order. */
  readonly null_counts: readonly number[];
}

/** Rows of a row group for up to 64 columns; fewer for wide files, to bound memory. */
const ROW_GROUP_ROWS = 122_880;
const ROW_GROUP_STEP = 2048;
const ROW_GROUP_CELLS = ROW_GROUP_ROWS * 64;

/**
 * Writes the rows as typed Parquet, in their order and with the same bytes for any number of
 * threads. A cell that the engine cannot read as its column's type becomes NULL: the caller holds
 * the counts against those of the survey.
 */
export async function copyTyped(
  connection: DuckDBConnection,
  { source, columns, types, sources, signed_zero, output_path }: CopyOptions,
): Promise<Copied> {
  const values = columns.map(
    ({ name }, index) =>
      `${types[index]?.value(cell(sources[index] ?? index))} AS ${sqlIdentifier(name)}`,
  );
  const field_ids = columns.map(({ id, name }) => `${sqlLiteral(name)}: ${id}`);
  const reader = await connection.runAndReadAll(`COPY (
    SELECT ${values.join(",\n")} FROM ${readCsv(source)}
  ) TO ${sqlLiteral(output_path)} (
    FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${rowGroupRows(columns.length)},
    FIELD_IDS {${field_ids.join(", ")}}, USE_TMP_FILE false,
    ${signed_zero ? WITHOUT_DICTIONARY : ""} RETURN_STATS
  )`);
  return readStats(reader.getRowObjectsJson()[0], columns);
}

/** The engine's dictionaries take the two zeros of a double for one (duckdb#25781). */
const WITHOUT_DICTIONARY = "DICTIONARY_SIZE_LIMIT 0,";

function rowGroupRows(width: number): number {
  const rows = Math.min(ROW_GROUP_ROWS, Math.floor(ROW_GROUP_CELLS / width));
  return Math.max(ROW_GROUP_STEP, Math.floor(rows / ROW_GROUP_STEP) * ROW_GROUP_STEP);
}

/** `RETURN_STATS` gives one row: `count`, and per column a list of `{key, value}`, all as text. */
function readStats(row: unknown, columns: readonly Column[]): Copied {
  if (!isRecord(row)) throw new Error("the copy returned no statistics");
  const by_name = new Map<unknown, unknown>();
  for (const entry of listOf(row["column_statistics"])) {
    if (isRecord(entry)) by_name.set(entry["key"], entry["value"]);
  }
  const null_counts = columns.map(({ name }) => {
    const found = listOf(by_name.get(sqlIdentifier(name))).find(
      (each) => isRecord(each) && each["key"] === "null_count",
    );
    return toCount(isRecord(found) ? found["value"] : undefined);
  });
  return { row_count: toCount(row["count"]), null_counts };
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function toCount(value: unknown): number {
  const count = typeof value === "string" ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(count)) throw new Error("the copy returned no usable statistics");
  return count;
}

/** Bytes of all texts of each of these columns, read back from the file. */
export async function textBytes(
  connection: DuckDBConnection,
  names: readonly string[],
  path: string,
): Promise<readonly number[]> {
  if (names.length === 0) return [];
  const sums = names.map((name) => `coalesce(sum(strlen(${sqlIdentifier(name)})), 0)::VARCHAR`);
  const reader = await connection.runAndReadAll(
    `SELECT ${sums.join(", ")} FROM read_parquet(${sqlLiteral(path)}, hive_partitioning = false)`,
  );
  return (reader.getRows()[0] ?? []).map(Number);
}
