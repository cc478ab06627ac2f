import { Type } from "@sinclair/typebox";
import { availableParallelism } from "node:os";
import { definePlugin } from "../../core/plugin.ts";
import { Catalog, Storage } from "../../core/services.ts";
import { gzipCoding, zstdCoding } from "./content-coding.ts";
import { csvCodec } from "./csv-codec.ts";
import { jsonlCodec } from "./jsonl-codec.ts";
import { IngestProgress } from "./progress.ts";
import { parquetCodec } from "./parquet-codec.ts";
import { ingestRoutes } from "./routes.ts";

/** Address space beyond the engine's memory: threads' stacks and arenas, and JavaScript. */
const HEADROOM_BYTES = 4 * 1024 ** 3;

export const ingestCsv = definePlugin({
  name: "ingest-csv",
  summary: "Turns uploaded CSV files into typed Parquet datasets without changing a value.",
  config: Type.Object({}, { additionalProperties: false }),
  needs: { store: Storage, catalog: Catalog },
  provides: {},
  setup({ limits, log, clock, workers, codecs, scratch_path }, { store, catalog }) {
    const pool = workers.pool({
      role: "ingest",
      size: limits.ingest_workers,
      queue_limit: limits.ingest_queue,
      memory_limit_bytes: limits.ingest_memory_bytes + HEADROOM_BYTES,
      init: {
        threads: availableParallelism(),
        memory_limit_bytes: limits.ingest_memory_bytes,
        temp_limit_bytes: limits.ingest_temp_bytes,
        record_limit_bytes: limits.cell_bytes,
        columns_limit: limits.dataset_columns,
        header_limit_bytes: limits.header_bytes,
        name_limit_bytes: limits.column_name_bytes,
      },
      log,
    });
    return {
      routes: ingestRoutes(
        { catalog, store, codecs, limits, scratch_path },
        new IngestProgress({ limits, clock }),
      ),
      services: {},
      codecs: [csvCodec(pool), jsonlCodec(pool), parquetCodec(pool)],
      content_codings: [gzipCoding, zstdCoding(limits)],
      stop: () => pool.stop(),
    };
  },
});
