import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { putParquet } from "./support/datasets.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";
import { openTestEngine, readAnswer, type TestEngine } from "./support/test-engine.ts";

/** What a dataset was, and what it is made of when its objects come from different times. */

setDefaultTimeout(60_000);

let server: TestServer;
let engine: TestEngine;

beforeAll(async () => {
  const plugins = { storage: {}, catalog: { retention: 3 }, "ingest-csv": {}, query: {} };
  [server, engine] = await Promise.all([startServer({ plugins }), openTestEngine()]);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

const ingest = async (name: string, csv: string): Promise<void> => {
  await okJson(await server.fetch(`/ingest?name=${name}`, { method: "POST", body: csv }));
};
const sql = (text: string): Promise<Response> => server.post("/sql", { sql: text });
const rowsOf = async (text: string): Promise<unknown> =>
  readAnswer(await okJson(await sql(text))).rows;
const manifest = (path: string): Promise<Response> => server.fetch(`/catalog/manifest/${path}`);

describe("past versions", () => {
  test("are read by name and version, exactly as they were, as long as they are kept", async () => {
    for (let version = 1; version <= 3; version += 1) {
      await ingest("people", `id,name\n${version},v${version}\n0,all\n`);
    }
    const manifests: unknown[] = [];
    for (let version = 1; version <= 3; version += 1) {
      expect(await rowsOf(`SELECT * FROM "people@${version}" ORDER BY id`)).toEqual([
        [0, "all"],
        [version, `v${version}`],
      ]);
      const past = await okJson(await manifest(`people?version=${version}`));
      expect(past).toMatchObject({ version, row_count: 2 });
      manifests.push(past);
    }
    expect(manifests[2]).toEqual(await okJson(await manifest("people")));
    expect(await okJson(await manifest("people/versions"))).toEqual({
      name: "people",
      version: 3,
      versions: [1, 2, 3],
    });
    expect(
      await rowsOf(`SELECT a.name, b.name, "People@2".name FROM "people@1" AS a
                    JOIN people AS b ON a.id = 1 AND b.id = 3 JOIN "People@2" ON "People@2".id = 2`),
    ).toEqual([["v1", "v3", "v2"]]);

    await server.kill();
    await server.restart();
    expect(await rowsOf('SELECT name FROM "people@1" WHERE id = 1')).toEqual([["v1"]]);
    expect(await okJson(await manifest("people?version=2"))).toEqual({ ...Object(manifests[1]) });

    // One more commit, and the first is too old.
    await ingest("people", "id,name\n4,v4\n");
    const gone = await assertProblem(await manifest("people?version=1"), {
      status: 404,
      code: "version_not_found",
    });
    expect(gone).toMatchObject({ versions: [2, 3, 4], hint: expect.stringContaining("2 to 4") });
    const problem = await assertProblem(await sql('SELECT 1 FROM\n "people@1"'), {
      status: 400,
      code: "invalid_sql",
    });
    expect(problem).toMatchObject({
      dataset: "people@1",
      position: { line: 2, column: 2 },
      candidates: ["people@2", "people@3", "people@4"],
    });
    expect(await rowsOf('SELECT name FROM "people@3" WHERE id = 3')).toEqual([["v3"]]);
  });

  test("that cannot be are refused with what was meant", async () => {
    await ingest("cities", "name\nBern\n");
    const wrong: readonly [sql: string, candidates: unknown][] = [
      ['FROM "citis@1"', ["cities@1"]],
      ['FROM "cities@2"', ["cities@1"]],
      ['FROM "cities@01"', undefined],
      ['FROM "cities@0"', undefined],
      ['FROM "cities@"', undefined],
      ['FROM "@1"', undefined],
      ['FROM "cities@1@1"', undefined],
    ];
    for (const [text, candidates] of wrong) {
      const problem = await assertProblem(await sql(text), { status: 400, code: "invalid_sql" });
      if (candidates !== undefined) expect(problem["candidates"]).toEqual(candidates);
    }
    const clause = await assertProblem(await sql("FROM cities AT (VERSION => 1)"), {
      status: 400,
      code: "sql_not_allowed",
    });
    expect(clause["hint"]).toContain('"cities@1"');
    for (const version of ["0", "-1", "1.0", "one", "", "99999999999999999999"]) {
      await assertProblem(await manifest(`cities?version=${version}`), {
        status: 400,
        code: "invalid_request",
      });
    }
    await assertProblem(await manifest("nothing?version=1"), {
      status: 404,
      code: "dataset_not_found",
    });
    await assertProblem(await manifest("nothing/versions"), {
      status: 404,
      code: "dataset_not_found",
    });
  });

  test("do not outlive their dataset", async () => {
    await ingest("again", "a\nold\n");
    await ingest("again", "a\nolder\n");
    await okJson(await server.fetch("/catalog/manifest/again", { method: "DELETE" }));
    await ingest("again", "b\n1\n");
    expect(await rowsOf('FROM "again@1"')).toEqual([[1]]);
    await assertProblem(await manifest("again?version=2"), {
      status: 404,
      code: "version_not_found",
    });
  });
});

interface Part {
  readonly sql: string;
  /** `[id, name, Arrow type]`; those of the dataset where absent. */
  readonly columns?: readonly Physical[];
}
type Physical = readonly [id: number, name: string, type: string];

let made = 0;

/** Registers objects of different columns as one dataset; returns its name. */
async function dataset(columns: readonly Physical[], ...parts: readonly Part[]): Promise<string> {
  made += 1;
  const name = `made_${made}`;
  const objects: unknown[] = [];
  for (const [i, part] of parts.entries()) {
    const object = await putParquet(server, engine, `byhand/${name}/${i}.parquet`, part.sql);
    objects.push({ ...object, ...(part.columns && { columns: part.columns.map(physical) }) });
  }
  const body = {
    name,
    schema_fingerprint: "by hand",
    objects,
    columns: columns.map((each) => ({ ...physical(each), nullable: true })),
  };
  await okJson(await server.post("/catalog/register", body));
  return name;
}

const physical = ([id, name, type]: Physical) => ({ id, name, type });

describe("objects of different columns", () => {
  test("are one table: by column id, cast where the type grew, NULL where a column is missing", async () => {
    const name = await dataset(
      [
        [1, "id", "int64"],
        [2, "amount", "float64"],
        [5, "label", "utf8"],
        [7, "moment", "timestamp[us, tz=UTC]"],
      ],
      {
        // Before `count` was renamed and widened, `gone` dropped, and `moment` added.
        sql: "SELECT 'dropped' AS gone, 7::BIGINT AS count, 1::BIGINT AS id, DATE '2024-02-29' AS label",
        columns: [
          [4, "gone", "utf8"],
          [2, "count", "int64"],
          [1, "id", "int64"],
          [5, "label", "date32[day]"],
        ],
      },
      {
        sql: `SELECT 2::BIGINT AS id, 0.5::DOUBLE AS amount, 'text' AS label,
                     TIMESTAMPTZ '2024-01-01 00:00:00Z' AS moment`,
      },
    );
    const answer = readAnswer(await okJson(await sql(`SELECT * FROM ${name} ORDER BY id`)));
    expect(answer.types).toEqual(["BIGINT", "DOUBLE", "VARCHAR", "TIMESTAMP WITH TIME ZONE"]);
    expect(answer.rows).toEqual([
      [1, 7, "2024-02-29", null],
      [2, 0.5, "text", "2024-01-01T00:00:00Z"],
    ]);
    expect(await rowsOf(`SELECT count(*), sum(amount), count(moment) FROM ${name}`)).toEqual([
      [2, 7.5, 1],
    ]);
  });

  test("keep every digit under a wider type", async () => {
    const max = "9223372036854775807";
    const ints = `SELECT unnest([${max}, -${max} - 1, 0]::BIGINT[]) AS n`;
    const was: Part = { sql: ints, columns: [[1, "n", "int64"]] };
    const wider: readonly [type: string, cell: string, rows: readonly string[]][] = [
      ["utf8", "'x'", ["-9223372036854775808", "0", max, "x"]],
      ["decimal128(38, 0)", "1::DECIMAL(38, 0)", ["-9223372036854775808", "0", "1", max]],
      [
        "decimal128(38, 9)",
        "0.5::DECIMAL(38, 9)",
        ["-9223372036854775808.000000000", "0.000000000", "0.500000000", `${max}.000000000`],
      ],
    ];
    for (const [type, cell, rows] of wider) {
      const name = await dataset([[1, "n", type]], was, { sql: `SELECT ${cell} AS n` });
      expect(await rowsOf(`SELECT n FROM ${name} ORDER BY n`)).toEqual(rows.map((each) => [each]));
    }
    const fifteen = "SELECT unnest([999999999999999, -999999999999999]::BIGINT[]) AS n";
    const doubles = await dataset(
      [[1, "n", "float64"]],
      { sql: fifteen, columns: [[1, "n", "int64"]] },
      { sql: "SELECT 0.5::DOUBLE AS n" },
    );
    expect(await rowsOf(`SELECT n FROM ${doubles} ORDER BY n`)).toEqual([
      [-999999999999999],
      [0.5],
      [999999999999999],
    ]);
    const scaled = await dataset(
      [[1, "n", "decimal128(38, 18)"]],
      { sql: "SELECT 1.123456789::DECIMAL(38, 9) AS n", columns: [[1, "n", "decimal128(38, 9)"]] },
      { sql: "SELECT 0.000000000000000001::DECIMAL(38, 18) AS n" },
    );
    expect(await rowsOf(`SELECT n FROM ${scaled} ORDER BY n`)).toEqual([
      ["0.000000000000000001"],
      ["1.123456789000000000"],
    ]);
  });

  test("of every other type are read unchanged, also where other objects lack the column", async () => {
    const values: readonly [type: string, sql: string, value: unknown][] = [
      ["bool", "true", true],
      ["int8", "1::TINYINT", 1],
      ["int16", "1::SMALLINT", 1],
      ["int32", "1::INTEGER", 1],
      ["uint8", "1::UTINYINT", 1],
      ["uint16", "1::USMALLINT", 1],
      ["uint32", "1::UINTEGER", 1],
      ["uint64", "18446744073709551615::UBIGINT", "18446744073709551615"],
      ["float32", "0.5::FLOAT", 0.5],
      ["binary", "'\\x00'::BLOB", "AA=="],
      ["time64[us]", "TIME '12:34:56'", "12:34:56"],
      ["timestamp[us]", "TIMESTAMP '2024-01-02 03:04:05'", "2024-01-02T03:04:05"],
      ["timestamp[ns]", "'2024-01-02 03:04:05'::TIMESTAMP_NS", "2024-01-02T03:04:05"],
      ["list<item: int32>", "[1, 2]", [1, 2]],
      ["struct<a: int32>", "{'a': 1}", { a: 1 }],
    ];
    const columns = values.map(([type], i): Physical => [i + 2, `c${i}`, type]);
    const cells = values.map(([, cell], i) => `${cell} AS c${i}`).join(", ");
    const name = await dataset(
      [[1, "k", "int64"], ...columns],
      { sql: "SELECT 1::BIGINT AS k", columns: [[1, "k", "int64"]] },
      { sql: `SELECT 2::BIGINT AS k, ${cells}` },
    );
    expect(await rowsOf(`SELECT * FROM ${name} ORDER BY k`)).toEqual([
      [1, ...values.map(() => null)],
      [2, ...values.map(([, , value]) => value)],
    ]);
  });

  const unsound: readonly [why: string, type: string, part: Part][] = [
    [
      "the written form is gone",
      "utf8",
      { sql: "SELECT 0.5::DOUBLE AS n", columns: [[1, "n", "float64"]] },
    ],
    [
      "digits would go",
      "int64",
      { sql: "SELECT 0.5::DOUBLE AS n", columns: [[1, "n", "float64"]] },
    ],
    [
      "the file is not what is said",
      "float64",
      { sql: "SELECT 0.5::DOUBLE AS n", columns: [[1, "n", "int64"]] },
    ],
    [
      "the file lacks what is said",
      "float64",
      { sql: "SELECT 1::BIGINT AS m", columns: [[1, "n", "int64"]] },
    ],
    [
      "the file holds more than is said",
      "float64",
      { sql: "SELECT 1::BIGINT AS n, 2 AS more", columns: [[1, "n", "int64"]] },
    ],
  ];
  test.each(unsound)("are refused where %s", async (_why, type, part) => {
    const name = await dataset([[1, "n", type]], part);
    const problem = await assertProblem(await sql(`FROM ${name}`), {
      status: 500,
      code: "data_corrupt",
    });
    expect(problem["detail"]).toContain(name);
  });

  test("cannot be registered where nobody knows the columns of the dataset", async () => {
    const body = {
      name: "unknown",
      schema_fingerprint: "x",
      objects: [{ key: "k", size: 1, columns: [{ id: 1, name: "n", type: "int64" }] }],
    };
    const problem = await assertProblem(await server.post("/catalog/register", body), {
      status: 400,
      code: "invalid_request",
    });
    expect(problem["pointer"]).toBe("/objects/0/columns");
  });
});
