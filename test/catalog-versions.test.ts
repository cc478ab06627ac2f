import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Manifest } from "../core/services.ts";
import type { DatasetCatalog } from "../plugins/catalog/dataset-catalog.ts";
import { HISTORY_PREFIX, historyKey } from "../plugins/catalog/history.ts";
import { manifestKey, MANIFEST_PREFIX } from "../plugins/catalog/manifest-files.ts";
import {
  codeOf,
  openCatalog,
  openStore,
  putText,
  registration,
  type TestStore,
} from "./support/catalog-rig.ts";
import { FaultyStore } from "./support/faulty-store.ts";

/** Past versions stay readable, as many as are kept, and never those of another dataset. */

/** For a busy machine and a remote store; no test waits for time to pass. */
setDefaultTimeout(60_000);

let disk: TestStore;
let store: FaultyStore;
beforeEach(async () => {
  disk = await openStore();
  store = new FaultyStore(disk.store);
});
afterEach(() => disk[Symbol.asyncDispose]());

const dataKey = (id: number | string): string => `datasets/a/fp/${id}.parquet`;

/** Stores these data objects and commits them as the next version, as ingest does. */
async function commit(
  catalog: DatasetCatalog,
  ...ids: readonly (number | string)[]
): Promise<Manifest> {
  const objects = ids.map((id) => ({ key: dataKey(id), size: 1 }));
  const { manifest } = await catalog.commit("a", async () => {
    for (const { key } of objects) await putText(disk.store, key, "x");
    return registration("a", { objects });
  });
  return manifest;
}

async function keysUnder(prefix: string): Promise<string[]> {
  const { objects } = await disk.store.list({ prefix });
  return objects.map(({ key }) => key);
}

