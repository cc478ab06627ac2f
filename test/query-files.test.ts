import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ErrorCode, LakehouseError } from "../core/error.ts";
import type { DataObject } from "../core/services.ts";
import { FileCache } from "../plugins/query/file-cache.ts";
import { ObjectFiles } from "../plugins/query/object-files.ts";
import { FsStore } from "../plugins/storage-fs/store.ts";
import { FaultyStore } from "./support/faulty-store.ts";

/** Data objects become local files that were checked, are fetched once, and are never in the way. */

let folder = "";
let store: FsStore;
/** The same store without local paths, as a bucket would be; it counts its calls. */
let remote: FaultyStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-files-"));
  store = new FsStore({ path: join(folder, "data") });
  await store.open();
  remote = new FaultyStore(store);
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function put(key: string, text: string): Promise<DataObject> {
  const bytes = Buffer.from(text);
  await store.put(key, { kind: "bytes", bytes });
  return { key, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

const cache = (limit_bytes = 1000): FileCache => new FileCache(join(folder, "cache"), limit_bytes);
const gets = (): number => remote.calls.filter(([operation]) => operation === "get").length;

const fill =
  (text: string) =>
  async (path: string): Promise<void> => {
    await Bun.write(path, text);
  };

async function codeOf(promise: Promise<unknown>): Promise<ErrorCode> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof LakehouseError) return error.code;
  throw new Error(`not refused: ${String(error)}`);
}

describe("a store on this disk", () => {
  test("is read in place, after one check of each version", async () => {
    const object = await put("a.parquet", "first");
    const files = new ObjectFiles(store, cache());
    const file = await files.open(object);
    expect(await readFile(file.path, "utf8")).toBe("first");
    expect(await files.open(object)).toMatchObject({ path: file.path, version: file.version });
    expect(existsSync(join(folder, "cache"))).toBe(false);
  });

  test("gives no file whose bytes changed behind the catalog's back", async () => {
    const object = await put("a.parquet", "first");
    const files = new ObjectFiles(store, cache());
    await files.open(object);
    await put("a.parquet", "FIRST");
    expect(await codeOf(files.open(object))).toBe("data_corrupt");
    await put("a.parquet", "longer");
    expect(await codeOf(files.open(object))).toBe("data_corrupt");
    await store.delete("a.parquet");
    expect(await codeOf(files.open(object))).toBe("data_corrupt");
  });

  test("checks size alone where no hash was registered, and tells versions apart", async () => {
    const { key, size } = await put("a.parquet", "first");
    const files = new ObjectFiles(store, cache());
    const before = await files.open({ key, size });
    await put("a.parquet", "FIRST");
    const after = await files.open({ key, size });
    expect(after.version).not.toBe(before.version);
    expect(await codeOf(files.open({ key, size: size + 1 }))).toBe("data_corrupt");
  });

  test("copies a file whose name the engine would take for a pattern", async () => {
    const object = await put("a.parquet", "x");
    await using stack = new AsyncDisposableStack();
    const odd = new FsStore({ path: join(folder, "data[1]*") });
    await odd.open();
    stack.defer(() => odd.close());
    await odd.put(object.key, { kind: "bytes", bytes: Buffer.from("x") });
    const { path, release } = await new ObjectFiles(odd, cache()).open(object);
    expect(path).toStartWith(join(folder, "cache"));
    expect(await readFile(path, "utf8")).toBe("x");
    release();
  });
});

describe("a remote store", () => {
  test("is read once for many statements at once", async () => {
    const object = await put("a.parquet", "bytes");
    const files = new ObjectFiles(remote, cache());
    const opened = await Promise.all(Array.from({ length: 20 }, () => files.open(object)));
    expect(new Set(opened.map(({ path }) => path)).size).toBe(1);
    expect(gets()).toBe(1);
    for (const { release } of opened) release();
    await files.open(object);
    expect(gets()).toBe(1);
  });

  test("leaves nothing of bytes that fail their check, and is asked again", async () => {
    const object = await put("a.parquet", "bytes");
    await put("a.parquet", "Bytes");
    const files_cache = cache();
    const files = new ObjectFiles(remote, files_cache);
    expect(await codeOf(files.open(object))).toBe("data_corrupt");
    expect(await readdir(join(folder, "cache"))).toEqual([]);
    expect(files_cache.used_bytes).toBe(0);
    await put("a.parquet", "bytes");
    const { path } = await files.open(object);
    expect(await readFile(path, "utf8")).toBe("bytes");
  });

  test("passes its failures on to everyone who waits, and recovers", async () => {
    const object = await put("a.parquet", "bytes");
    remote.plan("get", { kind: "refuse", code: "storage_failed" });
    const files = new ObjectFiles(remote, cache());
    const codes = await Promise.all([files.open(object), files.open(object)].map(codeOf));
    expect(codes).toEqual(["storage_failed", "storage_failed"]);
    await files.open(object);
  });

  test("follows an object without a hash by its etag", async () => {
    const { key, size } = await put("a.parquet", "first");
    const files = new ObjectFiles(remote, cache());
    const before = await files.open({ key, size });
    await put("a.parquet", "FIRST");
    const after = await files.open({ key, size });
    expect(await readFile(before.path, "utf8")).toBe("first");
    expect(await readFile(after.path, "utf8")).toBe("FIRST");
  });
});

describe("the cache", () => {
  test("drops the least recently used file, but never one in use", async () => {
    const files = cache(10);
    const a = await files.acquire("a", 4, fill("aaaa"));
    const b = await files.acquire("b", 4, fill("bbbb"));
    b.release();
    // c needs room: b goes although a is older, because a is in use.
    const c = await files.acquire("c", 4, fill("cccc"));
    expect(files.used_bytes).toBe(8);
    expect(await readFile(a.path, "utf8")).toBe("aaaa");
    a.release();
    c.release();
    // a was asked for again, so c is the oldest now.
    (await files.acquire("a", 4, fill("never"))).release();
    await files.acquire("d", 4, fill("dddd"));
    expect(await readFile(a.path, "utf8")).toBe("aaaa");
  });

  test("refuses what cannot fit, and what does not fit now", async () => {
    const files = cache(10);
    expect(await codeOf(files.acquire("big", 11, fill("")))).toBe("limit_exceeded");
    const a = await files.acquire("a", 8, fill("aaaaaaaa"));
    expect(await codeOf(files.acquire("b", 8, fill("")))).toBe("overloaded");
    a.release();
    a.release();
    await files.acquire("b", 8, fill("bbbbbbbb"));
    expect(files.used_bytes).toBe(8);
  });

  test("gives a file back whole when it was dropped a moment ago", async () => {
    const files = cache(4);
    for (let round = 0; round < 50; round++) {
      for (const text of ["aaaa", "bbbb"]) {
        const { path, release } = await files.acquire(text, 4, fill(text));
        expect(await readFile(path, "utf8")).toBe(text);
        release();
      }
    }
    expect(files.used_bytes).toBe(4);
  });
});
