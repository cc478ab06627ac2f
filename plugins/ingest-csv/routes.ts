import { type AnyElysia, Elysia } from "elysia";
import { readIngestRequest } from "./ingest-request.ts";
import { ingest, type IngestParts } from "./pipeline.ts";

/** `POST /ingest`. */
export function ingestRoutes(parts: IngestParts): AnyElysia {
  return new Elysia().post(
    "/ingest",
    ({ request, server }) => {
      // A conversion is silent for longer than an idle connection is kept.
      server?.timeout(request, 0);
      return ingest(request, readIngestRequest(request.url), parts);
    },
    { parse: "none" },
  );
}
