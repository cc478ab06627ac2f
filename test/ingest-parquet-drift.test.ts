import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { sqlLiteral } from "../core/duckdb.ts";
import { nothingStored, spools, typesOf } from "./support/ingest-answers.ts";
import { struct, withSchema } from "./support/parquet-footer.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";

/** What happens when Parquet of other columns, or of other types, comes for a dataset. */

let folder = "";
let engine: DuckDBInstance;
let connection: DuckDBConnection;
let server: TestServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-parquet-"));
  engine = await DuckDBInstance.create(":memory:", { threads: "1" });
  connection = await engine.connect();
  await connection.run("SET TimeZone = 'UTC'");
  server = await startServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  connection.closeSync();
  engine.closeSync();
  await rm(folder, { recursive: true, force: true });
});

async function parquet(select: string): Promise<Buffer> {
  const path = join(folder, "written.parquet");
  await connection.run(`COPY (${select}) TO ${sqlLiteral(path)} (FORMAT parquet)`);
  return Buffer.from(await Bun.file(path).arrayBuffer());
}

function upload(
  name: string,
  body: Uint8Array | string,
  query = "",
  type = "application/vnd.apache.parquet",
): Promise<Response> {
  const headers = { "content-type": type };
  return server.fetch(`/ingest?name=${name}${query}`, { method: "POST", headers, body });
}

const send = async (name: string, select: string, query = ""): Promise<Response> =>
  upload(name, await parquet(select), query);

async function rowsOf(table: string, columns = "*"): Promise<unknown> {
  const sql = `SELECT ${columns} FROM "${table}" ORDER BY id`;
  return (await okJson(await server.post("/sql", { sql })))["rows"];
}

/** Everything a dataset is: its manifest and its objects. */
async function stateOf(name: string): Promise<unknown> {
  const listed = await okJson(await server.fetch(`/storage/list?prefix=datasets/${name}/`));
  return [await okJson(await server.fetch(`/catalog/manifest/${name}`)), listed["objects"]];
}

const base = async (name: string): Promise<Record<string, unknown>> =>
  okJson(await upload(name, "id,price,city\n1,2.5,Bern\n2,3,\n", "", "text/csv"));
const BASE_ROWS = [
  [1, 2.5, "Bern"],
  [2, 3, null],
];
const CONFLICT = { status: 409, code: "schema_conflict" } as const;

describe("a file whose values are the same in the registered types", () => {
  test("is written anew in those: narrow integers, integers for a double, another order", async () => {
    await base("fits");
    const answer = await okJson(
      await send("fits", "SELECT 'Basel' AS city, 7 AS id, 8::BIGINT AS price", "&mode=append"),
    );
    expect(answer).toMatchObject({ verdict: "same", row_count: 1, manifest: { row_count: 3 } });
    expect(typesOf(answer)).toEqual({ id: "int64", price: "float64", city: "utf8" });
    expect(answer["notices"]).toEqual([
      "The file was written anew in the types of the dataset: id (int32 as int64), price (int64 as float64).",
    ]);
    expect(await rowsOf("fits")).toEqual([...BASE_ROWS, [7, 8, "Basel"]]);
    // Every object has the columns of the dataset: nothing is cast when it is read.
    const { objects } = await okJson(await server.fetch("/catalog/manifest/fits"));
    expect(objects).toHaveLength(2);
    expect(JSON.stringify(objects)).not.toContain("columns");
  });

  test("of decimals goes into a wider decimal", async () => {
    await okJson(await send("wider", "SELECT 1 AS id, 1.5::DECIMAL(38, 9) AS v"));
    const answer = await okJson(await send("wider", "SELECT 2 AS id, 12.25::DECIMAL(5, 2) AS v"));
    expect(answer).toMatchObject({ verdict: "same" });
    expect(await rowsOf("wider", "v::VARCHAR")).toEqual([["12.250000000"]]);
  });
});

