import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ObjectInfo, type ObjectStore, readAll } from "../core/storage.ts";
import { openManifestCodec } from "../plugins/catalog/manifest-file.ts";
import { nextManifest } from "../plugins/catalog/manifest.ts";
import { manifestKey } from "../plugins/catalog/manifest-files.ts";
import {
  codeOf,
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

/** The stored bytes of a manifest with one bit flipped in the middle. */
async function damage(name: string): Promise<Uint8Array> {
  const key = manifestKey(name);
  const object = await disk.store.get(key);
  if (object === undefined) throw new Error(`there is no ${key}`);
  const good = await readAll(object, 1 << 20);
  const bad = Uint8Array.from(good); // `slice` of a Buffer would share its memory.
  bad[bad.length >> 1] = (bad[bad.length >> 1] ?? 0) ^ 4;
  await disk.store.put(key, { kind: "bytes", bytes: bad });
  return good;
}

const put = (name: string, bytes: Uint8Array) =>
  disk.store.put(manifestKey(name), { kind: "bytes", bytes });

describe("a start", () => {
  test("loads every manifest, over several pages of the listing, sorted by name", async () => {
    const writer = await openCatalog(disk.store);
    const names = Array.from({ length: 43 }, (_, i) => `d${i}`);
    await Promise.all(names.map((name) => writer.register(registration(name))));
    let pages = 0;
    const paged: ObjectStore = {
      ...overlay(disk.store),
      list: (options) => {
        pages += 1;
        return disk.store.list({ ...options, limit: 10 });
      },
    };
    const reader = await openCatalog(paged);
    expect(reader.list().map(({ name }) => name)).toEqual([...names].sort());
    expect(reader.list()).toEqual([...writer.list()]);
    expect(pages).toBe(5);
  });

  test("quarantines a damaged manifest, serves the others, and says so in one line", async () => {
    const writer = await openCatalog(disk.store);
    for (const name of ["good", "bad", "renamed"]) await writer.register(registration(name));
    const good = await damage("bad");
    await put("renamed", good);
    await put("empty", new Uint8Array());
    await putText(disk.store, "_catalog/manifests/not a name.parquet", "x");
    await putText(disk.store, "_catalog/manifests/readme.txt", "x");

    const lines: unknown[] = [];
    const keep = (fields: unknown) => lines.push(fields);
    const log = { ...silentLog, info: keep, warn: keep, child: () => log };
    const reader = await openCatalog(store, { log });
    expect(reader.list().map(({ name }) => name)).toEqual(["good"]);
    expect(lines).toEqual([
      {
        loaded: 1,
        duration_ms: expect.any(Number),
        quarantined: [
          { name: "bad", reason: expect.stringContaining("does not match its SHA-256 seal") },
          { name: "empty", reason: "The file is empty." },
          { name: "renamed", reason: 'It is the manifest of "bad", not of renamed.' },
        ],
        ignored_keys: ["_catalog/manifests/not a name.parquet", "_catalog/manifests/readme.txt"],
      },
    ]);
  });

  test("quarantines a manifest above the size limit", async () => {
    await (await openCatalog(disk.store)).register(registration("a"));
    const reader = await openCatalog(store, { limits: { manifest_bytes: 100 } });
    expect(() => reader.get("a")).toThrow("more than 100");
  });

  test("fails on a fault of the storage, so that no dataset seems to be missing", async () => {
    const writer = await openCatalog(disk.store);
    for (let i = 0; i < 20; i += 1) await writer.register(registration(`d${i}`));
    for (const operation of ["get", "list"] as const) {
      store.plan(operation, { kind: "refuse", code: "storage_timeout" });
      expect(await codeOf(openCatalog(store))).toBe("storage_timeout");
    }
    expect((await openCatalog(store)).list()).toHaveLength(20);
  });

  test("lets others run while it decodes, even if storage answers at once", async () => {
    const manifests = await encoded(Array.from({ length: 100 }, (_, i) => `d${i}`));
    const info = (key: string): ObjectInfo => {
      const size_bytes = manifests.get(key)?.length ?? 0;
      return { key, size_bytes, etag: "e", last_modified: new Date(0) };
    };
    // Answers without I/O stand for a cache that is always warm; nothing else here yields.
    const instant: ObjectStore = {
      ...overlay(disk.store),
      list: async () => ({ objects: [...manifests.keys()].map(info) }),
      get: async (key) => ({ info: info(key), stream: once(manifests.get(key)) }),
    };
    let turns = 0;
    let loading = true;
    const count = (): void => {
      turns += 1;
      if (loading) setImmediate(count);
    };
    setImmediate(count);
    const reader = await openCatalog(instant);
    loading = false;
    expect(reader.list()).toHaveLength(100);
    // Without a yield there is none; these manifests take well over 50 ms to decode.
    expect(turns).toBeGreaterThan(8);
  });
});

/** The methods of a store, to be replaced one by one. */
function overlay(store: ObjectStore): ObjectStore {
  return {
    scheme: store.scheme,
    traits: store.traits,
    put: (key, body, options) => store.put(key, body, options),
    get: (key, options) => store.get(key, options),
    head: (key) => store.head(key),
    delete: (key) => store.delete(key),
    list: (options) => store.list(options),
  };
}

/** Large manifest files by key. */
async function encoded(names: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const codec = await openManifestCodec();
  const stamp = { commit_id: "one", now: new Date(0) };
  const objects = Array.from({ length: 2000 }, (_, i) => ({ key: `data/${i}`, size: i }));
  return new Map(
    names.map((name) => {
      const stored = nextManifest(undefined, registration(name, { objects }), stamp);
      return [manifestKey(name), codec.encode(stored)];
    }),
  );
}

async function* once(bytes: Uint8Array | undefined): AsyncGenerator<Uint8Array> {
  if (bytes !== undefined) yield bytes;
}

describe("a quarantined name", () => {
  test("answers with the reason and cannot be overwritten", async () => {
    await (await openCatalog(disk.store)).register(registration("a"));
    await damage("a");
    const catalog = await openCatalog(store);
    const refusal = { code: "dataset_quarantined", status: 503 };
    expect(() => catalog.get("a")).toThrow("does not match its SHA-256 seal");
    for (const attempt of [
      () => catalog.read("a"),
      () => catalog.register(registration("a")),
      () => catalog.commit("a", () => Promise.reject(new Error("prepare must not run"))),
    ]) {
      const error = await attempt().catch((each: unknown) => each);
      expect(error).toMatchObject({ ...refusal, hint: expect.stringContaining("DELETE") });
    }
    expect(store.count("put")).toBe(0);
    expect(catalog.list()).toEqual([]);
  });

  test("serves again once the manifest is repaired, without a restart", async () => {
    const writer = await openCatalog(disk.store);
    const { manifest } = await writer.register(registration("a"));
    const good = await damage("a");
    const catalog = await openCatalog(store);
    expect(await codeOf(catalog.read("a"))).toBe("dataset_quarantined");
    const reads = store.count("get");
    expect(await codeOf(catalog.read("a"))).toBe("dataset_quarantined");
    expect(store.count("get")).toBe(reads); // Only asked whether the object changed.
    await put("a", good);
    expect(await catalog.read("a")).toEqual(manifest);
    expect(catalog.list()).toEqual([manifest]);
    expect((await catalog.register(registration("a"))).manifest.version).toBe(2);
  });

  test("is looked at again in the background after a synchronous get", async () => {
    await (await openCatalog(disk.store)).register(registration("a"));
    const good = await damage("a");
    const catalog = await openCatalog(store);
    await put("a", good);
    expect(() => catalog.get("a")).toThrow("cannot be trusted");
    await catalog.stop();
    expect(catalog.get("a")?.version).toBe(1);
  });

  test("can be deleted, and its data objects stay", async () => {
    const key = "datasets/a/f/1.parquet";
    await putText(disk.store, key, "x");
    const writer = await openCatalog(disk.store);
    await writer.register(registration("a", { objects: [{ key, size: 1 }] }));
    await damage("a");
    const catalog = await openCatalog(store);
    await catalog.delete("a");
    expect(await codeOf(catalog.read("a"))).toBe("dataset_not_found");
    expect(await disk.store.head(key)).toBeDefined();
    expect((await catalog.register(registration("a"))).existing).toBe(false);
  });
});
