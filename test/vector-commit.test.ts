import { describe, expect, test } from "bun:test";
import type { VectorIndexes } from "../plugins/vector/vector-indexes.ts";
import { bytesOf, keysOf } from "./conformance/storage-bytes.ts";
import { codeOf } from "./support/catalog-rig.ts";
import { FaultyStore } from "./support/faulty-store.ts";
import { openFolder, openVectors, request } from "./support/vector-rig.ts";

const add = (indexes: VectorIndexes, ...ids: string[]) =>
  indexes.add("a", request({ items: ids.map((id) => ({ id, vector: [1, id.charCodeAt(0)] })) }));

/** Every id that can be found, sorted. */
async function idsIn(indexes: VectorIndexes, name = "a"): Promise<string[]> {
  const answer = await indexes.search(name, request({ vector: [1, 1], k: 1000 }));
  const ids = [...(await answer.text()).matchAll(/"id":"(.*?)"/g)].map(([, id = ""]) => id);
  return ids.sort();
}

/** More commits than the log may have pieces: the last of them starts a fold. */
const COMMITS_TO_FOLD = 257;

/** Commits of one vector each, over ten ids. */
async function commitMany(indexes: VectorIndexes, commits: number): Promise<void> {
  for (let at = 0; at < commits; at++) {
    await indexes.add("a", request({ items: [{ id: `x${at % 10}`, vector: [1, at] }] }));
  }
}

describe("a batch whose put fails", () => {
  test("is nowhere, neither before nor after a restart, and can be sent again", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    await using rig = await openVectors(store);
    await rig.indexes.create(request({ name: "a", dimension: 2 }));
    await add(rig.indexes, "p");
    store.plan("put", { kind: "refuse", code: "storage_full" });
    expect(await codeOf(add(rig.indexes, "p", "q"))).toBe("storage_full");
    expect(await idsIn(rig.indexes)).toEqual(["p"]);
    {
      await using other = await openVectors(folder.store);
      expect(await idsIn(other.indexes)).toEqual(["p"]);
    }
    expect(await add(rig.indexes, "p", "q")).toEqual({ added: 1, updated: 1, count: 2 });
    await using again = await openVectors(folder.store);
    expect(await idsIn(again.indexes)).toEqual(["p", "q"]);
  });

  test("is committed if it landed and only the answer was lost", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    await using rig = await openVectors(store);
    await rig.indexes.create(request({ name: "a", dimension: 2 }));
    store.plan("put", { kind: "lose_answer", code: "commit_unknown" });
    expect(await add(rig.indexes, "p")).toMatchObject({ added: 1 });
    expect(await idsIn(rig.indexes)).toEqual(["p"]);
  });

  test("of unknown outcome is settled before anything is written after it", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    await using rig = await openVectors(store);
    await rig.indexes.create(request({ name: "a", dimension: 2 }));
    const late = Promise.withResolvers<void>();
    store.plan("put", { kind: "land_late", code: "commit_unknown", until: late.promise });
    expect(await codeOf(add(rig.indexes, "p"))).toBe("commit_unknown");
    expect(await idsIn(rig.indexes)).toEqual([]);
    store.plan("put", { kind: "refuse", code: "commit_unknown" });
    expect(await codeOf(add(rig.indexes, "q"))).toBe("commit_unknown");
    late.resolve();
    await store.settled();
    expect(await add(rig.indexes, "r")).toEqual({ added: 1, updated: 0, count: 2 });
    expect(await idsIn(rig.indexes)).toEqual(["p", "r"]);
    await using again = await openVectors(folder.store);
    expect(await idsIn(again.indexes)).toEqual(["p", "r"]);
  });
});

