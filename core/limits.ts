import { type Static, type TInteger, type TObject, Type } from "@sinclair/typebox";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const limit = (standard: number, description: string): TInteger =>
  Type.Integer({ default: standard, minimum: 1, description });

/**
 * Every limit of the server in one table. Set one under `[limits]` or as
 * `LAKEHOUSE_LIMITS_<NAME>`. The unit is the last word of the name; without one it is a count.
 * `docs/limits.md` is held to this table by a test.
 */
const table = {
  json_body_bytes: limit(4 * MIB, "JSON request bodies, except vector batches."),
  storage_put_bytes: limit(5 * GIB, "One object sent to PUT /storage/put."),
  storage_puts: limit(4, "Puts through /storage at once; the rest wait."),
  storage_idle_ms: limit(60_000, "Silence of a client in the middle of a put."),
  storage_timeout_ms: limit(60_000, "One call to a remote store, its body included, per 64 MiB."),
  list_page: limit(1000, "Objects in one page of a listing."),
  manifest_bytes: limit(16 * MIB, "One stored manifest."),
  catalog_load_concurrency: limit(32, "Manifests read at once at start."),
  catalog_commit_attempts: limit(32, "Races one commit may lose to other processes."),
  dataset_columns: limit(4096, "Columns of one dataset."),
  column_name_bytes: limit(1024, "The name of one column in the header of a file."),
  header_bytes: limit(4 * MIB, "The first record of an uploaded CSV file."),
  upload_bytes: limit(16 * GIB, "One upload to /ingest, as it arrives."),
  decoded_bytes: limit(64 * GIB, "One upload to /ingest, decompressed."),
  decoded_ratio: limit(1000, "Times that an upload may grow when decompressed, beyond 64 MiB."),
  decoded_window_bytes: limit(8 * MIB, "History a zstd frame may ask for (RFC 9659)."),
  ingest_timeout_ms: limit(30 * 60_000, "Converting one upload, after its last byte arrived."),
  ingest_workers: limit(
    2,
    "Uploads converted at once, of CSV and of other formats each; the rest wait.",
  ),
  ingest_queue: limit(64, "Uploads that may wait for a worker."),
  ingest_threads: limit(
    4,
    "Threads of one ingest worker that convert CSV, 90 to 150 MiB each, more with thousands of columns; never more than cores.",
  ),
  ingest_memory_bytes: limit(2 * GIB, "Memory of the engine in one ingest worker."),
  ingest_temp_bytes: limit(16 * GIB, "Disk the engine of one ingest worker may spill to."),
  ingest_progress_kept: limit(1000, "Ended ingests that GET /ingest/<id> still tells of."),
  ingest_progress_ms: limit(10 * 60_000, "How long it tells of each."),
  cell_bytes: limit(16 * MIB, "One cell, or one line, of an uploaded file."),
  sql_bytes: limit(256 * 1024, "One SQL statement."),
  sql_parameters: limit(1000, "Parameters of one SQL statement."),
  sql_timeout_ms: limit(60_000, "One SQL statement, its result included."),
  sql_workers: limit(2, "SQL statements run at once; the rest wait."),
  sql_queue: limit(256, "SQL statements that may wait for a worker."),
  sql_memory_bytes: limit(2 * GIB, "Memory of the engine in one SQL worker."),
  sql_temp_bytes: limit(8 * GIB, "Disk one SQL worker may spill to."),
  sql_tables: limit(256, "Tables one SQL statement may name."),
  result_bytes: limit(1 * GIB, "One SQL result as it is sent."),
  cache_bytes: limit(16 * GIB, "Local copies of remote data objects kept for SQL."),
  vector_body_bytes: limit(64 * MIB, "One batch of vectors."),
  vector_batch: limit(10_000, "Vectors in one add request."),
  vector_dimension: limit(16_384, "Dimensions of an index."),
  vector_id_bytes: limit(512, "One vector id."),
  vector_metadata_bytes: limit(64 * 1024, "The metadata of one vector, as JSON."),
  vector_index_items: limit(10_000_000, "Vectors in one index."),
  vector_indexes: limit(1000, "Indexes held at once."),
  vector_k: limit(10_000, "Neighbours asked for in one search."),
  worker_start_timeout_ms: limit(20_000, "A worker process from spawn to ready."),
  shutdown_timeout_ms: limit(10_000, "Draining requests and stopping plugins."),
} satisfies Record<string, TInteger>;

export const limitsSchema: TObject<typeof table> = Type.Object(table, {
  additionalProperties: false,
});
export type Limits = Readonly<Static<typeof limitsSchema>>;
