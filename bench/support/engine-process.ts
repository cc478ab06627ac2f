import { DuckDBInstance } from "@duckdb/node-api";
import { createRequire } from "node:module";
import { join } from "node:path";
import { isRecord } from "../../core/json.ts";

/**
 * An engine in a process of its own, as a peer: `bun engine-process.ts duckdb|clickhouse`. It is
 * sent paths of a CSV and a Parquet file and answers with the milliseconds that the conversion took.
 */

export interface Conversion {
  readonly csv_path: string;
  readonly parquet_path: string;
}

export interface Converted {
  readonly duration_ms: number;
}

type Convert = (conversion: Conversion) => Promise<unknown>;

export const ENGINES = ["duckdb", "clickhouse"] as const;
export type EngineName = (typeof ENGINES)[number];

/** The folder that has ClickHouse's own lockfile. */
export const CLICKHOUSE_FOLDER = join(import.meta.dir, "../clickhouse");

/** All cores, and its own detection of types, which may lose values: nothing is checked. */
async function duckdb(): Promise<Convert> {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  return ({ csv_path, parquet_path }) =>
    connection.run(
      `COPY (SELECT * FROM read_csv('${csv_path}')) TO '${parquet_path}' (FORMAT parquet)`,
    );
}

async function clickhouse(): Promise<Convert> {
  const chdb: unknown = createRequire(join(CLICKHOUSE_FOLDER, "package.json"))("chdb");
  if (!isRecord(chdb)) throw new Error("chdb exports nothing");
  const { query } = chdb;
  if (typeof query !== "function") throw new Error("chdb has no query()");
  return async ({ csv_path, parquet_path }) => {
    query(
      `INSERT INTO FUNCTION file('${parquet_path}', 'Parquet')
       SELECT * FROM file('${csv_path}', 'CSVWithNames')`,
    );
  };
}

async function serve(name: string | undefined): Promise<void> {
  const convert = await (name === "clickhouse" ? clickhouse() : duckdb());
  process.on("message", (message: unknown) => {
    void answer(convert, message);
  });
  process.send?.("ready");
}

async function answer(convert: Convert, message: unknown): Promise<void> {
  if (!isRecord(message)) return;
  const { csv_path, parquet_path } = message;
  try {
    const start_ms = performance.now();
    await convert({ csv_path: String(csv_path), parquet_path: String(parquet_path) });
    process.send?.({ duration_ms: performance.now() - start_ms });
  } catch (error) {
    process.send?.({ failure: String(error) });
  }
}

if (import.meta.main) await serve(process.argv[2]);
