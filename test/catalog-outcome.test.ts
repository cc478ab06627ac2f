import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Manifest } from "../core/services.ts";
import { manifestKey, MANIFEST_PREFIX } from "../plugins/catalog/manifest-files.ts";
import {
  codeOf,
  openCatalog,
  openStore,
  registration,
  type TestStore,
} from "./support/catalog-rig.ts";
import { FaultyStore } from "./support/faulty-store.ts";

/** For a busy machine and a remote store; no test waits for time to pass. */
setDefaultTimeout(60_000);

let disk: TestStore;
let store: FaultyStore;
beforeEach(async () => {
  disk = await openStore();
  store = new FaultyStore(disk.store);
});
afterEach(() => disk[Symbol.asyncDispose]());

/** What a process that starts now finds: the truth of the storage. */
const stored = async (name: string): Promise<Manifest | undefined> =>
  (await openCatalog(disk.store)).get(name);

describe("a put that the storage refuses", () => {
  test("fails the commit and leaves memory and storage as they were", async () => {
    const catalog = await openCatalog(store);
    const { manifest } = await catalog.register(registration("a"));
    for (const code of ["storage_failed", "storage_full"] as const) {
      store.plan("put", { kind: "refuse", code }, 1, MANIFEST_PREFIX);
      expect(await codeOf(catalog.register(registration("a")))).toBe(code);
      expect(catalog.get("a")).toEqual(manifest);
      expect(await stored("a")).toEqual(manifest);
    }
    store.plan("put", { kind: "refuse", code: "storage_failed" }, 1, MANIFEST_PREFIX);
    expect(await codeOf(catalog.register(registration("b")))).toBe("storage_failed");
    expect(catalog.get("b")).toBeUndefined();
    expect((await catalog.register(registration("a"))).manifest.version).toBe(2);
  });
});

describe("a put whose answer is lost", () => {
  for (const code of ["commit_unknown", "storage_timeout", "precondition_failed"] as const) {
    test(`succeeds once if the bytes landed (${code})`, async () => {
      const catalog = await openCatalog(store);
      for (const version of [1, 2]) {
        store.plan("put", { kind: "lose_answer", code }, 1, MANIFEST_PREFIX);
        const { manifest, existing } = await catalog.register(registration("a"));
        expect({ version: manifest.version, existing }).toEqual({
          version,
          existing: version === 2,
        });
        expect(catalog.get("a")).toEqual(manifest);
        expect(await stored("a")).toEqual(manifest);
      }
      expect(store.count("put", MANIFEST_PREFIX)).toBe(2);
      // Its etag is known again: the next commit goes through at once.
      await catalog.register(registration("a"));
      expect(store.count("put", MANIFEST_PREFIX)).toBe(3);
    });
  }

  test("is sent again if the bytes did not land", async () => {
    const catalog = await openCatalog(store);
    store.plan("put", { kind: "refuse", code: "commit_unknown" }, 1, MANIFEST_PREFIX);
    store.plan("put", { kind: "refuse", code: "storage_timeout" }, 1, MANIFEST_PREFIX);
    const { manifest } = await catalog.register(registration("a"));
    expect(manifest.version).toBe(1);
    expect(store.count("put", MANIFEST_PREFIX)).toBe(3);
    expect(await stored("a")).toEqual(manifest);
  });

  test("cannot overwrite what was committed after it when it lands late", async () => {
    const catalog = await openCatalog(store);
    const until = Promise.withResolvers<void>();
    store.plan(
      "put",
      { kind: "land_late", code: "storage_timeout", until: until.promise },
      1,
      MANIFEST_PREFIX,
    );
    await catalog.register(registration("a")); // The second send of the same bytes.
    const objects = [{ key: "newer", size: 2 }];
    const { manifest } = await catalog.register(registration("a", { objects }));
    until.resolve();
    await store.settled();
    expect(await stored("a")).toEqual(manifest);
  });

  test("is found in the ring under the commit of another process", async () => {
    const ours = await openCatalog(store);
    await ours.register(registration("a"));
    const theirs = await openCatalog(disk.store);
    const until = Promise.withResolvers<void>();
    store.plan("put", { kind: "lose_answer", code: "commit_unknown" }, 1, MANIFEST_PREFIX);
    store.plan("get", { kind: "hold", until: until.promise });
    const committing = ours.register(registration("a"));
    // Their create loses to ours, and comes on top of it, before ours is read back.
    while (store.count("get") === 0) await Bun.sleep(0);
    await theirs.register(registration("a"));
    until.resolve();
    const { manifest } = await committing;
    expect(manifest.version).toBe(2);
    expect(store.count("put", MANIFEST_PREFIX)).toBe(2);
    expect(ours.get("a")?.version).toBe(3);
  });

  test("is reported as unknown if storage cannot be asked, and nothing doubtful is served", async () => {
    const catalog = await openCatalog(store);
    await catalog.register(registration("a"));
    await catalog.register(registration("b"));
    store.plan("put", { kind: "lose_answer", code: "commit_unknown" }, 1, MANIFEST_PREFIX);
    store.plan("get", { kind: "refuse", code: "storage_failed" }, 4);
    expect(await codeOf(catalog.register(registration("a")))).toBe("commit_unknown");

    expect(() => catalog.get("a")).toThrow("is not known yet");
    expect(catalog.list().map(({ name }) => name)).toEqual(["b"]);
    await catalog.stop();
    store.heal();
    expect(await catalog.read("a")).toMatchObject({ version: 2 });
    expect(catalog.get("a")?.version).toBe(2);
    expect((await catalog.register(registration("a"))).manifest.version).toBe(3);
  });

  test("is reported as unknown if no send is ever answered", async () => {
    const catalog = await openCatalog(store);
    store.plan("put", { kind: "refuse", code: "storage_timeout" }, 3, MANIFEST_PREFIX);
    expect(await codeOf(catalog.register(registration("a")))).toBe("commit_unknown");
    expect(await codeOf(catalog.read("a"))).toBe("dataset_not_found");
    expect((await catalog.register(registration("a"))).manifest.version).toBe(1);
  });

  test("of a corrupted object quarantines the name", async () => {
    const catalog = await openCatalog(store);
    await catalog.register(registration("a"));
    const body = { kind: "bytes", bytes: Buffer.from("garbage") } as const;
    await disk.store.put(manifestKey("a"), body);
    expect(await codeOf(catalog.register(registration("a")))).toBe("dataset_quarantined");
    expect(() => catalog.get("a")).toThrow("carries no seal");
  });
});
