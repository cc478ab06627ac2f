import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { sqlLiteral } from "../core/duckdb.ts";
import { isRecord } from "../core/json.ts";
import { nothingStored, typesOf } from "./support/ingest-answers.ts";
import { struct, withFooter, withSchema, withSchemaNames } from "./support/parquet-footer.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";

/** Parquet through `POST /ingest`: kept byte for byte once every value of it was read. */

const seed = process.env["LAKEHOUSE_TEST_SEED"];
const runs = seed === undefined ? {} : { seed: Number(seed) };

let folder = "";
let engine: DuckDBInstance;
let connection: DuckDBConnection;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-parquet-"));
  engine = await DuckDBInstance.create(":memory:", { threads: "1" });
  connection = await engine.connect();
  await connection.run("SET TimeZone = 'UTC'");
});
afterAll(async () => {
  connection.closeSync();
  engine.closeSync();
  await rm(folder, { recursive: true, force: true });
});

/** A file written by the engine of the test, which is not the one of the server. */
async function parquet(select: string, options = ""): Promise<Buffer> {
  const path = join(folder, "written.parquet");
  await connection.run(`COPY (${select}) TO ${sqlLiteral(path)} (FORMAT parquet ${options})`);
  return Buffer.from(await Bun.file(path).arrayBuffer());
}

const upload = (
  server: TestServer,
  body: Uint8Array,
  query = "?name=x",
  type = "application/vnd.apache.parquet",
): Promise<Response> =>
  server.fetch(`/ingest${query}`, { method: "POST", body, headers: { "content-type": type } });

const select = async (server: TestServer, sql: string): Promise<unknown> =>
  (await okJson(await server.post("/sql", { sql })))["rows"];

const SALES = "SELECT i AS id, 'city ' || i AS city, i / 4 AS amount FROM range(1000) t(i)";

/** In column `n` row `n` is null. */
const columns = (count: number): string =>
  Array.from({ length: count }, (_, i) => `nullif(i, ${i}) AS c${i}`).join(", ");