describe("batches that come at once", () => {
  test("share a piece of the log, and each gets its own outcome", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    await using rig = await openVectors(store, { limits: { vector_index_items: 3 } });
    await rig.indexes.create(request({ name: "a", dimension: 2 }));
    const before = store.count("put");
    const held = Promise.withResolvers<void>();
    store.plan("put", { kind: "hold", until: held.promise });
    const first = add(rig.indexes, "p");
    while (store.count("put") === before) await idsIn(rig.indexes);
    const others = [add(rig.indexes, "q"), add(rig.indexes, "r", "s"), add(rig.indexes, "p", "q")];
    const codes = others.map((each) => each.then(String, (error) => String(error.code)));
    // Bodies are prepared one after another: when this one is refused, the others are waiting.
    expect(await codeOf(add(rig.indexes, ""))).toBe("invalid_request");
    held.resolve();
    expect(await first).toEqual({ added: 1, updated: 0, count: 1 });
    expect(await others[0]).toEqual({ added: 1, updated: 0, count: 2 });
    expect(await codes[1]).toBe("limit_exceeded");
    expect(await others[2]).toEqual({ added: 0, updated: 2, count: 2 });
    expect(store.count("put") - before).toBe(2);
  });
});

describe("a fold", () => {
  test("that fails leaves the log as it was, and that succeeds empties it", async () => {
    await using folder = await openFolder();
    const expected = Array.from({ length: 10 }, (_, at) => `x${at}`);
    await using started = await openVectors(folder.store);
    await started.indexes.create(request({ name: "a", dimension: 2 }));
    await commitMany(started.indexes, COMMITS_TO_FOLD - 1);
    await started.indexes.stop();
    const base = await bytesOf(folder.store, "_vectors/a.lhv1");
    {
      const store = new FaultyStore(folder.store);
      await using rig = await openVectors(store);
      store.plan("put", { kind: "hold", until: Promise.resolve() });
      store.plan("put", { kind: "refuse", code: "storage_failed" });
      await commitMany(rig.indexes, 1);
      await rig.indexes.idle();
      expect(store.calls.findLast(([operation]) => operation === "put")?.[1]).toBe(
        "_vectors/a.lhv1",
      );
      expect(await idsIn(rig.indexes)).toEqual(expected);
    }
    expect(await bytesOf(folder.store, "_vectors/a.lhv1")).toEqual(base);
    {
      await using rig = await openVectors(folder.store);
      expect(await idsIn(rig.indexes)).toEqual(expected);
      await rig.indexes.idle();
      expect(await idsIn(rig.indexes)).toEqual(expected);
    }
    expect(await keysOf(folder.store, { prefix: "_vectors/" })).toEqual(["_vectors/a.lhv1"]);
    await using again = await openVectors(folder.store);
    expect(await idsIn(again.indexes)).toEqual(expected);
  }, 60_000);

  test("that dies before it cleans up is not replayed over the new base", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    {
      await using rig = await openVectors(store);
      await rig.indexes.create(request({ name: "a", dimension: 2 }));
      store.plan("delete", { kind: "refuse", code: "storage_failed" });
      await commitMany(rig.indexes, COMMITS_TO_FOLD);
      await rig.indexes.idle();
      await rig.indexes.deleteVectors("a", request({ ids: ["x0"] }));
    }
    expect(await keysOf(folder.store, { prefix: "_vectors/a.log/" })).toHaveLength(
      COMMITS_TO_FOLD + 1,
    );
    await using rig = await openVectors(folder.store);
    expect(await idsIn(rig.indexes)).toHaveLength(9);
    expect(await keysOf(folder.store, { prefix: "_vectors/a.log/" })).toHaveLength(1);
  }, 60_000);

  test("whose answer was lost is followed by another one", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    await using rig = await openVectors(store);
    await rig.indexes.create(request({ name: "a", dimension: 2 }));
    await commitMany(rig.indexes, COMMITS_TO_FOLD - 1);
    store.plan("put", { kind: "hold", until: Promise.resolve() });
    store.plan("put", { kind: "lose_answer", code: "commit_unknown" });
    await commitMany(rig.indexes, 1);
    await rig.indexes.idle();
    expect(await add(rig.indexes, "p")).toMatchObject({ added: 1, count: 11 });
    await using again = await openVectors(folder.store);
    expect(await idsIn(again.indexes)).toHaveLength(11);
  }, 60_000);
});

