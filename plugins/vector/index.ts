import { availableParallelism } from "node:os";
import { Type } from "@sinclair/typebox";
import { definePlugin, type Plugin } from "../../core/plugin.ts";
import { Storage } from "../../core/services.ts";
import type { Environment } from "./environment.ts";
import { vectorRoutes } from "./routes.ts";
import { Threads } from "./threads.ts";
import { VectorIndexes } from "./vector-indexes.ts";

/** One core is left to the event loop. */
const spareCores = (): number => Math.max(1, availableParallelism() - 1);
const SEARCH_THREADS_MAX = 4;

export const vector: Plugin = definePlugin({
  name: "vector",
  summary: "Nearest-neighbour search over vectors with string ids and metadata.",
  config: Type.Object(
    {
      search_threads: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 64,
          description:
            "Threads that search; each index lives in one of them. By default one per core but one, up to 4.",
        }),
      ),
      build_threads: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 256,
          description: "Cores that building a graph may use. By default all but one.",
        }),
      ),
    },
    { additionalProperties: false },
  ),
  needs: { storage: Storage },
  provides: {},
  setup({ config, limits, log, clock, scratch_path }, { storage }) {
    const readers = config.search_threads ?? Math.min(SEARCH_THREADS_MAX, spareCores());
    const threads = new Threads({ scratch_path, readers });
    const environment: Environment = {
      store: storage,
      threads,
      limits,
      clock,
      log,
      scratch_path,
      build_threads: config.build_threads ?? spareCores(),
    };
    const indexes = new VectorIndexes(environment);
    return {
      routes: vectorRoutes(indexes),
      services: {},
      ready: () => indexes.start(),
      stop: () => indexes.stop(),
    };
  },
});
