import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { HookBus } from "../core/hooks.ts";
import { datasetDeleted } from "../core/services.ts";
import { manifestKey } from "../plugins/catalog/manifest-files.ts";
import {
  codeOf,
  errorOf,
  openCatalog,
  openStore,
  putText,
  registration,
  type TestStore,
} from "./support/catalog-rig.ts";
import { FaultyStore } from "./support/faulty-store.ts";
import { silentLog } from "./support/silent-log.ts";

/** For a busy machine and a remote store; no test waits for time to pass. */
setDefaultTimeout(60_000);

let disk: TestStore;
let store: FaultyStore;
beforeEach(async () => {
  disk = await openStore();
  store = new FaultyStore(disk.store);
});
afterEach(() => disk[Symbol.asyncDispose]());

const own = "datasets/a/f/1.parquet";
const shared = "datasets/a/f/2.parquet";
const foreign = "elsewhere/3.parquet";
const objects = [own, shared, foreign].map((key) => ({ key, size: 1 }));

async function keysLeft(): Promise<string[]> {
  const { objects: found } = await disk.store.list();
  return found.map(({ key }) => key);
}

describe("deleting a dataset", () => {
  test("removes the manifest and its own data, and nothing that others list or own", async () => {
    const hooks = new HookBus(silentLog).forPlugin("test");
    const seen: unknown[] = [];
    const catalog = await openCatalog(store, { hooks });
    hooks.on(datasetDeleted, async ({ manifest }) => {
      // Durable and out of memory, and the data not yet gone.
      seen.push([manifest.version, catalog.get("a"), await disk.store.head(manifestKey("a"))]);
      expect(await keysLeft()).toContain(own);
    });
    for (const { key } of objects) await putText(disk.store, key, "x");
    await catalog.register(registration("a", { objects }));
    await catalog.register(registration("b", { objects: [{ key: shared, size: 1 }] }));

    await catalog.delete("a");
    expect(seen).toEqual([[1, undefined, undefined]]);
    expect(await keysLeft()).toEqual([manifestKey("b"), shared, foreign].sort());
    expect(catalog.list().map(({ name }) => name)).toEqual(["b"]);
    expect((await openCatalog(disk.store)).get("a")).toBeUndefined();
  });

  test("of an unknown name says so, and suggests one that is near", async () => {
    const catalog = await openCatalog(store);
    await catalog.register(registration("cities"));
    expect(await errorOf(catalog.delete("cites"))).toMatchObject({
      code: "dataset_not_found",
      message: "There is no dataset cites.",
      hint: "Did you mean cities?",
    });
    expect(await codeOf(catalog.delete("../x"))).toBe("invalid_name");
  });

  test("lets the name start anew at version 1 with the same id, under any fingerprint", async () => {
    const catalog = await openCatalog(store);
    const { manifest } = await catalog.register(registration("a"));
    await catalog.delete("a");
    const again = await catalog.register(registration("a", { schema_fingerprint: "other" }));
    expect(again.existing).toBe(false);
    expect(again.manifest).toMatchObject({ dataset_id: manifest.dataset_id, version: 1 });
  });

  test("that the storage refuses leaves everything as it was", async () => {
    const catalog = await openCatalog(store);
    await putText(disk.store, own, "x");
    const { manifest } = await catalog.register(registration("a", { objects }));
    store.plan("delete", { kind: "refuse", code: "storage_failed" });
    expect(await codeOf(catalog.delete("a"))).toBe("storage_failed");
    expect(catalog.get("a")).toEqual(manifest);
    expect(await keysLeft()).toEqual([manifestKey("a"), own]);
    expect((await catalog.register(registration("a", { objects }))).manifest.version).toBe(2);
  });

  test("succeeds when only the answer was lost, and tries again when the call was", async () => {
    const catalog = await openCatalog(store);
    for (const kind of ["lose_answer", "refuse"] as const) {
      await catalog.register(registration("a"));
      store.plan("delete", { kind, code: "storage_timeout" });
      await catalog.delete("a");
      expect(catalog.get("a")).toBeUndefined();
      expect(await keysLeft()).toEqual([]);
    }
  });

  test("of unknown outcome is reported as such, and storage decides what is served next", async () => {
    const catalog = await openCatalog(store);
    await catalog.register(registration("a"));
    store.plan("delete", { kind: "lose_answer", code: "storage_timeout" });
    store.plan("head", { kind: "refuse", code: "storage_failed" });
    expect(await codeOf(catalog.delete("a"))).toBe("commit_unknown");
    expect(() => catalog.get("a")).toThrow("not known yet");
    await catalog.stop();
    expect(catalog.get("a")).toBeUndefined();
  });

  test("is done once the manifest is gone, whatever becomes of the data", async () => {
    const catalog = await openCatalog(store);
    await putText(disk.store, own, "x");
    await catalog.register(registration("a", { objects }));
    // The first call, for the manifest, goes through; the second is for the data.
    store.plan("delete", { kind: "hold", until: Promise.resolve() });
    store.plan("delete", { kind: "refuse", code: "storage_failed" });
    await catalog.delete("a");
    expect(catalog.get("a")).toBeUndefined();
    expect(await keysLeft()).toEqual([own]);
  });

  test("waits for a commit under way, whose data it then removes", async () => {
    const catalog = await openCatalog(store);
    const gate = Promise.withResolvers<void>();
    const committing = catalog.commit("a", async () => {
      await putText(disk.store, own, "x");
      await gate.promise;
      return registration("a", { objects: [{ key: own, size: 1 }] });
    });
    const deleting = catalog.delete("a");
    gate.resolve();
    await Promise.all([committing, deleting]);
    expect(await keysLeft()).toEqual([]);
  });

  test("spares data that another process registered again in the meantime", async () => {
    const ours = new HookBus(silentLog).forPlugin("test");
    const catalog = await openCatalog(store, { hooks: ours });
    const theirs = await openCatalog(disk.store);
    await putText(disk.store, own, "x");
    await catalog.register(registration("a", { objects }));
    ours.on(datasetDeleted, async () => {
      await theirs.register(registration("a", { objects }));
    });
    await catalog.delete("a");
    expect(await keysLeft()).toEqual([manifestKey("a"), own]);
  });
});
