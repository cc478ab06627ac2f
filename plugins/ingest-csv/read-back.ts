import type { DuckDBInstance } from "@duckdb/node-api";
import { sqlIdentifier, sqlLiteral } from "../../core/duckdb.ts";
import { decimalDigits } from "./column-types.ts";
import type { WrittenColumn } from "./judged-schema.ts";
import type { ColumnFacts } from "./kernel/scanner.ts";
import type { RowGroupFile } from "./parquet/row-groups.ts";
import { decimalBytes } from "./parquet/schema.ts";
import { expectedNulls, hold } from "./witness.ts";

/** What the engine finds in files that our own code wrote. */
export interface ReadBack {
  readonly row_count: number;
  /** Per column. */
  readonly values: readonly {
    readonly value_count: number;
    /** Of text, all of it. */
    readonly text_bytes: number;
    /** See `EncodedChunk`. */
    readonly sum: bigint;
  }[];
}

/** Reads every value of the files. */
export async function readBack(
  engine: DuckDBInstance,
  columns: readonly WrittenColumn[],
  paths: readonly string[],
): Promise<ReadBack> {
  const sums = columns.flatMap(({ name, type }) => {
    const column = sqlIdentifier(name);
    const bytes = type === "utf8" ? orZero(`sum(strlen(${column}))`) : "0";
    return [`count(${column})`, bytes, sumOf(type, column)];
  });
  const connection = await engine.connect();
  try {
    // As one text: a result of thousands of columns takes longer to fetch than to find.
    const reader = await connection.runAndReadAll(
      `SELECT concat_ws(',', count(*), ${sums.join(", ")})
       FROM read_parquet([${paths.map(sqlLiteral).join(", ")}], hive_partitioning = false)`,
    );
    const [row_count, ...found] = String(reader.getRows()[0]?.[0]).split(",");
    hold("answers", found.length, 3 * columns.length);
    const values = columns.map((_, index) => ({
      value_count: Number(found[3 * index]),
      text_bytes: Number(found[3 * index + 1]),
      // Of decimals without the point: unscaled.
      sum: BigInt(found[3 * index + 2]?.replace(".", "") ?? -1),
    }));
    return { row_count: Number(row_count), values };
  } finally {
    connection.closeSync();
  }
}

/** Never NULL: `concat_ws` would leave it out. */
const orZero = (sum: string): string => `coalesce(${sum}, 0)`;

function sumOf(type: string, column: string): string {
  const { precision = Infinity } = decimalDigits(type) ?? {};
  if (decimalBytes(precision) <= 8) return orZero(`sum(${column})`);
  switch (type) {
    case "int64":
      return orZero(`sum(${column})`);
    case "date32[day]":
      return orZero(`sum(${column} - DATE '1970-01-01')`);
    case "timestamp[us]":
    case "timestamp[us, tz=UTC]":
      return orZero(`sum(epoch_us(${column}))`);
    case "bool":
      return orZero(`count_if(${column})`);
    default:
      return "0";
  }
}

export const readNothing = (width: number): ReadBack => ({
  row_count: 0,
  values: Array.from({ length: width }, () => ({ value_count: 0, text_bytes: 0, sum: 0n })),
});

/** Pure. */
export function addReadBack(one: ReadBack, other: ReadBack): ReadBack {
  return {
    row_count: one.row_count + other.row_count,
    values: one.values.map(({ value_count, text_bytes, sum }, index) => ({
      value_count: value_count + (other.values[index]?.value_count ?? 0),
      text_bytes: text_bytes + (other.values[index]?.text_bytes ?? 0),
      sum: sum + (other.values[index]?.sum ?? 0n),
    })),
  };
}

/**
 * Holds the sums of what the engine found against those of the values as they were before they became
 * pages. Throws `EngineDisagrees`.
 */
export function checkSums(
  columns: readonly WrittenColumn[],
  found: ReadBack,
  files: readonly RowGroupFile[],
): void {
  for (const [index, { id }] of columns.entries()) {
    const written = files.reduce((sum, { sums }) => sum + (sums[index] ?? 0n), 0n);
    const read = found.values[index]?.sum ?? -1n;
    hold(`sum of column ${id}`, BigInt.asIntN(64, read), BigInt.asIntN(64, written));
  }
}

/**
 * Holds what the engine found against what the kernel counted while it judged: rows, values of every
 * column and bytes of every text. Throws `EngineDisagrees`.
 */
export function checkReadBack(
  counted: { readonly row_count: number; readonly columns: readonly ColumnFacts[] },
  columns: readonly WrittenColumn[],
  found: ReadBack,
): void {
  hold("rows", found.row_count, counted.row_count);
  for (const [index, { id, type, source }] of columns.entries()) {
    const { value_count, text_bytes } = found.values[index] ?? {};
    const nulls = expectedNulls(type, source, counted);
    hold(`values of column ${id}`, value_count, counted.row_count - nulls);
    if (type === "utf8")
      hold(`bytes of column ${id}`, text_bytes, counted.columns[source]?.text_bytes);
  }
}
