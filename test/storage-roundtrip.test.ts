import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { isRecord } from "../core/json.ts";
import { awkwardKeys } from "./conformance/storage-keys.ts";
import { byteOrder, patternBytes } from "./conformance/storage-bytes.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";

const MIB = 1024 * 1024;
const PUT_LIMIT_BYTES = 24 * MIB;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    plugins: { storage: {} },
    limits: { storage_put_bytes: PUT_LIMIT_BYTES, storage_puts: 2, list_page: 100 },
  });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

/** Each segment percent-encoded, the slashes kept: what a client has to send. */
const pathOf = (key: string): string => key.split("/").map(encodeURIComponent).join("/");
const put = (key: string, body: RequestInit["body"], headers: Record<string, string> = {}) =>
  server.fetch(`/storage/put/${pathOf(key)}`, { method: "PUT", body: body ?? null, headers });
const get = (key: string, headers: Record<string, string> = {}) =>
  server.fetch(`/storage/get/${pathOf(key)}`, { headers });
const remove = (key: string) =>
  server.fetch(`/storage/delete/${pathOf(key)}`, { method: "DELETE" });

async function list(query: string): Promise<{ keys: unknown[]; next: unknown }> {
  const page = await okJson(await server.fetch(`/storage/list?${query}`));
  const objects = Array.isArray(page["objects"]) ? page["objects"] : [];
  return {
    keys: objects.map((each: unknown) => (isRecord(each) ? each["Key"] : undefined)),
    next: page["next"],
  };
}

describe("objects over HTTP", () => {
  test("are put, read, listed and deleted", async () => {
    const stored = await okJson(await put("trip/one.bin", "hello"));
    expect(stored).toMatchObject({ Key: "trip/one.bin", Size: 5 });
    expect(stored["ETag"]).toMatch(/^".+"$/);
    expect(new Date(String(stored["LastModified"])).toISOString()).toBe(
      String(stored["LastModified"]),
    );

    const read = await get("trip/one.bin");
    expect(read.status).toBe(200);
    expect(Object.fromEntries(read.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": "5",
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
      etag: stored["ETag"],
    });
    expect(Date.parse(read.headers.get("last-modified") ?? "")).not.toBeNaN();
    expect(await read.text()).toBe("hello");

    // A bucket tells its own time, which a put does not ask for.
    const { LastModified: _, ...listed } = stored;
    expect(await okJson(await server.fetch("/v1/storage/list?prefix=trip/"))).toMatchObject({
      prefix: "trip/",
      objects: [listed],
    });

    expect(await okJson(await remove("trip/one.bin"))).toEqual({ Key: "trip/one.bin" });
    await assertProblem(await remove("trip/one.bin"), { status: 404, code: "object_not_found" });
    await assertProblem(await get("trip/one.bin"), { status: 404, code: "object_not_found" });
  });

  test("keep every awkward key and every byte", async () => {
    const bytes = Buffer.from(patternBytes(70_000, 4));
    for (const key of awkwardKeys) {
      expect(await okJson(await put(`awkward/${key}`, bytes))).toMatchObject({
        Key: `awkward/${key}`,
      });
    }
    for (const key of awkwardKeys) {
      expect(Buffer.from(await (await get(`awkward/${key}`)).bytes()).equals(bytes)).toBe(true);
    }
    const { keys } = await list("prefix=awkward/&limit=100");
    expect(keys).toEqual(awkwardKeys.map((key) => `awkward/${key}`).toSorted(byteOrder));
  });

  test("have keys that are decoded exactly once", async () => {
    await put("once/a%2Fb", "the key has a percent sign");
    expect(await (await server.fetch("/storage/get/once/a%252Fb")).text()).toContain("percent");
    await put("once/a+b", "plus");
    expect(await (await server.fetch("/storage/get/once/a+b")).text()).toBe("plus");
    expect(await (await server.fetch("/storage/get/once/a%2Bb")).text()).toBe("plus");
    await assertProblem(await get("once/a b"), { status: 404, code: "object_not_found" });
  });

  test("are refused under keys that break the rules", async () => {
    const paths = ["a%2Fb", "a%00b", "%ff", "a%zz", "a%", "a//b", "a/", "%5C", "caf%65%CC%81"];
    const others = ["%ED%A0%80", "%EF%BF%BD", "a%0Ab", "s".repeat(256), "k/".repeat(512) + "k"];
    for (const path of [...paths, ...others]) {
      for (const [method, verb] of [
        ["PUT", "put"],
        ["GET", "get"],
        ["DELETE", "delete"],
      ] as const) {
        const response = await server.fetch(`/storage/${verb}/${path}`, { method });
        await assertProblem(response, { status: 400, code: "invalid_key" });
      }
    }
  });

  test("under the server's own prefixes are read but not written", async () => {
    for (const key of ["_catalog/manifests/x.parquet", "_vectors/x.lhv1", "datasets/a/b/c"]) {
      await assertProblem(await put(key, "x"), { status: 403, code: "reserved_key" });
      await assertProblem(await remove(key), { status: 403, code: "reserved_key" });
      await assertProblem(await get(key), { status: 404, code: "object_not_found" });
      expect((await list(`prefix=${key}`)).keys).toEqual([]);
    }
    expect((await put("datasets.txt", "mine")).status).toBe(200);
  });

  test("of more bytes than allowed are refused and not stored", async () => {
    await put("large/kept", "before");
    const large = new Uint8Array(PUT_LIMIT_BYTES + 1);
    const declared = await put("large/kept", large);
    await assertProblem(declared, { status: 413, code: "body_too_large" });
    const chunked = await put("large/new", slowly(large));
    await assertProblem(chunked, { status: 413, code: "body_too_large" });
    expect(await (await get("large/kept")).text()).toBe("before");
    expect((await list("prefix=large/")).keys).toEqual(["large/kept"]);
    expect((await put("large/exact", large.subarray(1))).status).toBe(200);
  });

  test("of many megabytes come back whole", async () => {
    const bytes = Buffer.from(patternBytes(PUT_LIMIT_BYTES, 9));
    expect(await okJson(await put("whole/large", slowly(bytes)))).toMatchObject({
      Size: bytes.length,
    });
    expect(Buffer.from(await (await get("whole/large")).bytes()).equals(bytes)).toBe(true);
  });

  test("are put a few at a time, and the rest wait their turn", async () => {
    const first = ["a", "b"].map(() => heldUpload());
    const under_way = first.map(({ body }, index) => put(`queue/held-${index}`, body));
    await Promise.all(first.map(({ reading }) => reading));
    // They are on their way; from some moment on both are there, and then a third put waits.
    let third: Promise<Response> | undefined;
    for (let attempt = 0; third === undefined && attempt < 50; attempt++) {
      const sent = put(`queue/third-${attempt}`, "third");
      // Each round trip is one in which this put could have been answered.
      const waits = roundTrips(300).then(() => true);
      if (await Promise.race([waits, sent.then(() => false)])) third = sent;
    }
    expect(third).toBeDefined();
    for (const { finish } of first) finish();
    expect((await third)?.status).toBe(200);
    for (const response of await Promise.all(under_way)) expect(response.status).toBe(200);
  });
});

