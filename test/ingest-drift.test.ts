import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";

/** What happens when a file of other columns, or of other types, comes for a dataset. */

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const BASE = "id,price,day\n1,2.5,2024-01-01\n2,3,2024-01-02\n";

function send(name: string, csv: string, query = ""): Promise<Response> {
  return server.fetch(`/ingest?name=${name}${query}`, {
    method: "POST",
    headers: { "content-type": "text/csv" },
    body: csv,
  });
}

async function rowsOf(table: string, order = "id"): Promise<unknown> {
  const sql = `SELECT * FROM "${table}" ORDER BY ${order}`;
  return (await okJson(await server.post("/sql", { sql })))["rows"];
}

async function manifestOf(name: string, query = ""): Promise<Record<string, unknown>> {
  return okJson(await server.fetch(`/catalog/manifest/${name}${query}`));
}

const BASE_ROWS = [
  [1, 2.5, "2024-01-01"],
  [2, 3, "2024-01-02"],
];

describe("a file whose cells keep their value in the registered types", () => {
  test("is no drift: integers for a double, other order, an empty column", async () => {
    const first = await okJson(await send("fits", BASE));
    const again = await okJson(await send("fits", "day,id,price\n,7,8\n"));
    expect(again).toMatchObject({ existing: true, verdict: "same" });
    expect(again["manifest"]).toMatchObject({
      schema_fingerprint: (await manifestOf("fits", "?version=1"))["schema_fingerprint"],
      version: 2,
    });
    expect(again["parquet_key"]).not.toBe(first["parquet_key"]);
    expect(await rowsOf("fits")).toEqual([[7, 8, null]]);
  });

  test("is text where text is registered, digit by digit", async () => {
    await okJson(await send("codes", "id,code\n1,a7\n"));
    expect(await okJson(await send("codes", "id,code\n2,007\n"))).toMatchObject({
      verdict: "same",
    });
    expect(await rowsOf("codes")).toEqual([[2, "007"]]);
  });
});

describe("a file that does not fit", () => {
  test("is refused by default, with what differs and what could be done", async () => {
    await okJson(await send("strict", BASE));
    const problem = await assertProblem(await send("strict", "id,price,note\nx,1,y\n"), {
      status: 409,
      code: "schema_conflict",
    });
    expect(problem["diff"]).toMatchObject({
      added: [{ name: "note", type: "utf8" }],
      removed: [{ name: "day", type: "date32[day]" }],
      retyped: [{ name: "id", from: "int64", to: "utf8" }],
    });
    expect(await rowsOf("strict")).toEqual(BASE_ROWS);
    expect(await manifestOf("strict")).toMatchObject({ version: 1 });
  });

  test("with schema=widen adds columns, widens types, and leaves old versions readable", async () => {
    await okJson(await send("wide", BASE));
    const widened = await okJson(
      await send(
        "wide",
        "id,price,day,note\n9007199254740993.5,1,2024-02-01,new\n",
        "&schema=widen",
      ),
    );
    expect(widened).toMatchObject({ existing: true, verdict: "widened" });
    expect(await manifestOf("wide")).toMatchObject({
      version: 2,
      columns: [
        { id: 1, name: "id", type: expect.stringMatching(/^decimal128/) },
        { id: 2, name: "price", type: "float64" },
        { id: 3, name: "day", type: "date32[day]" },
        { id: 4, name: "note", type: "utf8" },
      ],
    });
    expect(await rowsOf("wide@1")).toEqual(BASE_ROWS);
    expect(await manifestOf("wide", "?version=1")).toMatchObject({ version: 1, row_count: 2 });
  });

  test("with schema=replace starts anew, under the same id, with fresh column ids", async () => {
    const first = await okJson(await send("anew", BASE));
    const second = await okJson(await send("anew", "day,what\n2024,x\n", "&schema=replace"));
    expect(second).toMatchObject({ existing: true, verdict: "replaced" });
    const before = first["manifest"];
    const after = second["manifest"];
    expect(after).toMatchObject({
      version: 2,
      columns: [
        { id: 4, name: "day", type: "int64" },
        { id: 5, name: "what", type: "utf8" },
      ],
    });
    expect(JSON.stringify(after)).toContain(idOf(before));
    expect(await rowsOf("anew", "day")).toEqual([[2024, "x"]]);
    expect(await rowsOf("anew@1")).toEqual(BASE_ROWS);
  });
});

