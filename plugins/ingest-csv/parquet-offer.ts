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
  const exact = new Map<string, Set<string>>();
  const known = new Map(registered?.columns.map((column) => [column.name, column]));
  const misfits = columns.flatMap((column, index): Misfit[] => {
    const target = known.get(column.name);
    const found = facts[index];
    const is_other = target !== undefined && target.type !== column.type;
    return is_other && found !== undefined && coarse.length === 0
      ? [{ column, target, facts: found }]
      : [];
  });
  const casts = misfits.flatMap((misfit) => castsTo(misfit, [misfit.target.type]));
  await addExact(exact, connection, path, casts);
  // Wider types matter only where the registered one does not do.
  const left = misfits.filter(({ column }) => !exact.has(column.name));
  const wider = left.flatMap((misfit) => castsTo(misfit, widerTypes(misfit.target)));
  await addExact(exact, connection, path, wider);
  return columns.map((column, index): OfferedColumn => {
    const { name, type } = column;
    const fits = (to: string): boolean => to === type || exact.get(name)?.has(to) === true;
    const found = facts[index];
    return { name, type, fits, ...(found && digitsOf(type, found)) };
  });
}

/** A column whose type is not the registered one. */
interface Misfit {
  readonly column: Column;
  readonly target: Column;
  readonly facts: ParquetFacts;
}

function castsTo({ column, facts }: Misfit, types: readonly string[]): readonly Cast[] {
  const is_empty = facts.value_count === 0;
  return types
    .filter((to) => to !== column.type && mayHold(column.type, to, facts))
    .map((to) => ({ column, to, is_empty }));
}

/** Adds, per column name, the types in which no value is another. */
async function addExact(
  exact: Map<string, Set<string>>,
  connection: DuckDBConnection,
  path: string,
  casts: readonly Cast[],
): Promise<void> {
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
}

/** SQL for how many values do not come back from the other type as they were. */
function countChanged({ column, to, is_empty }: Cast): string {
  const value = sqlIdentifier(column.name);
  if (is_empty) return `count(${value})::VARCHAR`;
  const back = `try_cast(try_cast(${value} AS ${sqlTypeNamed(to)}) AS ${sqlTypeNamed(column.type)})`;
  return `count(*) FILTER (WHERE ${value} IS NOT NULL AND (${back} = ${value}) IS NOT TRUE)::VARCHAR`;
}
