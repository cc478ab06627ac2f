import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { truncate } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { patternBytes } from "./conformance/storage-bytes.ts";
import { assertProblem, okJson, onS3, startServer, type TestServer } from "./support/server.ts";

const MIB = 1024 * 1024;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    plugins: { storage: {} },
    limits: { storage_puts: 2 },
  });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

const get = (key: string, headers: Record<string, string> = {}) =>
  server.fetch(`/storage/get/${key}`, { headers });
const put = (key: string, body: RequestInit["body"], headers: Record<string, string> = {}) =>
  server.fetch(`/storage/put/${key}`, { method: "PUT", body: body ?? null, headers });
const etagOf = async (key: string): Promise<string> => (await get(key)).headers.get("etag") ?? "";

describe("ranges (RFC 9110 §14)", () => {
  beforeAll(async () => {
    await put("ranges/ten", "0123456789");
    await put("ranges/empty", "");
  });

  for (const [range, bytes, content_range] of [
    ["bytes=0-0", "0", "bytes 0-0/10"],
    ["bytes=2-5", "2345", "bytes 2-5/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=7-100", "789", "bytes 7-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=-100", "0123456789", "bytes 0-9/10"],
    ["bytes=0-99999999999999999999", "0123456789", "bytes 0-9/10"],
  ] as const) {
    test(`${range} gives ${bytes}`, async () => {
      const response = await get("ranges/ten", { range });
      expect(response.status).toBe(206);
      expect(response.headers.get("content-range")).toBe(content_range);
      expect(response.headers.get("content-length")).toBe(String(bytes.length));
      expect(response.headers.get("etag")).toBe(await etagOf("ranges/ten"));
      expect(await response.text()).toBe(bytes);
    });
  }

  for (const range of ["bytes=10-", "bytes=99999999999999999999-", "bytes=-0"]) {
    test(`${range} lies outside`, async () => {
      const response = await get("ranges/ten", { range });
      expect(response.headers.get("content-range")).toBe("bytes */10");
      await assertProblem(response, { status: 416, code: "range_not_satisfiable" });
    });
  }

  test("every range lies outside an empty object", async () => {
    for (const range of ["bytes=0-", "bytes=-1"]) {
      const response = await get("ranges/empty", { range });
      await assertProblem(response, { status: 416, code: "range_not_satisfiable" });
    }
    expect(await (await get("ranges/empty")).text()).toBe("");
  });

  test("a range that cannot be understood is answered with the whole object", async () => {
    for (const range of ["bytes=5-2", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=", "0-1"]) {
      const response = await get("ranges/ten", { range });
      expect(response.status).toBe(200);
      expect(await response.text()).toBe("0123456789");
    }
  });

  test("If-Range with another version is answered with the whole object", async () => {
    const range = "bytes=2-3";
    const same = await get("ranges/ten", { range, "if-range": await etagOf("ranges/ten") });
    expect([same.status, await same.text()]).toEqual([206, "23"]);
    for (const if_range of [
      '"other"',
      `W/${await etagOf("ranges/ten")}`,
      new Date().toUTCString(),
    ]) {
      const other = await get("ranges/ten", { range, "if-range": if_range });
      expect([other.status, await other.text()]).toEqual([200, "0123456789"]);
    }
  });

  test("a large range is streamed whole", async () => {
    const bytes = Buffer.from(patternBytes(9 * MIB, 6));
    await put("ranges/large", bytes);
    const response = await get("ranges/large", { range: `bytes=${MIB + 1}-${8 * MIB}` });
    const expected = bytes.subarray(MIB + 1, 8 * MIB + 1);
    expect(Buffer.from(await response.bytes()).equals(expected)).toBe(true);
  });
});

describe("conditions (RFC 9110 §13)", () => {
  test("If-None-Match: * creates and never replaces", async () => {
    const condition = { "if-none-match": "*" };
    expect((await put("conditions/new", "first", condition)).status).toBe(200);
    await assertProblem(await put("conditions/new", "second", condition), {
      status: 412,
      code: "precondition_failed",
    });
    expect(await (await get("conditions/new")).text()).toBe("first");
  });

  test("If-Match replaces the version it names and no other", async () => {
    const first = await okJson(await put("conditions/swap", "one"));
    const etag = String(first["ETag"]);
    expect((await put("conditions/swap", "two", { "if-match": `"x", ${etag}` })).status).toBe(200);
    for (const stale of [etag, '"x"', `W/${await etagOf("conditions/swap")}`]) {
      await assertProblem(await put("conditions/swap", "lost", { "if-match": stale }), {
        status: 412,
        code: "precondition_failed",
      });
    }
    expect(await (await get("conditions/swap")).text()).toBe("two");
    expect((await put("conditions/swap", "three", { "if-match": "*" })).status).toBe(200);
    await assertProblem(await put("conditions/absent", "x", { "if-match": "*" }), {
      status: 412,
      code: "precondition_failed",
    });
    await assertProblem(await get("conditions/absent"), { status: 404, code: "object_not_found" });
  });

  test("of many creators over HTTP exactly one wins", async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, writer) =>
        put("conditions/race", `writer ${writer}`, { "if-none-match": "*" }),
      ),
    );
    const winners = answers.flatMap(({ status }, writer) =>
      status === 200 ? [`writer ${writer}`] : [],
    );
    expect(winners).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(11);
    expect([await (await get("conditions/race")).text()]).toEqual(winners);
  });

  test("conditions that a put cannot keep are refused", async () => {
    for (const headers of [
      { "if-none-match": '"x"' },
      { "if-none-match": "*", "if-match": "*" },
      { "if-match": "unquoted" },
      { "content-range": "bytes 0-1/10" },
    ]) {
      await assertProblem(await put("conditions/refused", "x", headers), {
        status: 400,
        code: "invalid_request",
      });
    }
    await assertProblem(await get("conditions/refused"), { status: 404, code: "object_not_found" });
  });

  test("a version the client has already is not sent again", async () => {
    await put("conditions/cached", "bytes");
    const etag = await etagOf("conditions/cached");
    for (const known of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
      const response = await get("conditions/cached", { "if-none-match": known });
      expect(response.status).toBe(304);
      expect(response.headers.get("etag")).toBe(etag);
      expect(await response.text()).toBe("");
    }
    expect((await get("conditions/cached", { "if-none-match": '"x"' })).status).toBe(200);
    await assertProblem(await get("conditions/cached", { "if-match": '"x"' }), {
      status: 412,
      code: "precondition_failed",
    });
  });

  test("HEAD tells what GET would, without the bytes", async () => {
    await put("conditions/head", "12345");
    const head = await server.fetch("/storage/get/conditions/head", { method: "HEAD" });
    const whole = await get("conditions/head");
    for (const name of [
      "content-length",
      "etag",
      "last-modified",
      "accept-ranges",
      "content-type",
    ]) {
      expect(`${name}: ${head.headers.get(name)}`).toBe(`${name}: ${whole.headers.get(name)}`);
    }
    expect(await head.text()).toBe("");
    const absent = await server.fetch("/storage/get/conditions/none", { method: "HEAD" });
    expect(absent.status).toBe(404);
  });
});