describe("a Parquet file", () => {
  test("becomes a dataset that SQL reads, its bytes as they came", async () => {
    await using server = await startServer();
    const file = await parquet(SALES, ", ROW_GROUP_SIZE 2048");
    const answer = await okJson(await upload(server, file, "?name=x&report=true"));
    expect(answer).toMatchObject({
      existing: false,
      row_count: 1000,
      parquet_size: file.length,
      report: { format: "parquet", columns: [{ name: "id", null_count: 0 }, {}, {}] },
    });
    expect(typesOf(answer)).toEqual({ id: "int64", city: "utf8", amount: "float64" });
    const stored = await server.fetch(`/storage/get/${String(answer["parquet_key"])}`);
    expect(Buffer.from(await stored.arrayBuffer()).equals(file)).toBe(true);
    expect(await select(server, "SELECT count(*), sum(id), max(city) FROM x")).toEqual([
      [1000, 499_500, "city 999"],
    ]);
  });

  test("is known by its media types, its suffix, and by itself if nothing is said", async () => {
    await using server = await startServer();
    const file = await parquet("SELECT 1 AS a");
    const keys = new Set<unknown>();
    for (const type of ["application/x-parquet", "application/octet-stream", "text/plain"]) {
      keys.add((await okJson(await upload(server, file, "?name=x", type)))["parquet_key"]);
    }
    for (const name of ["a.parquet", "a", "a.parquet.zst"]) {
      const form = new FormData();
      const bytes = name.endsWith("zst") ? Bun.zstdCompressSync(file) : file;
      form.append("file", new File([bytes], name));
      const response = await server.fetch("/ingest?name=x", { method: "POST", body: form });
      keys.add((await okJson(response))["parquet_key"]);
    }
    expect(keys.size).toBe(1);
    const csv = await okJson(
      await upload(server, Buffer.from("PAR1,b\n1,2\n"), "?name=y", "text/plain"),
    );
    expect(typesOf(csv)).toEqual({ PAR1: "int64", b: "int64" });
  });

  test("keeps every type for what it is", async () => {
    await using server = await startServer();
    const file = await parquet(`SELECT
      (-1)::TINYINT i8, 255::UTINYINT u8, 1::SMALLINT i16, 1::USMALLINT u16, 1::INTEGER i32,
      1::UINTEGER u32, 1::BIGINT i64, 18446744073709551615::UBIGINT u64, 0.1::FLOAT f32, 0.1::DOUBLE f64,
      true b, 1.5::DECIMAL(4,1) AS "dec", '\\xFF\\x00'::BLOB bin, DATE '2024-02-29' d, TIME '10:00:00.5' t,
      TIMESTAMP '2024-01-01 00:00:00.123456' ts, TIMESTAMP_NS '2024-01-01 00:00:00.123456789' ns,
      TIMESTAMPTZ '2024-01-01 00:00:00Z' tz, '8a8a8a8a-0000-4000-8000-000000000001'::UUID u,
      '{ "a": 1 }'::JSON j, [1, NULL]::INTEGER[] l, {'a': 1::TINYINT, 'b c': ['x']} s, MAP {'k': 1.5::FLOAT} m,
      INTERVAL 1 MONTH iv`);
    expect(typesOf(await okJson(await upload(server, file)))).toEqual({
      i8: "int8",
      u8: "uint8",
      i16: "int16",
      u16: "uint16",
      i32: "int32",
      u32: "uint32",
      i64: "int64",
      u64: "uint64",
      f32: "float32",
      f64: "float64",
      b: "bool",
      dec: "decimal128(4, 1)",
      bin: "binary",
      d: "date32[day]",
      t: "time64[us]",
      ts: "timestamp[us]",
      ns: "timestamp[ns]",
      tz: "timestamp[us, tz=UTC]",
      u: "extension<arrow.uuid>",
      j: "extension<arrow.json>",
      l: "list<item: int32>",
      s: 'struct<a: int8, "b c": list<item: utf8>>',
      m: "map<utf8, float32>",
      iv: "month_day_nano_interval",
    });
    const sql =
      'SELECT i8, u8, u64::VARCHAR, "dec"::VARCHAR, ns::VARCHAR, l, s::VARCHAR, j::VARCHAR';
    expect(await select(server, `${sql} FROM x`)).toEqual([
      [
        -1,
        255,
        "18446744073709551615",
        "1.5",
        "2024-01-01 00:00:00.123456789",
        [1, null],
        "{'a': 1, 'b c': [x]}",
        '{ "a": 1 }',
      ],
    ]);
  });

  test("of which SQL cannot show all that it holds says so", async () => {
    await using server = await startServer();
    const file = await parquet("SELECT 1 AS a, TIMESTAMPTZ '2024-01-01 00:00:00Z' AS at");
    // LogicalType: TIMESTAMP, adjusted to UTC, in nanoseconds.
    const nanoseconds = struct([1, { kind: "bool", value: true }], [2, struct([3, struct()])]);
    const changed = withSchema(file, (fields, index) => {
      if (index === 1) fields.set(10, struct([8, nanoseconds])).delete(6);
    });
    const answer = await okJson(await upload(server, changed));
    expect(typesOf(answer)).toEqual({ a: "int32", at: "timestamp[us, tz=UTC]" });
    expect(answer["notices"]).toEqual([
      "The file keeps its nanoseconds, but SQL shows microseconds of: at.",
    ]);
  });

  test("is idempotent, and a conflict if its columns are others", async () => {
    await using server = await startServer();
    const first = await okJson(await upload(server, await parquet(SALES)));
    const again = await okJson(await upload(server, await parquet(SALES)));
    expect(again).toMatchObject({ existing: true, parquet_key: first["parquet_key"] });
    const csv = await server.fetch("/ingest?name=x", {
      method: "POST",
      body: "id,city,amount\n7,Bern,0.25\n",
      headers: { "content-type": "text/csv" },
    });
    expect(await okJson(csv)).toMatchObject({ existing: true, row_count: 1 });
    const other = await parquet("SELECT 1.5::DOUBLE AS id, 'x' AS city, 1.5::DOUBLE AS amount");
    const problem = await assertProblem(await upload(server, other), {
      status: 409,
      code: "schema_conflict",
    });
    expect(problem["diff"]).toMatchObject({
      retyped: [{ name: "id", from: "int64", to: "float64" }],
    });
    expect(await select(server, "SELECT city FROM x")).toEqual([["Bern"]]);
  });

  test("without rows is a dataset without rows", async () => {
    await using server = await startServer();
    const answer = await okJson(await upload(server, await parquet("SELECT 1 AS a LIMIT 0")));
    expect(answer).toMatchObject({ row_count: 0 });
    expect(await select(server, "SELECT count(*) FROM x")).toEqual([[0]]);
  });

  test("of many columns is read whole", async () => {
    await using server = await startServer({ limits: { dataset_columns: 200 } });
    const answer = await okJson(
      await upload(
        server,
        await parquet(`SELECT ${columns(200)} FROM range(200) t(i)`),
        "?name=x&report=true",
      ),
    );
    const report = isRecord(answer["report"]) ? answer["report"]["columns"] : [];
    expect((Array.isArray(report) ? report : []).map((each) => each.null_count)).toEqual(
      Array.from({ length: 200 }, () => 1),
    );
    const wider = await parquet(`SELECT ${columns(201)} FROM range(1) t(i)`);
    await assertProblem(await upload(server, wider, "?name=y"), {
      status: 422,
      code: "limit_exceeded",
    });
  });
});

