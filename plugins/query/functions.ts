/**
 * Which functions a statement may call. Lock-down already keeps the engine from files and
 * settings; these lists keep it from what lock-down leaves open: other statements hidden in text,
 * the engine's own state, waiting, and text that names files of this machine.
 */

/** Table functions are few, so they are allowed by name; everything else is refused. */
export const ALLOWED_TABLE_FUNCTIONS: ReadonlySet<string> = new Set([
  "generate_series",
  "json_each",
  "json_tree",
  "pg_timezone_names",
  "range",
  "repeat",
  "repeat_row",
  "unnest",
]);

/** Scalar functions and macros are many and nearly all pure, so the others are refused by name. */
const DENIED_FUNCTIONS: ReadonlySet<string> = new Set([
  // Run or plan statements that the gate has not seen.
  "json_deserialize_sql",
  "json_execute_serialized_sql",
  "json_serialize_plan",
  "json_serialize_sql",
  "query",
  "query_table",
  // Tell about the machine, the engine and its other users.
  "current_connection_id",
  "current_query",
  "current_query_id",
  "current_setting",
  "current_transaction_id",
  "format_type",
  "get_block_size",
  "getenv",
  "getvariable",
  "in_search_path",
  "pg_get_constraintdef",
  // The text of a view names the files it reads.
  "pg_get_viewdef",
  "stats",
  "txid_current",
  "which_secret",
  // Wait, or change what later statements see.
  "currval",
  "nextval",
  "pg_sleep",
  "setseed",
  "sleep_ms",
  "write_log",
]);

/**
 * Internal functions of the optimiser trust their input, file readers are table functions that
 * also exist in scalar form in some versions.
 */
const DENIED_PREFIXES = [
  "__internal_",
  "read_",
  "pragma_",
  "duckdb_",
  "parquet_",
  "glob",
  "variant_",
];

export function isDeniedFunction(name: string): boolean {
  return DENIED_FUNCTIONS.has(name) || DENIED_PREFIXES.some((prefix) => name.startsWith(prefix));
}
