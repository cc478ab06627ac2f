import { requestIdOf } from "../../core/request-id.ts";
import { readIngestRequest } from "./ingest-request.ts";
import { type DryRunAnswer, ingest, type IngestAnswer, type IngestParts } from "./pipeline.ts";
import { acceptsEvents, progressEvents } from "./progress-events.ts";
import type { IngestProgress } from "./progress.ts";

/** Does what `ingest` does, where others can watch it under the id of the request. */
export function watchedIngest(
  request: Request,
  parts: IngestParts,
  progress: IngestProgress,
): Promise<IngestAnswer | DryRunAnswer> {
  const asked = readIngestRequest(request.url);
  const length = request.headers.get("content-length");
  const total_bytes = length === null ? undefined : Number(length);
  return progress.follow({ id: requestIdOf(request), name: asked.name, total_bytes }, (running) =>
    ingest(request, asked, parts, running),
  );
}

/** Tells how far an ingest is: once, or as events for who accepts them. */
export function watch(request: Request, id: string, progress: IngestProgress): Response {
  const ingest = progress.get(id);
  if (acceptsEvents(request)) return progressEvents(request, ingest);
  return Response.json(ingest.view(), { headers: { "cache-control": "no-store" } });
}