describe("a Parquet file that cannot be taken as it is", () => {
  test("is refused with the reason, and nothing is stored", async () => {
    await using server = await startServer();
    const file = await parquet(SALES);
    const footer_bytes = file.readUInt32LE(file.length - 8);
    const flipped = Buffer.from(file);
    flipped.fill(0xff, 4, 400);
    const long_footer = Buffer.from(file);
    long_footer.writeUInt32LE(file.length * 2, file.length - 8);
    await connection.run("SET force_mbedtls_unsafe = 'true'");
    await connection.run("PRAGMA add_parquet_key('k', '0123456789112345')");
    const cases: readonly (readonly [Buffer, string])[] = [
      [file.subarray(0, -1), "no_magic"],
      [file.subarray(0, 10), "no_magic"],
      [Buffer.from("a,b\n1,2\n"), "no_magic"],
      [Buffer.concat([Buffer.from("PAR1"), file.subarray(-8)]), "unreadable"],
      [Buffer.concat([file.subarray(0, 4), file.subarray(-footer_bytes - 8)]), "unreadable"],
      [flipped, "unreadable"],
      [long_footer, "unreadable"],
      [await parquet("SELECT 1 AS a", ", ENCRYPTION_CONFIG {footer_key: 'k'}"), "encrypted"],
      [
        withFooter(file, (footer) => footer.set(3, { kind: "int", type: 6, value: 999n })),
        "row_count",
      ],
      [withSchemaNames(file, ["id", "ID", "amount"]), "duplicate_column"],
      [withSchemaNames(file, ["id", "", "amount"]), "bad_column_name"],
      [withSchemaNames(file, ["id", "a\u001fb", "amount"]), "bad_column_name"],
      [await parquet("SELECT 1::VARIANT AS v"), "unsupported_type"],
      // 50 digits, said as old files say it; the engine would make a double of them.
      [
        withSchema(await parquet("SELECT 1.5::DECIMAL(38, 2) AS d"), (fields) => {
          fields.set(8, { kind: "int", type: 5, value: 50n }).delete(10);
        }),
        "unsupported_type",
      ],
    ];
    for (const [body, reason] of cases) {
      const problem = await assertProblem(await upload(server, body), {
        status: 400,
        code: "invalid_parquet",
      });
      expect(problem).toMatchObject({ reason });
      expect(JSON.stringify(problem)).not.toContain("scratch");
    }
    await assertProblem(await upload(server, file, "?name=x&delimiter=;"), {
      status: 400,
      code: "invalid_request",
    });
    await nothingStored(server);
  });

  test("cut or with bits flipped never crashes the server, and is stored whole or not", async () => {
    await using server = await startServer({ limits: { ingest_timeout_ms: 20_000 } });
    const file = await parquet(
      "SELECT i AS id, 'c' || i % 7 AS c, [i, NULL] AS l, {'a': i / 3} AS s FROM range(300) t(i)",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(7)), { minLength: 1, maxLength: 3 }),
        fc.option(fc.nat(file.length - 1), { nil: undefined, freq: 4 }),
        async (flips, cut) => {
          const damaged = Buffer.from(file);
          for (const [at, bit] of flips) damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
          const body = cut === undefined ? damaged : damaged.subarray(0, cut);
          const response = await upload(server, body, "?name=fuzz");
          const answer: unknown = await response.json();
          if (!isRecord(answer)) throw new Error("no answer");
          if (response.status === 200) {
            const key = String(answer["parquet_key"]);
            const stored = await server.fetch(`/storage/get/${key}`);
            expect(Buffer.from(await stored.arrayBuffer()).equals(body)).toBe(true);
            await server.fetch("/catalog/manifest/fuzz", { method: "DELETE" });
          } else {
            // The engine may die of a damaged file; then its process does, and no other.
            expect(answer["code"]).toBeOneOf([
              "invalid_parquet",
              "worker_died",
              "limit_exceeded",
              "deadline_exceeded",
              ...(body.length === 0 ? ["invalid_csv"] : []),
            ]);
            expect(await okJson(await server.fetch("/catalog/list"))).toMatchObject({ count: 0 });
          }
        },
      ),
      { numRuns: 120, ...runs },
    );
    expect(await okJson(await server.fetch("/health"))).toMatchObject({ status: "ok" });
    expect(await okJson(await upload(server, file))).toMatchObject({ row_count: 300 });
  }, 180_000);
});
