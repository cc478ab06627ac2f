import { Type } from "@sinclair/typebox";
import { availableParallelism } from "node:os";
import { definePlugin } from "../../core/plugin.ts";
import { Catalog, Storage } from "../../core/services.ts";
import type { WorkerPool } from "../../core/workers.ts";
import { gzipCoding, zstdCoding } from "./content-coding.ts";
import { csvCodec } from "./csv-codec.ts";
import { jsonlCodec } from "./jsonl-codec.ts";
import { IngestProgress } from "./progress.ts";
import { parquetCodec } from "./parquet-codec.ts";
import { Removals } from "./removals.ts";
import { ingestRoutes } from "./routes.ts";

/** Address space beyond the engine's memory: the engine's threads, and JavaScript. */
const HEADROOM_BYTES = 4 * 1024 ** 3;
/** The same of a thread that converts: its heap and its arenas, with thousands of columns. */
const THREAD_BYTES = 2 * 1024 ** 3;
/**
 * JavaScriptCore reserves so much for a WebAssembly memory, to leave out checks of its bounds; where
 * it cannot, the memory is a sixth slower. A thread has one; the main one has a second, to cut ranges.
 */
const WASM_MEMORY_BYTES = 4.25 * 1024 ** 3;
const WASM_MEMORIES_OF_MAIN = 2;

export const ingestCsv = definePlugin({
  name: "ingest-csv",
  summary: "Turns uploaded CSV files into typed Parquet datasets without changing a value.",
  config: Type.Object({}, { additionalProperties: false }),
  needs: { store: Storage, catalog: Catalog },
  provides: {},
  setup({ limits, log, clock, workers, codecs, scratch_path }, { store, catalog }) {
    const threads = Math.min(limits.ingest_threads, availableParallelism());
    const pool = (memory_limit_bytes: number): WorkerPool =>
      workers.pool({
        role: "ingest",
        size: limits.ingest_workers,
        queue_limit: limits.ingest_queue,
        memory_limit_bytes,
        init: {
          threads,
          memory_limit_bytes: limits.ingest_memory_bytes,
          temp_limit_bytes: limits.ingest_temp_bytes,
          record_limit_bytes: limits.cell_bytes,
          columns_limit: limits.dataset_columns,
          header_limit_bytes: limits.header_bytes,
          name_limit_bytes: limits.column_name_bytes,
        },
        log,
      });
    // What clients wrote reaches the engine as it is in these alone.
    const engine_bytes = limits.ingest_memory_bytes + HEADROOM_BYTES;
    const engine_pool = pool(engine_bytes);
    const wasm_bytes = (threads + WASM_MEMORIES_OF_MAIN) * WASM_MEMORY_BYTES;
    const csv_pool = pool(engine_bytes + threads * THREAD_BYTES + wasm_bytes);
    const removals = new Removals(log);
    return {
      routes: ingestRoutes(
        { catalog, store, codecs, limits, scratch_path, removals },
        new IngestProgress({ limits, clock }),
      ),
      services: {},
      codecs: [csvCodec(csv_pool), jsonlCodec(engine_pool), parquetCodec(engine_pool)],
      content_codings: [gzipCoding, zstdCoding(limits)],
      async stop() {
        await Promise.all([csv_pool.stop(), engine_pool.stop(), removals.idle()]);
      },
    };
  },
});