describe("past versions", () => {
  test("are the manifests they were, after later commits and a restart", async () => {
    const catalog = await openCatalog(store);
    const seen: Manifest[] = [];
    for (let version = 1; version <= 5; version += 1) seen.push(await commit(catalog, version));
    for (const each of [catalog, await openCatalog(disk.store)]) {
      expect(await each.versions("a")).toEqual([1, 2, 3, 4, 5]);
      for (const manifest of seen) {
        expect(await each.getVersion("a", manifest.version)).toEqual(manifest);
      }
    }
    expect(await keysUnder(HISTORY_PREFIX)).toEqual(
      [1, 2, 3, 4].map((version) => historyKey("a", version)),
    );
  });

  test("do not exist before the first, after the current one, or of no dataset", async () => {
    const catalog = await openCatalog(store);
    await commit(catalog, 1);
    for (const version of [0, -1, 2, 1.5, Number.NaN]) {
      expect(await catalog.getVersion("a", version)).toBeUndefined();
    }
    expect(await catalog.getVersion("b", 1)).toBeUndefined();
    expect(await catalog.versions("b")).toEqual([]);
    expect(await codeOf(catalog.readVersion("b", 1))).toBe("dataset_not_found");
  });

  test("go when they are too old, with the data that no other version lists", async () => {
    const catalog = await openCatalog(store, { retention: 3 });
    await commit(catalog, "base");
    for (let version = 2; version <= 6; version += 1) await commit(catalog, "base", version);
    await catalog.stop();
    expect(await catalog.versions("a")).toEqual([4, 5, 6]);
    expect(await keysUnder(HISTORY_PREFIX)).toEqual([4, 5].map((each) => historyKey("a", each)));
    expect(await keysUnder("datasets/")).toEqual([4, 5, 6, "base"].map(dataKey));
    expect(await catalog.getVersion("a", 3)).toBeUndefined();
    expect(await catalog.getVersion("a", 4)).toMatchObject({ version: 4 });
  });

  test("keep an object that left and came back", async () => {
    const catalog = await openCatalog(store, { retention: 2 });
    for (const id of ["x", "y", "x", "y", "x"]) {
      await commit(catalog, id);
      await catalog.stop();
    }
    expect(await keysUnder("datasets/")).toEqual(["x", "y"].map(dataKey));
  });

  test("keep an object that only one of them still lists", async () => {
    const catalog = await openCatalog(store, { retention: 3 });
    for (const id of ["x", "x", "y", "z"]) await commit(catalog, id);
    await catalog.stop();
    // Version 1 went; version 2 lists the same object, and the current one does not.
    expect(await keysUnder("datasets/")).toEqual(["x", "y", "z"].map(dataKey));
  });

  test("are none but the current one with a retention of 1", async () => {
    const catalog = await openCatalog(store, { retention: 1 });
    for (let version = 1; version <= 3; version += 1) await commit(catalog, version);
    await catalog.stop();
    expect(await catalog.versions("a")).toEqual([3]);
    expect(await keysUnder(HISTORY_PREFIX)).toEqual([]);
    expect(await keysUnder("datasets/")).toEqual([dataKey(3)]);
  });

  test("never take along what another dataset lists, or what lies elsewhere", async () => {
    const catalog = await openCatalog(store, { retention: 1 });
    await putText(disk.store, "elsewhere/1", "x");
    const objects = [dataKey("shared"), "elsewhere/1"].map((key) => ({ key, size: 1 }));
    await putText(disk.store, dataKey("shared"), "x");
    await catalog.register(registration("a", { objects }));
    await catalog.register(registration("b", { objects: objects.slice(0, 1) }));
    await commit(catalog, 2);
    await catalog.stop();
    expect(await keysUnder("datasets/")).toEqual([2, "shared"].map(dataKey));
    expect(await keysUnder("elsewhere/")).toEqual(["elsewhere/1"]);
  });

  test("of a damaged file are an error, and the data they may list stays", async () => {
    const catalog = await openCatalog(store, { retention: 3 });
    for (let version = 1; version <= 3; version += 1) await commit(catalog, version);
    await putText(disk.store, historyKey("a", 2), "garbage");
    expect(await codeOf(catalog.getVersion("a", 2))).toBe("data_corrupt");
    await commit(catalog, 4);
    await catalog.stop();
    // Version 2 is still kept and nobody can tell what it lists.
    expect(await keysUnder("datasets/")).toEqual([1, 2, 3, 4].map(dataKey));
    expect(await codeOf(catalog.getVersion("a", 2))).toBe("data_corrupt");
    await commit(catalog, 5);
    await catalog.stop();
    // Version 2 went: what it alone listed is lost space, what is known to be unused is gone.
    expect(await keysUnder("datasets/")).toEqual([2, 3, 4, 5].map(dataKey));
  });
});

describe("a version that storage does not let go", () => {
  for (const operation of ["list", "get", "head", "delete"] as const) {
    test(`is tried again after the next commit (${operation})`, async () => {
      const catalog = await openCatalog(store, { retention: 2 });
      for (let version = 1; version <= 2; version += 1) await commit(catalog, version);
      store.plan(operation, { kind: "refuse", code: "storage_failed" });
      const third = await commit(catalog, 3);
      await catalog.stop();
      expect(await keysUnder("datasets/")).toContain(dataKey(1));
      expect(catalog.get("a")).toEqual(third);
      expect(await catalog.versions("a")).toEqual([2, 3]);
      await commit(catalog, 4);
      await catalog.stop();
      expect(await keysUnder("datasets/")).toEqual([3, 4].map(dataKey));
      expect(await keysUnder(HISTORY_PREFIX)).toEqual([historyKey("a", 3)]);
    });
  }
});

