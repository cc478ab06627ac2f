import { type AnyElysia, Elysia } from "elysia";
import type { VectorIndexes } from "./vector-indexes.ts";

/** Bodies are read by the indexes themselves: in bounded memory, and parsed in a thread. */
export function vectorRoutes(indexes: VectorIndexes): AnyElysia {
  return new Elysia()
    .post(
      "/vectors/index",
      async ({ request, set }) => {
        set.status = 201;
        return indexes.create(request);
      },
      { parse: "none" },
    )
    .get("/vectors/index", () => indexes.list())
    .get("/vectors/index/:name", ({ params }) => indexes.describe(params.name))
    .delete("/vectors/index/:name", ({ params }) => indexes.delete(params.name))
    .post(
      "/vectors/index/:name/add",
      ({ params, request, server }) => {
        // A batch may wait for the graph to be built, longer than a silent connection may live.
        server?.timeout(request, 0);
        return indexes.add(params.name, request);
      },
      { parse: "none" },
    )
    .post(
      "/vectors/index/:name/delete",
      ({ params, request }) => indexes.deleteVectors(params.name, request),
      {
        parse: "none",
      },
    )
    .post(
      "/vectors/index/:name/search",
      ({ params, request }) => indexes.search(params.name, request),
      {
        parse: "none",
      },
    );
}