describe("listings over HTTP", () => {
  beforeAll(async () => {
    for (const name of ["a", "a-b", "a/b", "a.b", "b", "é", "c d", "c+d"]) {
      await put(`pages/${name}`, name);
    }
  });

  test("are paged by next, in byte order", async () => {
    const seen: unknown[] = [];
    for (let after = ""; ;) {
      const { keys, next } = await list(`prefix=pages/&limit=3&after=${encodeURIComponent(after)}`);
      expect(keys.length).toBeLessThanOrEqual(3);
      seen.push(...keys);
      if (typeof next !== "string") break;
      after = next;
    }
    expect(seen).toEqual(
      ["a", "a-b", "a.b", "a/b", "b", "c d", "c+d", "é"]
        .map((name) => `pages/${name}`)
        .toSorted(byteOrder),
    );
  });

  test("decode their parameters as forms do", async () => {
    expect((await list("prefix=pages/c+d")).keys).toEqual(["pages/c d"]);
    expect((await list("prefix=pages/c%2Bd")).keys).toEqual(["pages/c+d"]);
    expect((await list("prefix=pages%2F%C3%A9")).keys).toEqual(["pages/é"]);
  });

  test("refuse what they do not understand", async () => {
    const queries = ["limit=0", "limit=101", "limit=-1", "limit=1.5", "limit=x", "limit="];
    const others = ["start=a", "prefix=a&prefix=b", "prefix=%ff", "prefix=%"];
    for (const query of [...queries, ...others]) {
      const response = await server.fetch(`/storage/list?${query}`);
      await assertProblem(response, { status: 400, code: "invalid_request" });
    }
  });
});

async function roundTrips(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await server.fetch("/storage/list?prefix=queue/");
}

async function* slowly(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += MIB) {
    await new Promise(setImmediate);
    yield bytes.subarray(at, at + MIB);
  }
}

/** An upload whose first bytes are on their way and whose last byte is not. */
function heldUpload(): {
  readonly body: AsyncGenerator<Uint8Array>;
  readonly reading: Promise<void>;
  readonly finish: () => void;
} {
  const reading = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  async function* body(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(64 * 1024);
    reading.resolve();
    await finish.promise;
    yield new Uint8Array(1);
  }
  return { body: body(), reading: reading.promise, finish: finish.resolve };
}