describe("a deleted index", () => {
  test("is gone although its log could not be deleted, and does not haunt its successor", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    await using rig = await openVectors(store);
    await rig.indexes.create(request({ name: "a", dimension: 2 }));
    await add(rig.indexes, "p");
    store.plan("list", { kind: "refuse", code: "storage_failed" });
    await rig.indexes.delete("a");
    expect(await keysOf(folder.store, { prefix: "_vectors/" })).toHaveLength(1);
    await rig.indexes.create(request({ name: "a", dimension: 2 }));
    await add(rig.indexes, "q");
    await using again = await openVectors(folder.store);
    expect(await idsIn(again.indexes)).toEqual(["q"]);
    await again.indexes.delete("a");
    expect(await keysOf(folder.store, { prefix: "_vectors/" })).toEqual([]);
  });

  test("stands as before if the store refuses", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    await using rig = await openVectors(store);
    await rig.indexes.create(request({ name: "a", dimension: 2 }));
    await add(rig.indexes, "p");
    store.plan("delete", { kind: "refuse", code: "storage_failed" });
    expect(await codeOf(rig.indexes.delete("a"))).toBe("storage_failed");
    expect(await add(rig.indexes, "q")).toMatchObject({ count: 2 });
    store.plan("delete", { kind: "lose_answer", code: "storage_timeout" });
    expect(await rig.indexes.delete("a")).toEqual({ deleted: "a" });
    expect(await codeOf(rig.indexes.delete("a"))).toBe("index_not_found");
  });

  test("leaves no log behind that a later start would keep", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    {
      await using rig = await openVectors(store);
      await rig.indexes.create(request({ name: "a", dimension: 2 }));
      await add(rig.indexes, "p");
      store.plan("list", { kind: "refuse", code: "storage_failed" });
      await rig.indexes.delete("a");
    }
    await using again = await openVectors(folder.store);
    expect(again.indexes.list()).toEqual({ indexes: [], count: 0 });
    expect(await keysOf(folder.store, { prefix: "_vectors/" })).toEqual([]);
  });
});

describe("a log with a gap", () => {
  test("is not replayed past it: the index is quarantined, and nothing of it is changed", async () => {
    await using folder = await openFolder();
    {
      await using rig = await openVectors(folder.store);
      await rig.indexes.create(request({ name: "a", dimension: 2 }));
      await add(rig.indexes, "p");
      await add(rig.indexes, "q");
    }
    const [first = ""] = await keysOf(folder.store, { prefix: "_vectors/a.log/" });
    await folder.store.delete(first);
    const left = await keysOf(folder.store, { prefix: "_vectors/" });
    await using rig = await openVectors(folder.store);
    expect(await codeOf(idsIn(rig.indexes))).toBe("index_quarantined");
    expect(await codeOf(add(rig.indexes, "r"))).toBe("index_quarantined");
    expect(await keysOf(folder.store, { prefix: "_vectors/" })).toEqual(left);
  });
});

describe("an index in memory only", () => {
  test("is folded like any other, and stores nothing", async () => {
    await using folder = await openFolder();
    await using rig = await openVectors(folder.store);
    await rig.indexes.create(request({ name: "a", dimension: 2, persist: false }));
    await commitMany(rig.indexes, COMMITS_TO_FOLD);
    await rig.indexes.idle();
    expect(await idsIn(rig.indexes)).toHaveLength(10);
    expect(await add(rig.indexes, "p")).toMatchObject({ count: 11 });
    expect(await keysOf(folder.store, { prefix: "_vectors/" })).toEqual([]);
  }, 60_000);
});

describe("an index whose creation had an unknown outcome", () => {
  test("is served as what is stored", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    await using rig = await openVectors(store);
    const create = () => rig.indexes.create(request({ name: "a", dimension: 2 }));
    store.plan("put", { kind: "lose_answer", code: "commit_unknown" });
    store.plan("get", { kind: "refuse", code: "storage_failed" });
    expect(await codeOf(create())).toBe("commit_unknown");
    expect(await codeOf(add(rig.indexes, "p"))).toBe("index_not_found");
    expect(await codeOf(create())).toBe("index_exists");
    expect(await add(rig.indexes, "p")).toMatchObject({ added: 1 });
  });

  test("is created if it landed and only the answer was lost", async () => {
    await using folder = await openFolder();
    const store = new FaultyStore(folder.store);
    await using rig = await openVectors(store);
    store.plan("put", { kind: "lose_answer", code: "commit_unknown" });
    await rig.indexes.create(request({ name: "a", dimension: 2 }));
    expect(await add(rig.indexes, "p")).toMatchObject({ added: 1 });
  });
});
