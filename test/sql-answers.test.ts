import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { putDataset } from "./support/datasets.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";
import { openTestEngine, readAnswer, type TestEngine } from "./support/test-engine.ts";

/** What `POST /sql` answers to statements that are right, and to those that are wrong. */

setDefaultTimeout(60_000);

let server: TestServer;
let engine: TestEngine;

beforeAll(async () => {
  [server, engine] = await Promise.all([
    startServer({ limits: { sql_bytes: 2000, sql_parameters: 3, sql_tables: 3 } }),
    openTestEngine(),
  ]);
  await putDataset(
    server,
    engine,
    "numbers",
    "SELECT range AS n, 'no. ' || range AS t FROM range(10)",
  );
  await putDataset(server, engine, "my-data.v1", "SELECT 1.10::DECIMAL(9, 2) AS price");
  await putDataset(server, engine, "Mixed", "SELECT 'Mixed' AS which");
  await putDataset(server, engine, "two", "SELECT 'lower' AS which");
  await putDataset(server, engine, "TWO", "SELECT 'upper' AS which");
  await putDataset(server, engine, "parts", "SELECT 1 AS a", "SELECT 2 AS a", "SELECT 3 AS a");
  await putDataset(server, engine, "mixed-schema", "SELECT 1 AS a", "SELECT 1.5 AS a");
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

const rowsOf = async (sql: string, params?: unknown): Promise<unknown> =>
  readAnswer(
    await okJson(await server.post("/sql", { sql, ...(params === undefined ? {} : { params }) })),
  ).rows;

const invalid = async (sql: string, params?: unknown): Promise<Record<string, unknown>> => {
  const body = params === undefined ? { sql } : { sql, params };
  return assertProblem(await server.post("/sql", body), { status: 400, code: "invalid_sql" });
};

const accepting = (accept: string, sql: string): Promise<Response> =>
  server.fetch("/sql", { method: "POST", headers: { accept }, body: JSON.stringify({ sql }) });

describe("datasets", () => {
  test("are found by name, quoted where SQL needs it", async () => {
    expect(await rowsOf('SELECT price FROM "my-data.v1"')).toEqual([["1.10"]]);
    expect(await rowsOf("SELECT max(n) FROM main.numbers")).toEqual([[9]]);
  });

  test("are found whatever the case, as long as one name fits", async () => {
    expect(await rowsOf("SELECT which FROM mixed JOIN MIXED AS m USING (which)")).toEqual([
      ["Mixed"],
    ]);
    expect(await rowsOf("SELECT which FROM two")).toEqual([["lower"]]);
    expect(await rowsOf("SELECT which FROM TWO")).toEqual([["upper"]]);
    const ambiguous = await invalid("SELECT which FROM Two");
    expect(ambiguous["candidates"]).toEqual(["TWO", "two"]);
    expect((await invalid("SELECT * FROM two, TWO"))["detail"]).toContain("both");
  });

  test("of several objects are one table", async () => {
    expect(await rowsOf("SELECT a FROM parts ORDER BY a")).toEqual([[1], [2], [3]]);
  });

  test("whose objects differ in types are refused: values would be rounded", async () => {
    const response = await server.post("/sql", { sql: 'SELECT * FROM "mixed-schema"' });
    const problem = await assertProblem(response, { status: 500, code: "data_corrupt" });
    expect(problem["detail"]).toContain("mixed-schema");
  });

  test("that are unknown come back with the position and the nearest name", async () => {
    const problem = await invalid("SELECT *\nFROM number");
    expect(problem).toMatchObject({
      position: { line: 2, column: 6 },
      candidates: ["numbers"],
      hint: "Did you mean numbers?",
    });
    const qualified = await server.post("/sql", { sql: "SELECT * FROM other.numbers" });
    await assertProblem(qualified, { status: 400, code: "sql_not_allowed" });
  });

  test("show no columns that stand for their files", async () => {
    for (const column of ["filename", "file_row_number", "file_index"]) {
      expect((await invalid(`SELECT ${column} FROM numbers`))["detail"]).toContain(column);
    }
  });

  test("without data are empty tables if their columns are known", async () => {
    const columns = [
      "int64",
      "float64",
      "bool",
      "utf8",
      "date32[day]",
      "timestamp[us]",
      "timestamp[us, tz=UTC]",
    ].map((type, index) => ({ id: index + 1, name: `c ${index}`, type, nullable: true }));
    const registration = { schema_fingerprint: "empty", objects: [] };
    await okJson(
      await server.post("/catalog/register", { ...registration, name: "empty", columns }),
    );
    await okJson(await server.post("/catalog/register", { ...registration, name: "unknown" }));
    const body = await okJson(await server.post("/sql", { sql: "SELECT * FROM empty" }));
    expect(readAnswer(body)).toEqual({
      types: [
        "BIGINT",
        "DOUBLE",
        "BOOLEAN",
        "VARCHAR",
        "DATE",
        "TIMESTAMP",
        "TIMESTAMP WITH TIME ZONE",
      ],
      rows: [],
    });
    expect((await invalid("SELECT * FROM unknown"))["detail"]).toContain("without data");
  });
});

describe("parameters", () => {
  test("are positional or named, and keep their type", async () => {
    expect(await rowsOf("SELECT $1, $2 || 'x', $3", [1, "02134", 1.5])).toEqual([
      [1, "02134x", 1.5],
    ]);
    expect(await rowsOf("SELECT typeof(?), typeof(?), typeof(?)", [7, "7", true])).toEqual([
      ["BIGINT", "VARCHAR", "BOOLEAN"],
    ]);
    expect(await rowsOf("SELECT $a, typeof($b), $c", { a: null, b: 0.5, c: "ü😀" })).toEqual([
      [null, "DOUBLE", "ü😀"],
    ]);
    expect(await rowsOf("SELECT t FROM numbers WHERE n = $N", { n: 3 })).toEqual([["no. 3"]]);
  });

  const wrong: readonly [why: string, sql: string, params: unknown][] = [
    ["one is missing", "SELECT ?, ?", [1]],
    ["one is too many", "SELECT ?", [1, 2]],
    ["none is given", "SELECT $a", undefined],
    ["none is wanted", "SELECT 1", [1]],
    ["a name is unknown", "SELECT $a", { b: 1 }],
    ["there are too many", "SELECT ?, ?, ?, ?", [1, 2, 3, 4]],
    ["a whole number was rounded before it came", "SELECT ?", [2 ** 53]],
    ["text holds U+0000", "SELECT ?", ["a\0b"]],
    ["text holds half a surrogate pair", "SELECT ?", ["\ud800"]],
  ];
  test.each(wrong)("are refused when %s", async (_why, sql, params) => {
    await assertProblem(
      await server.post("/sql", { sql, ...(params === undefined ? {} : { params }) }),
      {
        status: 400,
        code: "invalid_parameters",
      },
    );
  });

  test("that are lists or objects are no values", async () => {
    const response = await server.post("/sql", { sql: "SELECT ?", params: [[1]] });
    await assertProblem(response, { status: 400, code: "invalid_request" });
  });
});

describe("formats", () => {
  test("are chosen by Accept", async () => {
    const csv = await accepting("text/csv", "SELECT 1 AS a, NULL AS b, '' AS c");
    expect(csv.headers.get("content-type")).toStartWith("text/csv");
    expect(await csv.text()).toBe('a,b,c\r\n1,,""\r\n');
    const ndjson = await accepting("application/x-ndjson", "SELECT 1 AS a, 2 AS a");
    expect(await ndjson.text()).toBe('{"a":1,"a_2":2}\n');
  });

  const choices: readonly [accept: string, type: string][] = [
    ["*/*", "application/json"],
    ["application/*", "application/json"],
    ["text/*;q=0.5, application/json;q=0.4", "text/csv"],
    ["text/html, */*;q=0.1", "application/json"],
    ["application/json;q=0, */*", "text/csv"],
    ["TEXT/CSV; charset=utf-8", "text/csv"],
  ];
  test.each(choices)("%p gives %p", async (accept, type) => {
    expect((await accepting(accept, "SELECT 1")).headers.get("content-type")).toStartWith(type);
  });

  test.each(["image/png", "application/json;q=0"])("%p gives 406", async (accept) => {
    await assertProblem(await accepting(accept, "SELECT 1"), {
      status: 406,
      code: "not_acceptable",
    });
  });
});

describe("errors", () => {
  const failing: readonly [sql: string, position: unknown, message: string][] = [
    ["SELECT n +\nFROM numbers", { line: 2, column: 1 }, "syntax error"],
    ["SELECT 'é',\n  nn FROM numbers", { line: 2, column: 3 }, '"nn"'],
    ["SELECT n::DATE FROM numbers", { line: 1, column: 9 }, "cast"],
    ["SELECT t::INTEGER FROM numbers", { line: 1, column: 9 }, "no. 0"],
    ["SELECT nosuch(1)", { line: 1, column: 8 }, "nosuch"],
  ];
  test.each(failing)("of %p say where", async (sql, position, message) => {
    const problem = await invalid(sql);
    expect(problem["detail"]).toContain(message);
    expect(problem["detail"]).not.toContain("LINE ");
    expect(problem["position"]).toEqual(position);
  });

  test("in a row of a result of megabytes still have a message", async () => {
    const problem = await invalid(
      "SELECT CASE WHEN range = 200000 THEN error('late') ELSE 'ok' END FROM range(200001)",
    );
    expect(problem["detail"]).toContain("late");
  });

  test("in a row far down reset the connection: a 200 that ends is whole", async () => {
    const sql = `SELECT CASE WHEN range = 2900000 THEN error('late') ELSE 'text to fill the row' END
                 FROM range(3000000)`;
    for (const accept of ["application/json", "text/csv", "application/x-ndjson"]) {
      const response = await accepting(accept, sql);
      expect(response.status).toBe(200);
      expect(
        await response.text().then(
          () => "whole",
          () => "reset",
        ),
      ).toBe("reset");
    }
  });

  test("of the body are told before anything runs", async () => {
    const send = (body: string): Promise<Response> =>
      server.fetch("/sql", { method: "POST", body });
    await assertProblem(await send("{"), { status: 400, code: "invalid_json" });
    await assertProblem(await send("[]"), { status: 400, code: "invalid_request" });
    await assertProblem(await send('{"sql":1}'), { status: 400, code: "invalid_request" });
    await assertProblem(await send('{"sql":"SELECT 1","limit":5}'), {
      status: 400,
      code: "invalid_request",
    });
    await assertProblem(await send('{"sql":"SELECT 1\\u0000"}'), {
      status: 400,
      code: "invalid_sql",
    });
    await assertProblem(await send(JSON.stringify({ sql: `SELECT ${"1".repeat(2000)}` })), {
      status: 413,
      code: "body_too_large",
    });
    const tables = "SELECT * FROM numbers, Mixed, parts, two";
    await assertProblem(await server.post("/sql", { sql: tables }), {
      status: 422,
      code: "limit_exceeded",
    });
  });
});