describe("a copy of the current version that storage does not take", () => {
  for (const code of ["storage_failed", "storage_timeout", "storage_full"] as const) {
    test(`fails the commit, and nothing is changed (${code})`, async () => {
      const catalog = await openCatalog(store);
      const before = await commit(catalog, 1);
      store.plan("put", { kind: "refuse", code }, 1, HISTORY_PREFIX);
      const puts = store.count("put", MANIFEST_PREFIX);
      expect(await codeOf(commit(catalog, 2))).toBe(code);
      expect(store.count("put", MANIFEST_PREFIX)).toBe(puts);
      expect(catalog.get("a")).toEqual(before);
      expect((await commit(catalog, 2)).version).toBe(2);
      expect(await catalog.getVersion("a", 1)).toEqual(before);
    });
  }

  for (const kind of ["refuse", "lose_answer"] as const) {
    test(`is looked after when the answer was lost (${kind})`, async () => {
      const catalog = await openCatalog(store);
      const before = await commit(catalog, 1);
      store.plan("put", { kind, code: "commit_unknown" }, 1, HISTORY_PREFIX);
      expect((await commit(catalog, 2)).version).toBe(2);
      expect(await catalog.getVersion("a", 1)).toEqual(before);
    });
  }

  test("is never told as a commit of unknown outcome", async () => {
    const catalog = await openCatalog(store);
    const before = await commit(catalog, 1);
    store.plan("put", { kind: "refuse", code: "commit_unknown" }, 3, HISTORY_PREFIX);
    expect(await codeOf(commit(catalog, 2))).toBe("storage_failed");
    expect(catalog.get("a")).toEqual(before);
  });

  test("was there already after a crash in between, and does no harm", async () => {
    const catalog = await openCatalog(store);
    const before = await commit(catalog, 1);
    store.plan("put", { kind: "refuse", code: "storage_failed" }, 1, MANIFEST_PREFIX);
    expect(await codeOf(commit(catalog, 2))).toBe("storage_failed");
    expect(await keysUnder(HISTORY_PREFIX)).toEqual([historyKey("a", 1)]);
    const restarted = await openCatalog(disk.store);
    expect(await restarted.versions("a")).toEqual([1]);
    expect((await commit(restarted, 2)).version).toBe(2);
    expect(await restarted.getVersion("a", 1)).toEqual(before);
  });
});

describe("a dataset that was deleted", () => {
  test("leaves no version and no data object of its own", async () => {
    const catalog = await openCatalog(store);
    for (let version = 1; version <= 4; version += 1) await commit(catalog, version);
    await catalog.delete("a");
    expect(await keysUnder("")).toEqual([]);
    expect(await catalog.getVersion("a", 1)).toBeUndefined();
  });

  test("never shows its versions as those of a later one of the same name", async () => {
    const still = { now: () => new Date("2026-05-01"), monotonic_ms: () => performance.now() };
    const catalog = await openCatalog(store, { clock: still });
    for (let version = 1; version <= 3; version += 1) await commit(catalog, `old-${version}`);
    store.plan("list", { kind: "refuse", code: "storage_failed" }, 1, HISTORY_PREFIX);
    await catalog.delete("a");
    expect(await keysUnder(HISTORY_PREFIX)).toEqual([1, 2].map((each) => historyKey("a", each)));

    const first = await commit(catalog, "new-1");
    expect(await catalog.versions("a")).toEqual([1]);
    await commit(catalog, "new-2");
    expect(await catalog.getVersion("a", 1)).toEqual(first);
    // Only a file of the old dataset could answer here.
    await disk.store.delete(historyKey("a", 1));
    const old = await bytesOf(historyKey("a", 2));
    await commit(catalog, "new-3");
    await disk.store.put(historyKey("a", 2), { kind: "bytes", bytes: old });
    expect(await catalog.getVersion("a", 2)).toBeUndefined();
    expect(await codeOf(catalog.readVersion("a", 2))).toBe("version_not_found");
  });

  test("whose manifest was damaged leaves its data, but no versions", async () => {
    const catalog = await openCatalog(store);
    for (let version = 1; version <= 2; version += 1) await commit(catalog, version);
    await putText(disk.store, manifestKey("a"), "garbage");
    await catalog.delete("a");
    expect(await keysUnder("")).toEqual([1, 2].map(dataKey));
  });
});

async function bytesOf(key: string): Promise<Uint8Array> {
  const object = await disk.store.get(key);
  const chunks = await Array.fromAsync(object?.stream ?? []);
  return Buffer.concat(chunks);
}
