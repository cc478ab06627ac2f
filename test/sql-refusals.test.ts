import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { putDataset } from "./support/datasets.ts";
import { okJson, startServer, type TestServer } from "./support/server.ts";
import { openTestEngine, readAnswer, type TestEngine } from "./support/test-engine.ts";

/** Statements that try to get out: none reads a file, writes one, or learns about this machine. */

setDefaultTimeout(60_000);

let server: TestServer;
let engine: TestEngine;

beforeAll(async () => {
  [server, engine] = await Promise.all([startServer(), openTestEngine()]);
  await putDataset(server, engine, "t", "SELECT 1 AS a, 'x' AS b");
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

const OUT = join(process.cwd(), "sql-refusals-out.parquet");
const statements: readonly string[] = [
  "SELECT * FROM '/etc/passwd'",
  "SELECT * FROM read_csv('/etc/passwd')",
  "SELECT * FROM read_text('/etc/passwd')",
  "SELECT * FROM read_blob('/etc/passwd')",
  "SELECT * FROM read_parquet('/tmp/**/*.parquet')",
  "SELECT * FROM parquet_metadata('/etc/passwd')",
  "SELECT * FROM glob('/etc/*')",
  "SELECT * FROM sniff_csv('/etc/passwd')",
  `COPY t TO '${OUT}'`,
  `COPY (SELECT * FROM t) TO '${OUT}' (FORMAT parquet)`,
  `EXPORT DATABASE '${OUT}'`,
  `ATTACH '${OUT}' AS db`,
  "INSTALL httpfs",
  "LOAD httpfs",
  "SET threads = 1",
  "SET enable_external_access = true",
  "RESET lock_configuration",
  "PRAGMA database_list",
  "CALL enable_logging(storage = 'file')",
  "CREATE TABLE x AS SELECT 1",
  "CREATE MACRO sum(x) AS 666",
  "CREATE OR REPLACE VIEW t AS SELECT 666 AS a",
  "DROP VIEW t",
  "INSERT INTO t VALUES (1, 'x')",
  "SELECT 1; DROP VIEW t",
  "EXPLAIN ANALYZE SELECT 1",
  "PREPARE p AS SELECT 1",
  "SET VARIABLE v = 1",
  "USE memory",
  "SHOW TABLES",
  "SELECT * FROM query('SELECT 1')",
  "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
  "SELECT * FROM duckdb_settings()",
  "SELECT * FROM duckdb_views()",
  "SELECT sql FROM duckdb_views",
  "SELECT sql FROM sqlite_master",
  "SELECT * FROM information_schema.tables",
  "SELECT * FROM pg_catalog.pg_views",
  "SELECT pg_get_viewdef(oid) FROM range(2000) o(oid)",
  "SELECT current_setting('temp_directory')",
  "SELECT getenv('PATH')",
  "SELECT sleep_ms(60000)",
  "SELECT list_sort({'a': [1]}::VARIANT)",
];

describe("a statement that is not a harmless SELECT is refused", () => {
  test.each(statements)("%s", async (sql) => {
    const response = await server.post("/sql", { sql });
    const text = await response.text();
    expect(`${response.status} ${text}`).toMatch(/^400 .*"code":"(sql_not_allowed|invalid_sql)"/);
    expect(text).toContain('"hint"');
  });

  test("and none of them left a trace", async () => {
    expect(existsSync(OUT)).toBe(false);
    const body = await okJson(await server.post("/sql", { sql: "SELECT sum(a) FROM t" }));
    expect(readAnswer(body).rows).toEqual([[1]]);
  });
});

describe("what a failing statement tells", () => {
  const revealing: readonly string[] = [
    "SELECT b::INTEGER FROM t",
    "SELECT nosuch FROM t",
    "SELECT filename FROM t",
    "SELECT * FROM t JOIN nosuch USING (a)",
    "SELECT error('own text') FROM t",
    "SELECT a FROM t WHERE a = (SELECT a FROM t UNION ALL SELECT 2)",
    "SELECT (1::TINYINT + 127::TINYINT) FROM t",
    "DESCRIBE SELECT nosuch FROM t",
    "FROM main.nosuch",
  ];
  test.each(revealing)("%s names no path of this machine and no stack", async (sql) => {
    const text = await (await server.post("/sql", { sql })).text();
    for (const path of [server.data_path, process.cwd(), "/tmp/", "scratch", "node_modules"]) {
      if (path !== undefined) expect(text).not.toContain(path);
    }
    expect(text).not.toMatch(/\bat \S+ \(|\.parquet|\.ts:\d/);
  });
});
