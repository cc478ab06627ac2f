import { expect } from "bun:test";
import * as fc from "fast-check";
import type { ListPage, ObjectStore } from "../../core/storage.ts";
import { body, byteOrder, eachAtOnce, keysOf, propertySeed, textOf } from "./storage-bytes.ts";
import type { Suite } from "./storage.ts";

/** Order, prefixes and pages of listings, and a model that every sequence must agree with. */
export function listingTests(suite: Suite): void {
  const { claim } = suite;

  claim("a listing is in UTF-8 byte order", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    // `-` < `.` < `/` < `0`, and U+1F600 after U+FF5E although its UTF-16 units come before.
    const names = ["a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "a b", "A", "B/c", "é", "z"];
    const wide = [
      "\uff5e",
      "😀",
      "😀/x",
      "\ue000",
      "\u{10ffff}",
      "~",
      "%",
      "_x",
      "日本/語",
      "日本-",
    ];
    const keys = [...names, ...wide].map((name) => prefix + name);
    for (const key of keys) await store.put(key, body("x"));
    expect(await keysOf(store, { prefix })).toEqual(keys.toSorted(byteOrder));
    expect(await keysOf(store, { prefix, limit: 1 })).toEqual(keys.toSorted(byteOrder));
    expect(await keysOf(store, { prefix, limit: 3 })).toEqual(keys.toSorted(byteOrder));
  });

  claim("a listing tells size, etag and time as head does", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    await store.put(`${prefix}one`, body("12345"));
    const [listed] = (await store.list({ prefix })).objects;
    const head = await store.head(`${prefix}one`);
    expect(listed?.size_bytes).toBe(5);
    expect(listed?.etag).toBe(head?.etag ?? "absent");
    expect(seconds(listed?.last_modified)).toBe(seconds(head?.last_modified));
  });

  claim("a prefix need not end at a slash", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    const keys = ["ab", "abc/d", "abd", "ab/c", "b", "aé/x", "aé-"].map((key) => prefix + key);
    for (const key of keys) await store.put(key, body("x"));
    for (const part of ["", "a", "ab", "ab/", "abc", "abc/", "abc/d", "abc/d/", "b", "c", "aé"]) {
      expect(await keysOf(store, { prefix: prefix + part })).toEqual(
        keys.filter((key) => key.startsWith(prefix + part)).toSorted(byteOrder),
      );
    }
  });

  claim("a prefix that no key can have lists nothing", async () => {
    for (const prefix of [
      "/",
      "../",
      "a//",
      "conformance//",
      "./",
      "no-such/",
      "conformance/../",
    ]) {
      expect(await suite.store().list({ prefix })).toEqual({ objects: [] });
    }
  });

  claim("without a prefix every object of the store is listed", async () => {
    const key = `${suite.prefix()}some`;
    await suite.store().put(key, body("x"));
    const all = await keysOf(suite.store(), {});
    expect(all).toContain(key);
    expect(all).toEqual(all.toSorted(byteOrder));
  });

  claim("after is exclusive, and need not be a key", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    const keys = ["a", "a-", "a/b", "a/d", "a/d/e", "b", "c/d"].map((key) => prefix + key);
    for (const key of keys) await store.put(key, body("x"));
    const afters = ["a", "a-", "a/", "a/b", "a/c", "a/d", "a/d/e", "a/d/z", "a0", "b/", "c/d", "z"];
    for (const after of [...afters.map((name) => prefix + name), "", "\u{10ffff}"]) {
      expect(await keysOf(store, { prefix, after })).toEqual(
        keys.filter((key) => byteOrder(key, after) > 0).toSorted(byteOrder),
      );
    }
  });

  claim("the last page has no next, also when it is full", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    for (const name of ["a", "b/c", "d", "e"]) await store.put(prefix + name, body("x"));
    const pages: ListPage[] = [await store.list({ prefix, limit: 2 })];
    expect(pages[0]?.objects).toHaveLength(2);
    expect(pages[0]?.next).toBeDefined();
    pages.push(await store.list({ prefix, limit: 2, after: pages[0]?.next ?? "" }));
    expect(pages[1]?.objects).toHaveLength(2);
    expect(pages[1]?.next).toBeUndefined();
    expect((await store.list({ prefix, limit: 4 })).next).toBeUndefined();
    expect((await store.list({ prefix: `${prefix}zzz` })).next).toBeUndefined();
  });

  claim("pages over many objects give each of them once", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    const count = suite.options.list_count;
    const keys = Array.from({ length: count }, (_, index) =>
      index % 5 === 0 ? `${prefix}flat-${index}` : `${prefix}folder/${index % 97}/${index}`,
    );
    await eachAtOnce(keys, 32, (key) => store.put(key, body("x")));
    expect(await keysOf(store, { prefix })).toEqual(keys.toSorted(byteOrder));
    expect(await keysOf(store, { prefix, limit: 333 })).toEqual(keys.toSorted(byteOrder));
    await eachAtOnce(keys, 32, (key) => store.delete(key));
    expect(await keysOf(store, { prefix })).toEqual([]);
  });

  claim("any sequence of puts, deletes and listings agrees with a map", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), async (operations) => {
        const prefix = suite.prefix();
        const model = new Map<string, string>();
        for (const each of operations) await apply(suite.store(), prefix, model, each);
        const keys = [...model.keys()].toSorted(byteOrder);
        expect(await keysOf(suite.store(), { prefix })).toEqual(keys);
        for (const [key, text] of model) expect(await textOf(suite.store(), key)).toBe(text);
        for (const key of keys) expect(await suite.store().delete(key)).toBe(true);
      }),
      { numRuns: 30, ...propertySeed() },
    );
  });
}

const segment = fc.constantFrom("a", "b", "A", "a-b", "a.", ".a", "é", "%", "%41", "😀", "\uff5e");
const key = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("put"), key, text: fc.string() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete"), key, text: fc.constant("") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("list"), key, text: fc.constant("") }) },
);

async function apply(
  store: ObjectStore,
  prefix: string,
  model: Map<string, string>,
  { kind, key, text }: { readonly kind: string; readonly key: string; readonly text: string },
): Promise<void> {
  const full = prefix + key;
  if (kind === "put") {
    await store.put(full, body(text));
    model.set(full, text);
  } else if (kind === "delete") {
    expect(await store.delete(full)).toBe(model.delete(full));
  } else {
    const later = [...model.keys()].filter((each) => byteOrder(each, full) > 0);
    expect(await keysOf(store, { prefix, after: full, limit: 2 })).toEqual(
      later.toSorted(byteOrder),
    );
    const below = [...model.keys()].filter((each) => each.startsWith(full));
    expect(await keysOf(store, { prefix: full })).toEqual(below.toSorted(byteOrder));
  }
}

/** HTTP dates have no more than this. */
function seconds(date: Date | undefined): number {
  return Math.floor((date?.getTime() ?? 0) / 1000);
}
