import { DuckDBInstance } from "@duckdb/node-api";
import { sqlLiteral } from "../../core/duckdb.ts";

/** Every value of a Parquet file as the engine prints it, read by an engine of its own. */
export async function parquetRows(path: string): Promise<(string | null)[][]> {
  const engine = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await engine.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    const reader = await connection.runAndReadAll(
      `SELECT COLUMNS(*)::VARCHAR FROM read_parquet(${sqlLiteral(path)}, hive_partitioning = false)`,
    );
    return reader.getRows().map((row) => row.map((cell) => (cell === null ? null : String(cell))));
  } finally {
    connection.closeSync();
    engine.closeSync();
  }
}
