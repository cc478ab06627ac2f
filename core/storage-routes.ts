import { type AnyElysia, Elysia } from "elysia";
import type { Limits } from "./limits.ts";
import type { Logger } from "./log.ts";
import { getObject, headObject, notFound } from "./storage-http/get.ts";
import { checkNotReserved, keyOfPath } from "./storage-http/key-path.ts";
import { listObjects, objectJson } from "./storage-http/list.ts";
import { checkUpload, putObject } from "./storage-http/put.ts";
import { Slots } from "./storage-http/slots.ts";
import type { ObjectStore } from "./storage.ts";

export interface StorageRoutesOptions {
  readonly store: ObjectStore;
  readonly limits: Limits;
  readonly log: Logger;
}

/** The `/storage` routes over whichever backend is active. Keys come from the raw path. */
export function storageRoutes({ store, limits, log }: StorageRoutesOptions): AnyElysia {
  const slots = new Slots(limits.storage_puts);
  return new Elysia()
    .put(
      "/storage/put/*",
      async ({ request, server }) => {
        const key = checkNotReserved(keyOfPath(request.url, "put"));
        checkUpload(request, limits);
        // An upload may wait for its slot, and for its disk, longer than a silent connection lives.
        server?.timeout(request, 0);
        return objectJson(
          await slots.run(request.signal, () => putObject(store, key, request, limits)),
        );
      },
      { parse: "none" },
    )
    .head("/storage/get/*", ({ request }) =>
      headObject(store, keyOfPath(request.url, "get"), request),
    )
    .get("/storage/get/*", ({ request }) =>
      getObject(store, keyOfPath(request.url, "get"), request, log),
    )
    .delete("/storage/delete/*", async ({ request }) => {
      const key = checkNotReserved(keyOfPath(request.url, "delete"));
      if (!(await store.delete(key))) throw notFound(key);
      return { Key: key };
    })
    .get("/storage/list", ({ request }) => listObjects(store, request.url, limits.list_page));
}
