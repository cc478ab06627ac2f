import { type AnyElysia, Elysia } from "elysia";
import type { IngestParts } from "./pipeline.ts";
import type { IngestProgress } from "./progress.ts";
import { watch, watchedIngest } from "./watched-ingest.ts";

/** `POST /ingest` and `GET /ingest/<id>`. Both are silent for longer than an idle connection is kept. */
export function ingestRoutes(parts: IngestParts, progress: IngestProgress): AnyElysia {
  return new Elysia()
    .post(
      "/ingest",
      ({ request, server }) => {
        server?.timeout(request, 0);
        return watchedIngest(request, parts, progress);
      },
      { parse: "none" },
    )
    .get("/ingest/:id", ({ params, request, server }) => {
      server?.timeout(request, 0);
      return watch(request, params.id, progress);
    });
}
