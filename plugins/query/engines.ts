import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { join } from "node:path";
import { lockDown, openEngine, sqlIdentifier, sqlLiteral } from "../../core/duckdb.ts";
import { LakehouseError } from "../../core/error.ts";
import { withoutPaths } from "./engine-error.ts";
import type { Table, WorkerInit } from "./protocol.ts";

/** Each costs threads and address space, but next to no memory while idle. */
const ENGINES_KEPT = 8;

/**
 * What the engine computes of a result before it hands out the first row. A failure until then is
 * a problem with a message; a later one can only reset the connection.
 */
const STREAMING_BUFFER_BYTES = 16 * 1024 * 1024;

/** The engine's names of the types a manifest knows. */
const ENGINE_TYPES: Readonly<Record<string, string>> = {
  int64: "BIGINT",
  float64: "DOUBLE",
  bool: "BOOLEAN",
  utf8: "VARCHAR",
  "date32[day]": "DATE",
  "timestamp[us]": "TIMESTAMP",
  "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
};

interface Engine {
  readonly instance: DuckDBInstance;
  /** The only one: its settings are fixed by the lock, and no gated statement changes its state. */
  readonly connection: DuckDBConnection;
}

/**
 * Locked-down engines, one per set of tables: what a statement may open is fixed when its engine
 * is locked, so another set needs another engine. Opening one costs about 10 ms; the last few are
 * kept, because statements over the same tables come in rows and only gated SELECTs run here.
 */
export class Engines {
  readonly #init: WorkerInit;
  readonly #temp_path: string;
  /** Least recently used first. */
  readonly #kept = new Map<string, Engine>();
  #opened = 0;

  constructor(init: WorkerInit, temp_path: string) {
    this.#init = init;
    this.#temp_path = temp_path;
  }

  /**
   * A connection that can run one statement after the other over these tables. `data_corrupt` if
   * the files of a table cannot be read, or differ in schema.
   */
  async connect(tables: readonly Table[]): Promise<DuckDBConnection> {
    const key = JSON.stringify(tables);
    const kept = this.#kept.get(key);
    if (kept !== undefined) this.#kept.delete(key);
    const engine = kept ?? (await this.#open(tables));
    this.#kept.set(key, engine);
    const [oldest] = this.#kept;
    if (this.#kept.size > ENGINES_KEPT && oldest !== undefined) {
      const [oldest_key, { instance, connection }] = oldest;
      this.#kept.delete(oldest_key);
      connection.closeSync();
      instance.closeSync();
    }
    return engine.connection;
  }

  async #open(tables: readonly Table[]): Promise<Engine> {
    this.#opened += 1;
    const { threads, memory_limit_bytes, temp_limit_bytes } = this.#init;
    const instance = await openEngine({
      threads,
      memory_limit_bytes,
      // One each: engines do not expect to share the folder they spill to.
      temp_path: join(this.#temp_path, String(this.#opened)),
      temp_limit_bytes,
    });
    const connection = await instance.connect();
    try {
      for (const table of tables) await createView(connection, table, this.#temp_path);
      await connection.run(`SET streaming_buffer_size = '${STREAMING_BUFFER_BYTES}B'`);
      await lockDown(
        connection,
        tables.flatMap(({ paths }) => paths),
      );
      return { instance, connection };
    } catch (error) {
      connection.closeSync();
      instance.closeSync();
      throw error;
    }
  }
}

async function createView(
  connection: DuckDBConnection,
  table: Table,
  temp_path: string,
): Promise<void> {
  const view = `CREATE VIEW ${sqlIdentifier(table.name)} AS `;
  if (table.paths.length === 0) {
    await connection.run(view + emptySelect(table));
    return;
  }
  try {
    await refuseMixedSchemas(connection, table);
    await connection.run(`${view}SELECT * FROM ${readParquet(table.paths)}`);
  } catch (error) {
    if (error instanceof LakehouseError || !(error instanceof Error)) throw error;
    const message = withoutPaths(error.message, { tables: [table], temp_path });
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

/** The engine would cast later files to the types of the first, and round where they differ. */
async function refuseMixedSchemas(connection: DuckDBConnection, table: Table): Promise<void> {
  let first: string | undefined;
  if (table.paths.length < 2) return;
  for (const path of table.paths) {
    const described = await connection.runAndReadAll(
      `DESCRIBE SELECT * FROM ${readParquet([path])}`,
    );
    const schema = JSON.stringify(described.getRowsJson().map((row) => row.slice(0, 2)));
    first ??= schema;
    if (schema !== first) {
      throw new LakehouseError(
        "data_corrupt",
        `The objects of the dataset ${table.name} differ in their columns.`,
        { hint: "All objects of a dataset need the same column names and types, in one order." },
      );
    }
  }
}

function emptySelect({ name, columns }: Table): string {
  const typed = columns.map((column) => {
    const type = ENGINE_TYPES[column.type];
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
