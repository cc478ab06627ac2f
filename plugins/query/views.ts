import type { DuckDBConnection } from "@duckdb/node-api";
import { sqlIdentifier, sqlLiteral } from "../../core/duckdb.ts";
import { LakehouseError } from "../../core/error.ts";
import { engineType, isReadableAs } from "./arrow-types.ts";
import { withoutPaths } from "./engine-error.ts";
import type { FileGroup, Table, TableColumn } from "./protocol.ts";

/**
 * Makes a dataset a view of this connection. `data_corrupt` if its files cannot be read, or are not
 * what the catalog says of them.
 */
export async function createView(
  connection: DuckDBConnection,
  table: Table,
  temp_path: string,
): Promise<void> {
  const view = `CREATE VIEW ${sqlIdentifier(table.name)} AS `;
  if (table.groups.length === 0) {
    await connection.run(view + emptySelect(table));
    return;
  }
  try {
    for (const { paths } of table.groups) await refuseMixedSchemas(connection, table.name, paths);
    await connection.run(view + (await selectAll(connection, table)));
  } catch (error) {
    if (error instanceof LakehouseError) throw error;
    const message = withoutPaths(String(error), { tables: [table], temp_path });
    throw new LakehouseError(
      "data_corrupt",
      `The dataset ${table.name} cannot be read as Parquet. ${message}`,
      { hint: "Ingest it again, or register other objects.", cause: error },
    );
  }
}

/** No column may come from the path of a file: `year=2024/` is part of a key, not a value. */
const readParquet = (paths: readonly string[]): string =>
  `read_parquet([${paths.map(sqlLiteral).join(", ")}], hive_partitioning = false)`;

/** Column names to the engine's types, in order. */
async function describe(
  connection: DuckDBConnection,
  paths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${readParquet(paths)}`);
  // Of its columns the first two are name and type, both text.
  const text = (column: number): string[] => described.getColumnsJson()[column]?.map(String) ?? [];
  const types = text(1);
  return new Map(text(0).map((name, i) => [name, types[i] ?? ""]));
}

/** The engine would cast later files to the types of the first, and round where they differ. */
async function refuseMixedSchemas(
  connection: DuckDBConnection,
  name: string,
  paths: readonly string[],
): Promise<void> {
  let first: string | undefined;
  if (paths.length < 2) return;
  for (const path of paths) {
    const schema = JSON.stringify([...(await describe(connection, [path]))]);
    first ??= schema;
    if (schema !== first) {
      throw corrupt(name, "has objects that differ in their columns");
    }
  }
}

/**
 * Files of one schema are read as they are. Files of several, one from before the schema changed
 * perhaps, are each read by column id into the columns of the dataset.
 */
async function selectAll(connection: DuckDBConnection, table: Table): Promise<string> {
  const [only] = table.groups;
  if (table.groups.length === 1 && only !== undefined && only.columns === undefined) {
    return `SELECT * FROM ${readParquet(only.paths)}`;
  }
  const unnamed = new Map<number, string>();
  const selects: string[] = [];
  for (const group of table.groups)
    selects.push(await selectById(connection, table, group, unnamed));
  return selects.join(" UNION ALL ");
}

/** `unnamed` has the engine's types of columns whose Arrow type is not known here, by id. */
async function selectById(
  connection: DuckDBConnection,
  { name, columns }: Table,
  group: FileGroup,
  unnamed: Map<number, string>,
): Promise<string> {
  const physical = group.columns ?? columns;
  const found = await describe(connection, group.paths.slice(0, 1));
  checkFound(name, physical, found);
  const by_id = new Map(physical.map((each) => [each.id, each]));
  const items = columns.map((column) => {
    const stored = by_id.get(column.id);
    const type = engineType(column.type);
    const label = sqlIdentifier(column.name);
    if (stored === undefined) {
      return type === undefined ? `NULL AS ${label}` : `CAST(NULL AS ${type}) AS ${label}`;
    }
    const value = sqlIdentifier(stored.name);
    if (!isReadableAs(stored.type, column.type)) {
      throw corrupt(
        name,
        `has a column ${column.name} of type ${column.type}, as which its ${stored.type} cannot be read`,
      );
    }
    if (type === undefined) checkSame(name, column, unnamed, found.get(stored.name) ?? "");
    return stored.type === column.type
      ? `${value} AS ${label}`
      : `CAST(${value} AS ${type}) AS ${label}`;
  });
  return `SELECT ${items.join(", ")} FROM ${readParquet(group.paths)}`;
}

/** Casts are sound only for the types that the catalog knows of, so these must be the file's. */
function checkFound(
  name: string,
  physical: readonly TableColumn[],
  found: ReadonlyMap<string, string>,
): void {
  for (const column of physical) {
    const actual = found.get(column.name);
    const type = engineType(column.type);
    if (actual === undefined || (type !== undefined && type !== actual)) {
      throw corrupt(
        name,
        `has an object whose column ${column.name} is ${actual ?? "missing"}, not ${column.type}`,
      );
    }
  }
  if (found.size !== physical.length) {
    throw corrupt(name, `has an object with ${found.size} columns, not ${physical.length}`);
  }
}

function checkSame(
  name: string,
  column: TableColumn,
  unnamed: Map<number, string>,
  actual: string,
): void {
  const first = unnamed.get(column.id) ?? actual;
  unnamed.set(column.id, first);
  if (first !== actual) {
    throw corrupt(name, `has a column ${column.name} that is ${first} here and ${actual} there`);
  }
}

function corrupt(name: string, what: string): LakehouseError {
  return new LakehouseError("data_corrupt", `The dataset ${name} ${what}.`, {
    hint: "Ingest it again, or register its objects with the columns they have.",
    extra: { dataset: name },
  });
}

function emptySelect({ name, columns }: Table): string {
  const typed = columns.map((column) => {
    const type = engineType(column.type);
    if (type === undefined) {
      throw new LakehouseError(
        "invalid_sql",
        `The dataset ${name} has no data, and its column ${column.name} the unknown type ${column.type}.`,
      );
    }
    return `CAST(NULL AS ${type}) AS ${sqlIdentifier(column.name)}`;
  });
  return `SELECT ${typed.join(", ")} WHERE false`;
}
