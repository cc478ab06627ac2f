import type { DuckDBConnection } from "@duckdb/node-api";
import type { SchemaInput } from "../../core/codec.ts";
import { sqlIdentifier } from "../../core/duckdb.ts";
import type { Column } from "../../core/services.ts";
import { digitsOf, mayHold, type ParquetFacts, sqlTypeNamed } from "./parquet-casts.ts";
import { readUploaded } from "./parquet-schema.ts";
import { type ParquetFile, SCAN_COLUMNS } from "./parquet-validate.ts";
import type { OfferedColumn } from "./reconcile.ts";
import { widerTypes } from "./widening.ts";

/** A type that a column would have to be cast to. */
interface Cast {
  readonly column: Column;
  readonly to: string;
  /** The column has no value: there may be no such cast. */
  readonly is_empty: boolean;
}

/**
 * The columns of a file, to be judged against the registered schema: each fits the type it has, and
 * those in which the engine finds every one of its values the same. A file of which the engine sees
 * less than there is could not be written anew: its columns fit their own types alone.
 */
export async function offerColumns(
  connection: DuckDBConnection,
  path: string,
  { columns, facts, coarse }: ParquetFile,
  registered: SchemaInput["registered"],
): Promise<readonly OfferedColumn[]> {
  const known = new Map(registered?.columns.map((column) => [column.name, column]));
  const casts = columns.flatMap((column, index): Cast[] => {
    const target = known.get(column.name);
    if (target === undefined || coarse.length > 0) return [];
    const types = [target.type, ...widerTypes(target)];
    const possible = types.filter((to) => to !== column.type && holds(column, to, facts[index]));
    const is_empty = facts[index]?.value_count === 0;
    return possible.map((to) => ({ column, to, is_empty }));
  });
  const exact = await exactCasts(connection, path, casts);
  return columns.map((column, index): OfferedColumn => {
    const { name, type } = column;
    const fits = (to: string): boolean => to === type || exact.get(name)?.has(to) === true;
    const found = facts[index];
    return { name, type, fits, ...(found && digitsOf(type, found)) };
  });
}

const holds = ({ type }: Column, to: string, facts: ParquetFacts | undefined): boolean =>
  facts !== undefined && mayHold(type, to, facts);

/** Per column name, the types in which no value is another. */
async function exactCasts(
  connection: DuckDBConnection,
  path: string,
  casts: readonly Cast[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const exact = new Map<string, Set<string>>();
  for (let first = 0; first < casts.length; first += SCAN_COLUMNS) {
    const some = casts.slice(first, first + SCAN_COLUMNS);
    const reader = await connection.runAndReadAll(
      `SELECT ${some.map(countChanged).join(", ")} FROM ${readUploaded(path)}`,
    );
    const counts = reader.getRows()[0] ?? [];
    for (const [index, { column, to }] of some.entries()) {
      if (counts[index] !== "0") continue;
      exact.set(column.name, (exact.get(column.name) ?? new Set()).add(to));
    }
  }
  return exact;
}

/** SQL for how many values do not come back from the other type as they were. */
function countChanged({ column, to, is_empty }: Cast): string {
  const value = sqlIdentifier(column.name);
  if (is_empty) return `count(${value})::VARCHAR`;
  const back = `try_cast(try_cast(${value} AS ${sqlTypeNamed(to)}) AS ${sqlTypeNamed(column.type)})`;
  return `count(*) FILTER (WHERE ${value} IS NOT NULL AND (${back} = ${value}) IS NOT TRUE)::VARCHAR`;
}