const on_linux = process.platform === "linux";
const why_unmeasured = on_linux ? "" : " (skipped: only Linux tells the peak memory of a process)";
const testOnLinux = on_linux ? test : test.skip;

async function peakBytes(): Promise<number> {
  const status = await Bun.file(`/proc/${server.pid}/status`).text();
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) * 1024;
}

testOnLinux(
  `large uploads and downloads take bounded memory${why_unmeasured}`,
  async () => {
    const before_bytes = await peakBytes();
    const chunk = patternBytes(MIB, 12);
    async function* upload(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < 256; sent++) yield await Promise.resolve(chunk);
    }
    expect(await okJson(await put("memory/large", upload()))).toMatchObject({ Size: 256 * MIB });
    let received_bytes = 0;
    for await (const part of (await get("memory/large")).body ?? []) received_bytes += part.length;
    expect(received_bytes).toBe(256 * MIB);
    expect((await peakBytes()) - before_bytes).toBeLessThan(192 * MIB);
  },
  60_000,
);

describe("connections that break", () => {
  test("an upload that is cut off stores nothing", async () => {
    const tails = [
      "Content-Length: 1000\r\n\r\nhalf",
      "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ];
    for (const [index, tail] of tails.entries()) {
      await put(`cut/${index}`, "before");
      await cutOff(`PUT /storage/put/cut/${index} HTTP/1.1\r\nHost: localhost\r\n${tail}`);
      await cutOff(`PUT /storage/put/cut/new-${index} HTTP/1.1\r\nHost: localhost\r\n${tail}`);
    }
    // Both slots are free again, so the broken uploads are over, one way or the other.
    await Promise.all([put("cut/after-0", "x"), put("cut/after-1", "x")]);
    for (const index of [0, 1]) {
      expect(await (await get(`cut/${index}`)).text()).toBe("before");
      await assertProblem(await get(`cut/new-${index}`), { status: 404, code: "object_not_found" });
    }
  });

  test("an upload that falls silent is ended, and stores nothing", async () => {
    // A server of its own: a busy client may well be silent for this long in the other tests.
    await using impatient = await startServer({
      plugins: { storage: {} },
      limits: { storage_idle_ms: 400 },
    });
    const never = Promise.withResolvers<void>();
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(100);
      await never.promise;
    }
    const init = { method: "PUT", body: silent() };
    await assertProblem(await impatient.fetch("/storage/put/cut/silent", init), {
      status: 408,
      code: "deadline_exceeded",
    });
    never.resolve();
    await assertProblem(await impatient.fetch("/storage/get/cut/silent"), {
      status: 404,
      code: "object_not_found",
    });
  });

  const why_skipped = onS3 ? " (skipped: only a local disk can be cut under the server)" : "";
  const testOnDisk = onS3 ? test.skip : test;
  testOnDisk(`a download that fails half-way is never a clean answer${why_skipped}`, async () => {
    await put("cut/download", patternBytes(64 * MIB, 8));
    const response = await get("cut/download");
    expect(response.status).toBe(200);
    await truncate(join(server.data_path ?? "", "cut/download"), 8 * MIB);
    let received_bytes = 0;
    const reading = (async () => {
      for await (const chunk of response.body ?? []) received_bytes += chunk.length;
    })();
    const outcome = await reading.then(
      () => "clean",
      () => "broken",
    );
    expect(outcome).toBe("broken");
    expect(received_bytes).toBeLessThan(64 * MIB);
  });

  test("downloads that are left half-way leave nothing open", async () => {
    await put("cut/large", patternBytes(32 * MIB, 8));
    for (let turn = 0; turn < 30; turn++) {
      const controller = new AbortController();
      const response = await server.fetch("/storage/get/cut/large", { signal: controller.signal });
      await response.body?.getReader().read();
      controller.abort();
    }
    expect(Buffer.from(await (await get("cut/large")).bytes()).length).toBe(32 * MIB);
    if (process.platform === "linux" && server.data_path !== undefined) {
      const open = async (): Promise<boolean> =>
        (await Bun.$`ls -l /proc/${server.pid}/fd`.quiet().text()).includes("cut/large");
      // The server hears of the last connection that broke when it comes to it.
      while (await open()) await Bun.sleep(10);
    }
  });
});

/** Sends the start of a request on a connection of its own, and then breaks it. */
async function cutOff(start: string): Promise<void> {
  const { port } = new URL(server.url);
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), "127.0.0.1", () => {
      socket.write(start, () => socket.destroy());
    });
    socket.on("close", () => resolve());
    socket.on("error", reject);
  });
}
