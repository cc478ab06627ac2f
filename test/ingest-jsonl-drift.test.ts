import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { nothingStored, spools, typesOf } from "./support/ingest-answers.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";

/** What happens when JSON Lines of other columns, or of other types, come for a dataset. */

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const BASE = '{"id": 1, "price": 2.5, "city": "Bern"}\n{"id": 2, "price": 3, "city": null}\n';
const BASE_ROWS = [
  [1, 2.5, "Bern"],
  [2, 3, null],
];

function send(
  name: string,
  body: string,
  query = "",
  type = "application/jsonl",
): Promise<Response> {
  const headers = { "content-type": type };
  return server.fetch(`/ingest?name=${name}${query}`, { method: "POST", headers, body });
}

const sendCsv = (name: string, csv: string): Promise<Response> => send(name, csv, "", "text/csv");

async function rowsOf(table: string): Promise<unknown> {
  const sql = `SELECT * FROM "${table}" ORDER BY id`;
  return (await okJson(await server.post("/sql", { sql })))["rows"];
}

async function manifestOf(name: string, query = ""): Promise<Record<string, unknown>> {
  return okJson(await server.fetch(`/catalog/manifest/${name}${query}`));
}

/** Everything a dataset is: its manifest and its objects. */
async function stateOf(name: string): Promise<unknown> {
  const listed = await okJson(await server.fetch(`/storage/list?prefix=datasets/${name}/`));
  return [await manifestOf(name), listed["objects"]];
}

describe("a file whose values are the same in the registered types", () => {
  test("is no drift: integers for a double, in another order, and a column without a value", async () => {
    const first = await okJson(await send("fits", BASE));
    const again = await okJson(
      await send("fits", '{"city":null,"price":7,"id":3}\n{"price":-8}\n'),
    );
    expect(again).toMatchObject({ existing: true, verdict: "same", row_count: 2 });
    expect(again["manifest"]).toMatchObject({
      version: 2,
      schema_fingerprint: (await manifestOf("fits", "?version=1"))["schema_fingerprint"],
      columns: [
        { id: 1, name: "id", type: "int64" },
        { id: 2, name: "price", type: "float64" },
        { id: 3, name: "city", type: "utf8" },
      ],
    });
    expect(again["parquet_key"]).not.toBe(first["parquet_key"]);
    expect(await rowsOf("fits")).toEqual([
      [3, 7, null],
      [null, -8, null],
    ]);
    expect(await rowsOf("fits@1")).toEqual(BASE_ROWS);
  });

  test("is no drift for a dataset that came as CSV, and is appended to it", async () => {
    await okJson(await sendCsv("mixed", "id,price,city\n1,2.5,Bern\n2,3,\n"));
    const answer = await okJson(
      await send("mixed", '{"city":"Basel","id":3,"price":4}\n', "&mode=append"),
    );
    expect(answer).toMatchObject({ verdict: "same", manifest: { row_count: 3 } });
    expect(await rowsOf("mixed")).toEqual([...BASE_ROWS, [3, 4, "Basel"]]);
  });

  test("may hold anything where values are kept as the JSON they are", async () => {
    const json = "extension<arrow.json>";
    await okJson(await send("json", '{"id": 1, "v": {"a": 1.50}}\n'));
    const answer = await okJson(await send("json", '{"id": 2, "v": "12"}\n{"id": 3, "v": 12}\n'));
    expect(answer).toMatchObject({ verdict: "same" });
    expect(typesOf(answer)).toEqual({ id: "int64", v: json });
    const strings = await okJson(await send("json", '{"id": 2, "v": "x"}\n', "&mode=append"));
    expect(strings).toMatchObject({ verdict: "same" });
    const sql = "SELECT v::VARCHAR FROM json ORDER BY id, v::VARCHAR";
    expect(await okJson(await server.post("/sql", { sql }))).toMatchObject({
      rows: [['"12"'], ['"x"'], ["12"]],
    });
  });
});

