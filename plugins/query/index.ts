import { Type } from "@sinclair/typebox";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { definePlugin } from "../../core/plugin.ts";
import { Catalog, Storage } from "../../core/services.ts";
import { FileCache } from "./file-cache.ts";
import { ObjectFiles } from "./object-files.ts";
import { queryRoutes } from "./routes.ts";
import { Statements } from "./statements.ts";

/** Address space beyond the engine's memory: threads' stacks and arenas, and JavaScript. */
const HEADROOM_BYTES = 4 * 1024 ** 3;

export const query = definePlugin({
  name: "query",
  summary: "Answers SELECT statements over every dataset, in worker processes.",
  config: Type.Object({}, { additionalProperties: false }),
  needs: { store: Storage, catalog: Catalog },
  provides: {},
  setup({ limits, log, workers, scratch_path }, { store, catalog }) {
    const pool = workers.pool({
      role: "query",
      size: limits.sql_workers,
      queue_limit: limits.sql_queue,
      memory_limit_bytes: limits.sql_memory_bytes + HEADROOM_BYTES,
      init: {
        threads: availableParallelism(),
        memory_limit_bytes: limits.sql_memory_bytes,
        temp_path: join(scratch_path, "spill"),
        temp_limit_bytes: limits.sql_temp_bytes,
        result_bytes: limits.result_bytes,
      },
      log,
    });
    const cache = new FileCache(join(scratch_path, "objects"), limits.cache_bytes);
    const files = new ObjectFiles(store, cache);
    const statements = new Statements({ pool, catalog, files, limits });
    return {
      routes: queryRoutes(statements),
      services: {},
      stop: () => pool.stop(),
    };
  },
});