function idOf(manifest: unknown): string {
  const text = JSON.stringify(manifest);
  return /"dataset_id":"([0-9a-f-]{36})"/.exec(text)?.[1] ?? "no id";
}

describe("mode=append", () => {
  test("adds rows, once however often it is sent", async () => {
    await okJson(await send("log", BASE));
    const more = "id,price,day\n3,4,\n";
    for (const version of [2, 3]) {
      const answer = await okJson(await send("log", more, "&mode=append"));
      expect(answer).toMatchObject({
        existing: true,
        row_count: 1,
        manifest: { version, row_count: 3 },
      });
    }
    expect(await rowsOf("log")).toEqual([...BASE_ROWS, [3, 4, null]]);
  });

  test("with schema=widen reads all objects under the new columns", async () => {
    await okJson(await send("grow", BASE));
    await okJson(
      await send("grow", "id,price,day,note\n3,1,2024-03-01,late\n", "&mode=append&schema=widen"),
    );
    expect(await rowsOf("grow")).toEqual([
      [1, 2.5, "2024-01-01", null],
      [2, 3, "2024-01-02", null],
      [3, 1, "2024-03-01", "late"],
    ]);
    expect(await manifestOf("grow")).toMatchObject({ row_count: 3 });
    expect(await rowsOf("grow@1")).toEqual(BASE_ROWS);
  });

  test("makes the dataset if there is none", async () => {
    expect(await okJson(await send("fresh", BASE, "&mode=append"))).toMatchObject({
      existing: false,
      verdict: "new",
    });
  });
});

describe("dry_run", () => {
  test("tells what would be, and stores nothing", async () => {
    const answer = await okJson(await send("ghost", BASE, "&dry_run=true"));
    expect(answer).toMatchObject({ dry_run: true, verdict: "new", row_count: 2 });
    expect(answer["report"]).toMatchObject({ format: "csv", encoding: "utf-8" });
    await assertProblem(await server.fetch("/catalog/manifest/ghost"), {
      status: 404,
      code: "dataset_not_found",
    });
    const listed = await okJson(await server.fetch("/storage/list?prefix=datasets/ghost/"));
    expect(listed["objects"]).toEqual([]);
    const committed = await okJson(await send("ghost", BASE));
    expect(committed["manifest"]).toMatchObject({
      schema_fingerprint: answer["schema_fingerprint"],
    });
  });

  test("says of a file that does not fit what the 409 would say", async () => {
    await okJson(await send("judged", BASE));
    const other = "id,price\nx,1\n";
    const answer = await okJson(await send("judged", other, "&dry_run=true"));
    const problem = await assertProblem(await send("judged", other), {
      status: 409,
      code: "schema_conflict",
    });
    expect(answer["verdict"]).toBe("conflict");
    expect(answer["diff"]).toEqual(problem["diff"]);
    expect(answer["schema_fingerprint"]).toBe(problem["schema_fingerprint"]);
  });
});

test("of uploads that race, each is judged against what it replaces", async () => {
  const files = Array.from({ length: 6 }, (_, index) => `id,c${index}\n${index},x\n`);
  const answers = await Promise.all(
    files.map((csv) => send("race", csv, "&schema=widen&mode=append")),
  );
  for (const answer of answers) await okJson(answer);
  const manifest = await manifestOf("race");
  expect(manifest).toMatchObject({ version: 6, row_count: 6 });
  const rows = await rowsOf("race");
  expect(rows).toHaveLength(6);
  const { columns } = manifest;
  const ids = Array.isArray(columns)
    ? columns.map((column: unknown) => JSON.stringify(column))
    : [];
  expect(new Set(ids).size).toBe(7);
});

test("a file of bad rows alone replaces nothing", async () => {
  await okJson(await send("kept", BASE));
  const problem = await assertProblem(
    await send("kept", "id,price,day\n1\n2\n", "&on_error=reject"),
    {
      status: 400,
      code: "invalid_csv",
    },
  );
  expect(problem).toMatchObject({ bad_count: 2, reason: "all_bad" });
  expect(await rowsOf("kept")).toEqual(BASE_ROWS);
});

test("an unknown value of a parameter is refused by its name", async () => {
  for (const query of ["&schema=loose", "&mode=merge", "&dry_run=yes"]) {
    await assertProblem(await send("never", BASE, query), { status: 400, code: "invalid_request" });
  }
});