describe("a file that does not fit", () => {
  test("is refused by default, with the values that differ and what could be done", async () => {
    await okJson(await send("strict", BASE));
    const before = await stateOf("strict");
    const file = '{"id":3,"price":1,"note":"x"}\n{"id":"4"}\n';
    const problem = await assertProblem(await send("strict", file), {
      status: 409,
      code: "schema_conflict",
    });
    expect(problem["diff"]).toEqual({
      added: [{ name: "note", type: "utf8" }],
      removed: [{ name: "city", type: "utf8" }],
      retyped: [
        {
          name: "id",
          from: "int64",
          to: "extension<arrow.json>",
          widens_to: null,
          reason: expect.any(String),
          decided_by: { row: 2, line: 2, value: '"4"' },
        },
      ],
      reordered: [],
      choices: ["replace"],
    });
    await assertProblem(await send("strict", file, "&schema=widen"), {
      status: 409,
      code: "schema_conflict",
    });
    expect(await stateOf("strict")).toEqual(before);
    expect(await rowsOf("strict")).toEqual(BASE_ROWS);
    expect(await spools(server)).toEqual([]);
  });

  test("is refused if it has numbers for text: JSON says that they are none", async () => {
    await okJson(await send("text", BASE));
    const problem = await assertProblem(await send("text", '{"id":1,"price":1,"city":12}\n'), {
      status: 409,
      code: "schema_conflict",
    });
    expect(problem["diff"]).toMatchObject({
      retyped: [{ name: "city", from: "utf8", to: "int64", widens_to: null }],
      choices: ["replace"],
    });
    // CSV does not say so, and is asked by the same name.
    expect(await okJson(await sendCsv("text", "id,price,city\n1,1,12\n"))).toMatchObject({
      verdict: "same",
    });
  });

  test("with schema=widen makes doubles of integers because of one late fraction", async () => {
    const integers = Array.from({ length: 2000 }, (_, i) => `{"id":${i},"n":${i * 7}}\n`).join("");
    await okJson(await send("late", integers));
    const fractions = `{"n":1,"id":5000}\n${'{"id":5001,"n":2}\n'.repeat(500)}{"id":5002,"n":0.5}\n`;
    const answer = await okJson(await send("late", fractions, "&mode=append&schema=widen"));
    expect(answer).toMatchObject({
      verdict: "widened",
      row_count: 502,
      manifest: { version: 2, row_count: 2502 },
    });
    expect(typesOf(answer)).toEqual({ id: "int64", n: "float64" });
    const sql = "SELECT count(*), sum(n), min(n), max(n), any_value(typeof(n)) FROM late";
    expect(await okJson(await server.post("/sql", { sql }))).toMatchObject({
      rows: [[2502, 7 * 1999 * 1000 + 1001.5, 0, 13_993, "DOUBLE"]],
    });
    expect(await manifestOf("late", "?version=1")).toMatchObject({ row_count: 2000 });
  });

  test("with schema=widen adds columns, and leaves what it lacks to null", async () => {
    await okJson(await send("wide", BASE));
    const file = '{"note": "late", "id": 3, "tags": ["a"]}\n';
    const answer = await okJson(await send("wide", file, "&mode=append&schema=widen"));
    expect(answer).toMatchObject({
      verdict: "widened",
      manifest: {
        columns: [
          { id: 1, name: "id" },
          { id: 2, name: "price" },
          { id: 3, name: "city" },
          { id: 4, name: "note", type: "utf8" },
          { id: 5, name: "tags", type: "extension<arrow.json>" },
        ],
      },
    });
    const sql = "SELECT id, price, city, note, tags::VARCHAR FROM wide ORDER BY id";
    expect(await okJson(await server.post("/sql", { sql }))).toMatchObject({
      rows: [
        [1, 2.5, "Bern", null, null],
        [2, 3, null, null, null],
        [3, null, null, "late", '["a"]'],
      ],
    });
    // Sent again it adds nothing, and it fits what it made.
    const again = await okJson(await send("wide", file, "&mode=append&schema=widen"));
    expect(again["manifest"]).toMatchObject({ row_count: 3 });
  });

  test("with schema=replace starts anew, with fresh column ids", async () => {
    await okJson(await send("anew", BASE));
    const answer = await okJson(await send("anew", '{"city": 1, "id": "x"}\n', "&schema=replace"));
    expect(answer).toMatchObject({
      verdict: "replaced",
      manifest: {
        columns: [
          { id: 4, name: "city", type: "int64" },
          { id: 5, name: "id", type: "utf8" },
        ],
      },
    });
    expect(await rowsOf("anew")).toEqual([[1, "x"]]);
    expect(await rowsOf("anew@1")).toEqual(BASE_ROWS);
  });
});

describe("dry_run", () => {
  test("tells what would be, stores nothing, and leaves no file", async () => {
    await using empty = await startServer();
    const answer = await okJson(
      await empty.fetch("/ingest?name=ghost&dry_run=true", {
        method: "POST",
        headers: { "content-type": "application/jsonl" },
        body: `${BASE}{"id": 3\n`,
      }),
    );
    expect(answer).toMatchObject({ dry_run: true, verdict: "new", row_count: 2 });
    expect(answer["report"]).toMatchObject({ format: "jsonl", bad_count: 1, accepted: false });
    await nothingStored(empty);
  });

  test("says of a file that does not fit what the 409 would say", async () => {
    await okJson(await send("judged", BASE));
    const before = await stateOf("judged");
    const other = '{"id":1.5,"price":1}\n';
    const answer = await okJson(await send("judged", other, "&dry_run=true"));
    const problem = await assertProblem(await send("judged", other), {
      status: 409,
      code: "schema_conflict",
    });
    expect(answer["verdict"]).toBe("conflict");
    expect(answer["diff"]).toEqual(problem["diff"]);
    expect(answer["schema_fingerprint"]).toBe(problem["schema_fingerprint"]);
    const widened = await okJson(await send("judged", other, "&dry_run=true&schema=widen"));
    expect(widened).toMatchObject({ verdict: "widened", columns: [{ type: "float64" }, {}, {}] });
    expect(await stateOf("judged")).toEqual(before);
    expect(await spools(server)).toEqual([]);
  });
});
