import type { DuckDBConnection } from "@duckdb/node-api";
import { inspect, type Inspection } from "./gate.ts";

/** Parses a statement without binding it, which reads nothing and runs nothing, and judges it. */
export async function inspectWith(parser: DuckDBConnection, sql: string): Promise<Inspection> {
  const serialized = await parser.runAndReadAll(
    "SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true)",
    [sql],
  );
  return inspect(JSON.parse(String(serialized.getRows()[0]?.[0])), sql);
}
