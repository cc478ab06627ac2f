import type { DuckDBConnection } from "@duckdb/node-api";
import { sqlLiteral } from "../../core/duckdb.ts";
import { LakehouseError } from "../../core/error.ts";
import type { Column } from "../../core/services.ts";
import { arrowName } from "./parquet-types.ts";

/** A longer one fits no manifest. */
const TYPE_NAME_LIMIT = 4096;
const DECIMAL_DIGITS = 38;
/** NUL ends strings in C; the other two are the separators of the schema fingerprint. */
// oxlint-disable-next-line no-control-regex -- control characters are what this finds
const FORBIDDEN = /[\u0000\u001e\u001f]/u;

/** One line of the file's own schema, depth first; the first is the root. */
interface SchemaElement {
  readonly name: string;
  readonly children: number;
  readonly physical: string;
  readonly logical: string;
  readonly precision: number;
  /** How the engine reads it. */
  readonly engine: string;
}

export interface ParquetSchema {
  readonly columns: readonly Column[];
  /** Columns of which SQL shows less than the file holds, which is nanoseconds. */
  readonly coarse: readonly string[];
}

/** The rows of an uploaded Parquet file. Nothing is taken from its path. */
export const readUploaded = (path: string): string =>
  `read_parquet([${sqlLiteral(path)}], hive_partitioning = false)`;

/**
 * What the columns are, as the engine reads them and as the file says. Throws `invalid_parquet`
 * where the two differ in a name, or a type would lose values; `limit_exceeded` for too many columns.
 */
export async function readSchema(
  connection: DuckDBConnection,
  path: string,
  columns_limit: number,
): Promise<ParquetSchema> {
  const elements = await readElements(connection, path);
  const reader = await connection.runAndReadAll(`SELECT * FROM ${readUploaded(path)} LIMIT 0`);
  const read_names = reader.columnNames();
  const [root, ...below] = elements;
  const names = topLevel(below, root?.children ?? 0);
  if (names.length === 0) throw refused("no_columns", "The file has no columns.");
  if (names.length > columns_limit) throw tooWide(names.length, columns_limit);
  checkNames(names, read_names);
  const columns = reader.columnTypes().map((type, index): Column => {
    const name = names[index] ?? "";
    const arrow = arrowName(type);
    if (arrow === undefined || arrow.length > TYPE_NAME_LIMIT || FORBIDDEN.test(arrow))
      throw unsupported(name, type.toString().slice(0, 80));
    return { id: index + 1, name, type: arrow, nullable: true };
  });
  for (const { name, logical, precision, engine } of below) {
    // The engine takes wider decimals for doubles, and says nothing.
    if (logical.startsWith("Decimal") && precision > DECIMAL_DIGITS)
      throw unsupported(name, `a decimal of ${precision} digits`);
    if (engine === "HUGEINT") throw unsupported(name, engine);
  }
  const coarse = below.filter(isCoarse).map(({ name }) => name);
  return { columns, coarse };
}

async function readElements(
  connection: DuckDBConnection,
  path: string,
): Promise<readonly SchemaElement[]> {
  const reader = await connection.runAndReadAll(`
    SELECT name, coalesce(num_children, 0)::INTEGER, coalesce(type, ''), coalesce(logical_type, ''),
      coalesce(converted_type, ''), coalesce(precision, 0)::INTEGER, coalesce(duckdb_type, '')
    FROM parquet_schema(${sqlLiteral(path)})`);
  return reader.getRows().map((row) => {
    const [name, children, physical, logical, converted, precision, engine] = row.map(String);
    return {
      name: name ?? "",
      children: Number(children),
      physical: physical ?? "",
      // Old files say only the latter.
      logical: logical || (converted === "DECIMAL" ? "DecimalType" : ""),
      precision: Number(precision),
      engine: engine ?? "",
    };
  });
}

/** Names of the columns proper: each is followed by all that is nested in it. */
function topLevel(elements: readonly SchemaElement[], count: number): readonly string[] {
  const names: string[] = [];
  let at = 0;
  for (let column = 0; column < count; column++) {
    names.push(elements[at]?.name ?? "");
    for (let pending = 1; pending > 0 && at < elements.length; at++) {
      pending += (elements[at]?.children ?? 0) - 1;
    }
  }
  return names;
}

/** The engine would give other names to what SQL could not tell apart. */
function checkNames(names: readonly string[], read_names: readonly string[]): void {
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    if (name === "" || FORBIDDEN.test(name) || !name.isWellFormed())
      throw refused("bad_column_name", `Column ${index + 1} has no name that SQL could use.`);
    const folded = name.toLowerCase();
    if (seen.has(folded))
      throw refused(
        "duplicate_column",
        `The name of column ${index + 1}, ${JSON.stringify(name)}, is taken by one before it; SQL ignores case.`,
      );
    seen.add(folded);
    if (read_names[index] !== name)
      throw refused("bad_column_name", `The name of column ${index + 1} cannot be used.`);
  }
}

/** The engine has no nanoseconds in UTC, and none for the outdated INT96. */
const isCoarse = ({ physical, logical, engine }: SchemaElement): boolean =>
  physical === "INT96" || (logical.includes("NanoSeconds") && !engine.endsWith("_NS"));

export function refused(reason: string, detail: string, cause?: unknown): LakehouseError {
  return new LakehouseError("invalid_parquet", detail, {
    hint: "Nothing was stored. Write the file again with another column name or type, or check that it is whole.",
    extra: { reason },
    cause,
  });
}

function unsupported(name: string, what: string): LakehouseError {
  return refused(
    "unsupported_type",
    `The column ${JSON.stringify(name)} is ${what}, which cannot be read without losing something.`,
  );
}

function tooWide(columns: number, limit: number): LakehouseError {
  return new LakehouseError(
    "limit_exceeded",
    `The file has ${columns} columns, more than ${limit}.`,
    {
      hint: "Raise dataset_columns under [limits], or send the table in long form.",
      extra: { limit, columns },
    },
  );
}
