import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { putDataset } from "./support/datasets.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";
import { openTestEngine, readAnswer, type TestEngine } from "./support/test-engine.ts";

/** Stored data that changed is an error, never an answer. */

setDefaultTimeout(60_000);

let server: TestServer;
let engine: TestEngine;

beforeAll(async () => {
  [server, engine] = await Promise.all([startServer(), openTestEngine()]);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

const total = (name: string): Promise<Response> =>
  server.post("/sql", { sql: `SELECT sum(n) FROM ${name}` });

async function overwrite(key: string, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const bytes = await (await server.fetch(`/storage/get/${key}`)).bytes();
  await okJson(
    await server.fetch(`/storage/put/${key}`, { method: "PUT", body: change(bytes.slice()) }),
  );
}

describe("an object", () => {
  test("with one flipped bit is refused, by name, and the others are served", async () => {
    const [object] = await putDataset(
      server,
      engine,
      "flipped",
      "SELECT range AS n FROM range(1000)",
    );
    await putDataset(server, engine, "sound", "SELECT range AS n FROM range(1000)");
    if (object === undefined) throw new Error("no object");
    await overwrite(object.key, (bytes) => {
      const middle = bytes.length >> 1;
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
      return bytes;
    });
    const problem = await assertProblem(await total("flipped"), {
      status: 500,
      code: "data_corrupt",
    });
    expect(problem["key"]).toBe(object.key);
    expect(readAnswer(await okJson(await total("sound"))).rows).toEqual([[499_500]]);
  });

  test("that changes after it was read once is refused from then on", async () => {
    const [object] = await putDataset(server, engine, "later", "SELECT range AS n FROM range(10)");
    if (object === undefined) throw new Error("no object");
    expect(readAnswer(await okJson(await total("later"))).rows).toEqual([[45]]);
    await overwrite(object.key, (bytes) => bytes.fill(0, 0, 4));
    if (server.data_path === undefined) return;
    await assertProblem(await total("later"), { status: 500, code: "data_corrupt" });
  });

  test("that is missing, or was never Parquet, is refused with what to do", async () => {
    const [object] = await putDataset(server, engine, "missing", "SELECT 1 AS n");
    await server.fetch(`/storage/delete/${object?.key ?? ""}`, { method: "DELETE" });
    const missing = await assertProblem(await total("missing"), {
      status: 500,
      code: "data_corrupt",
    });
    expect(missing["hint"]).toBeString();

    await server.fetch("/storage/put/byhand/text.parquet", { method: "PUT", body: "n\n1\n2\n" });
    const objects = [{ key: "byhand/text.parquet", size: 6 }];
    await okJson(
      await server.post("/catalog/register", { name: "text", schema_fingerprint: "x", objects }),
    );
    const problem = await assertProblem(await total("text"), { status: 500, code: "data_corrupt" });
    expect(problem["detail"]).toContain("text");
    expect(problem["detail"]).not.toContain(server.data_path ?? "/scratch");
  });
});

test("folders that look like columns add none", async () => {
  const objects = await putDataset(server, engine, "plain", "SELECT 7 AS n");
  const bytes = await (await server.fetch(`/storage/get/${objects[0]?.key ?? ""}`)).bytes();
  const key = "byhand/year=2024/month=02/part.parquet";
  await okJson(await server.fetch(`/storage/put/${key}`, { method: "PUT", body: bytes }));
  await okJson(
    await server.post("/catalog/register", {
      name: "hive",
      schema_fingerprint: "x",
      objects: [{ key, size: bytes.length }],
    }),
  );
  const body = await okJson(await server.post("/sql", { sql: "SELECT * FROM hive" }));
  expect(body["columns"]).toEqual([{ name: "n", type: "INTEGER" }]);
});
