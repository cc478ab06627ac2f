import { Elysia } from "elysia";
import type { AnyElysia } from "elysia";
import { readJson } from "../../core/body.ts";
import type { DatasetCatalog } from "./dataset-catalog.ts";
import { renderList } from "./manifest-list.ts";
import { parseVersion } from "./version.ts";

/** The routes under `/catalog`. */
export function catalogRoutes(catalog: DatasetCatalog, json_body_bytes: number): AnyElysia {
  return new Elysia({ prefix: "/catalog" })
    .post(
      "/register",
      async ({ request }) => catalog.register(await readJson(request, json_body_bytes)),
      { parse: "none" },
    )
    .get("/manifest/:name", ({ params, query }) => {
      const { version } = query;
      return version === undefined
        ? catalog.read(params.name)
        : catalog.readVersion(params.name, parseVersion(version));
    })
    .get("/manifest/:name/versions", async ({ params }) => {
      const { version } = await catalog.read(params.name);
      return { name: params.name, version, versions: await catalog.versions(params.name) };
    })
    .delete("/manifest/:name", async ({ params }) => {
      await catalog.delete(params.name);
      return { deleted: params.name };
    })
    .get("/list", async () => {
      const manifests = await catalog.readList();
      return new Response(renderList(manifests), {
        headers: { "content-type": "application/json" },
      });
    });
}