describe("a file that does not fit", () => {
  test("is refused for one integer that a double would change, and nothing changes", async () => {
    await base("strict");
    const before = await stateOf("strict");
    const many = "SELECT i AS id, CASE i WHEN 99999 THEN 9007199254740993 ELSE i END AS price";
    const select = `${many}, 'x' AS city FROM range(100000) t(i)`;
    for (const query of ["", "&schema=widen", "&mode=append"]) {
      const problem = await assertProblem(await send("strict", select, query), CONFLICT);
      expect(problem["diff"]).toMatchObject({
        added: [],
        removed: [],
        retyped: [{ name: "price", from: "float64", to: "int64", widens_to: null }],
        choices: ["replace"],
      });
    }
    expect(await stateOf("strict")).toEqual(before);
    expect(await rowsOf("strict")).toEqual(BASE_ROWS);
    expect(await spools(server)).toEqual([]);
  });

  test("with schema=widen widens types, adds columns, and leaves what it lacks to null", async () => {
    await okJson(await send("wide", "SELECT 1::BIGINT AS id, 7::BIGINT AS n, 'a' AS t"));
    const select = "SELECT 2::INTEGER AS id, 0.5::DOUBLE AS n, [1, 2] AS l";
    await assertProblem(await send("wide", select), CONFLICT);
    const answer = await okJson(await send("wide", select, "&schema=widen&mode=append"));
    expect(answer).toMatchObject({
      verdict: "widened",
      manifest: {
        columns: [
          { id: 1, name: "id", type: "int64" },
          { id: 2, name: "n", type: "float64" },
          { id: 3, name: "t", type: "utf8" },
          { id: 4, name: "l", type: "list<item: int32>" },
        ],
      },
    });
    expect(await rowsOf("wide@1")).toEqual([[1, 7, "a"]]);
    const after = await okJson(await send("wide", select, "&schema=widen"));
    expect(after).toMatchObject({ verdict: "widened" });
    expect(await rowsOf("wide", "id, n, t")).toEqual([[2, 0.5, null]]);
  });

  test("with schema=replace is kept as it is, under fresh column ids", async () => {
    await base("anew");
    const file = await parquet("SELECT 1::INTEGER AS id, 'x' AS price");
    const answer = await okJson(await upload("anew", file, "&schema=replace"));
    expect(answer).toMatchObject({
      verdict: "replaced",
      parquet_size: file.length,
      manifest: {
        columns: [
          { id: 4, name: "id", type: "int32" },
          { id: 5, name: "price", type: "utf8" },
        ],
      },
    });
    expect(await rowsOf("anew")).toEqual([[1, "x"]]);
    expect(await rowsOf("anew@1")).toEqual(BASE_ROWS);
  });

  test("is refused where writing it anew would lose nanoseconds that SQL cannot show", async () => {
    await okJson(await send("coarse", "SELECT 1::BIGINT AS id, now() AS at"));
    const file = await parquet("SELECT 2::INTEGER AS id, now() AS at");
    // LogicalType: TIMESTAMP, adjusted to UTC, in nanoseconds.
    const nanoseconds = struct([1, { kind: "bool", value: true }], [2, struct([3, struct()])]);
    const finer = withSchema(file, (fields, index) => {
      if (index === 1) fields.set(10, struct([8, nanoseconds])).delete(6);
    });
    const problem = await assertProblem(await upload("coarse", finer), CONFLICT);
    expect(problem["diff"]).toMatchObject({
      retyped: [{ name: "id", from: "int64", to: "int32" }],
    });
    expect(await okJson(await upload("coarse", file))).toMatchObject({ verdict: "same" });
  });
});

describe("dry_run", () => {
  test("tells what would be, stores nothing, and leaves no file", async () => {
    await using empty = await startServer();
    const body = await parquet("SELECT 1 AS a");
    const answer = await okJson(
      await empty.fetch("/ingest?name=ghost&dry_run=true", { method: "POST", body }),
    );
    expect(answer).toMatchObject({ dry_run: true, verdict: "new", row_count: 1 });
    await nothingStored(empty);
  });

  test("says of a file that does not fit what the 409 would say", async () => {
    await base("judged");
    const before = await stateOf("judged");
    const select = "SELECT 0.5::DOUBLE AS id, 1::BIGINT AS price, 'x' AS city";
    const answer = await okJson(await send("judged", select, "&dry_run=true"));
    const problem = await assertProblem(await send("judged", select), CONFLICT);
    expect(answer).toMatchObject({
      verdict: "conflict",
      diff: problem["diff"],
      schema_fingerprint: problem["schema_fingerprint"],
      report: { accepted: false },
    });
    const widened = await okJson(await send("judged", select, "&dry_run=true&schema=widen"));
    expect(widened).toMatchObject({
      verdict: "widened",
      columns: [{ type: "float64" }, { type: "float64" }, { type: "utf8" }],
      report: { stored: "written anew" },
    });
    expect(await stateOf("judged")).toEqual(before);
    expect(await spools(server)).toEqual([]);
  });
});
