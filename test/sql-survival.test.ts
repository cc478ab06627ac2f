import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { putDataset } from "./support/datasets.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";
import { openTestEngine, readAnswer, type TestEngine } from "./support/test-engine.ts";

/** Statements that kill, hang or flood: one request fails, and nothing else. */

const MIB = 1024 * 1024;

// Killing and replacing processes takes a while on a busy machine.
setDefaultTimeout(120_000);

/** No statement that ends by itself takes this long. */
const PATIENT_MS = 300_000;

let server: TestServer;
let engine: TestEngine;

beforeAll(async () => {
  const limits = {
    // Long enough that a busy machine does not end what is not about the deadline.
    sql_timeout_ms: 15_000,
    sql_workers: 2,
    sql_memory_bytes: 512 * MIB,
    sql_temp_bytes: 64 * MIB,
    result_bytes: 20 * MIB,
  };
  [server, engine] = await Promise.all([startServer({ limits }), openTestEngine()]);
  await putDataset(server, engine, "t", "SELECT range AS n FROM range(1000)");
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

async function expectService(): Promise<void> {
  const body = await okJson(await server.post("/sql", { sql: "SELECT count(*) FROM t" }));
  expect(readAnswer(body).rows).toEqual([[1000]]);
}

describe("a statement that crashes the engine", () => {
  // Overflows the stack of the engine's own thread, which no handler survives.
  const crash = "SELECT like_escape(repeat('a', 50000), repeat('%a', 50000), '')";

  test("fails alone, and the next one is served", async () => {
    await assertProblem(await server.post("/sql", { sql: crash }), {
      status: 500,
      code: "worker_died",
    });
    await expectService();
  });

  test("takes none of its neighbours along", async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        server.post("/sql", { sql: index % 2 === 0 ? crash : `SELECT sum(n) + ${index} FROM t` }),
      ),
    );
    for (const [index, response] of answers.entries()) {
      if (index % 2 === 0) await assertProblem(response, { status: 500, code: "worker_died" });
      else expect(readAnswer(await okJson(response)).rows).toEqual([[499_500 + index]]);
    }
    expect((await server.fetch("/health")).status).toBe(200);
  });
});

describe("a statement without end", () => {
  const endless: readonly string[] = [
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    "SELECT count(*) FROM t a, t b, t c, t d, t e WHERE a.n + b.n + c.n + d.n + e.n = -1",
  ];
  test.each(endless)("is stopped at its deadline: %s", async (sql) => {
    await using brief = await startServer({ limits: { sql_timeout_ms: 2000 } });
    await putDataset(brief, engine, "t", "SELECT range AS n FROM range(1000)");
    await assertProblem(await brief.post("/sql", { sql }), {
      status: 408,
      code: "deadline_exceeded",
    });
    expect((await brief.post("/sql", { sql: "SELECT 1" })).status).toBe(200);
  });

  test("ends with its client, long before its deadline", async () => {
    const limits = { sql_workers: 1, sql_timeout_ms: 600_000 };
    await using single = await startServer({ limits });
    const client = new AbortController();
    const response = await single.fetch("/sql", {
      method: "POST",
      signal: client.signal,
      headers: { accept: "text/csv" },
      body: JSON.stringify({ sql: "SELECT range FROM range(1000000000000)" }),
    });
    // It runs: its first rows are here. There is no other worker for the next one.
    expect(response.status).toBe(200);
    const next = single.post("/sql", { sql: "SELECT 1" });
    client.abort();
    expect((await next).status).toBe(200);

    const silent = new AbortController();
    const unheard = single.fetch("/sql", {
      method: "POST",
      signal: silent.signal,
      body: JSON.stringify({
        sql: "SELECT count(*) FROM range(1000000000000000) WHERE range % 7 = 9",
      }),
    });
    const last = single.post("/sql", { sql: "SELECT 2" });
    silent.abort();
    expect(
      await unheard.then(
        () => "answered",
        () => "gone",
      ),
    ).toBe("gone");
    expect((await last).status).toBe(200);
  });
});

describe("a statement that needs too much", () => {
  const greedy: readonly string[] = [
    "SELECT list(repeat('x', 1000000)) FROM range(100000)",
    "SELECT count(DISTINCT repeat(a.n || '-' || b.n || '-' || c.n, 100)) FROM t a, t b, t c",
    "SELECT repeat('x', 4000000000)",
  ];
  test.each(greedy)("fails cleanly or at its deadline: %s", async (sql) => {
    const response = await server.post("/sql", { sql });
    const code = /"code":"(\w+)"/.exec(await response.text())?.[1];
    expect(["limit_exceeded", "deadline_exceeded", "worker_died"]).toContain(code ?? "none");
    await expectService();
  });

  test("spills to disk before it fails", async () => {
    await using small = await startServer({
      limits: { sql_memory_bytes: 100 * MIB, sql_timeout_ms: PATIENT_MS },
    });
    const sql =
      "SELECT count(*) FROM (SELECT DISTINCT repeat(md5(range::VARCHAR), 3) FROM range(1500000))";
    expect(readAnswer(await okJson(await small.post("/sql", { sql }))).rows).toEqual([[1_500_000]]);
  });

  test("leaves room for the next one: its worker is replaced", async () => {
    // Filling the memory takes a few seconds, more on a busy machine; the deadline is not the point.
    await using patient = await startServer({
      limits: { sql_workers: 2, sql_memory_bytes: 512 * MIB, sql_timeout_ms: PATIENT_MS },
    });
    for (let round = 0; round < 2; round++) {
      const greed = patient.post("/sql", { sql: "SELECT list(range) FROM range(1000000000)" });
      await assertProblem(await greed, { status: 422, code: "limit_exceeded" });
      const modest = { sql: "SELECT length(repeat('x', 100000000))" };
      expect(readAnswer(await okJson(await patient.post("/sql", modest))).rows).toEqual([[1e8]]);
    }
  });

  test("leaves nothing on disk once its worker was replaced", async () => {
    const scratch = join(server.config_path, "../scratch");
    const spilled = async (): Promise<number> =>
      (await readdir(scratch, { recursive: true })).filter((path) => path.endsWith(".tmp")).length;
    // Each new worker sweeps what is left of those that are gone.
    while ((await spilled()) > 0) {
      await server.post("/sql", { sql: "SELECT list(range) FROM range(1000000000)" });
      await expectService();
    }
  });
});

describe("a result beyond the limit", () => {
  test("is a problem if nothing was sent yet", async () => {
    const response = await server.post("/sql", { sql: "SELECT repeat('x', 30000000) AS x" });
    await assertProblem(response, { status: 422, code: "result_too_large" });
  });

  test("resets the connection otherwise: never a short 200", async () => {
    for (const accept of ["application/json", "text/csv", "application/x-ndjson"]) {
      const outcome = await server
        .fetch("/sql", {
          method: "POST",
          headers: { accept },
          body: JSON.stringify({ sql: "SELECT n, repeat('x', 1000) FROM t, range(1000)" }),
        })
        .then((response) => response.text())
        .then(
          () => "whole",
          () => "reset",
        );
      expect(outcome).toBe("reset");
    }
    await expectService();
  });
});
