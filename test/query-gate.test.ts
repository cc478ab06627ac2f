import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { LakehouseError } from "../core/error.ts";
import type { Inspection } from "../plugins/query/gate.ts";
import { inspectWith } from "../plugins/query/inspect.ts";
import { openTestEngine, type TestEngine } from "./support/test-engine.ts";

/**
 * The gate against the engine's own parser: what it lets through, what it refuses, and that it
 * finds exactly the tables the engine will look for.
 */

let engine: TestEngine;
const gate = (sql: string): Promise<Inspection> => inspectWith(engine.connection, sql);
beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

const tablesOf = async (sql: string): Promise<string[]> =>
  (await gate(sql)).tables.map(({ name }) => name).sort();

async function refusalOf(sql: string): Promise<LakehouseError> {
  try {
    await gate(sql);
  } catch (error) {
    if (error instanceof LakehouseError) return error;
    throw error;
  }
  throw new Error(`the gate let it through: ${sql}`);
}

describe("the gate lets through", () => {
  const accepted: readonly [sql: string, tables: readonly string[]][] = [
    ["SELECT 1", []],
    ["SELECT 1;", []],
    ["FROM t", ["t"]],
    ["TABLE t", ["t"]],
    ["VALUES (1, 2), (3, 4)", []],
    ["SELECT * FROM main.t", ["t"]],
    ['SELECT * FROM "my-data.v1" AS d, "It""s"', ['It"s', "my-data.v1"]],
    [
      "SELECT * FROM t ORDER BY a DESC NULLS LAST, b COLLATE NOCASE LIMIT (SELECT count(*) FROM u)",
      ["t", "u"],
    ],
    ["SELECT DISTINCT ON (a) a, b FROM t ORDER BY ALL LIMIT 10 PERCENT", ["t"]],
    ["SELECT a, sum(b) FILTER (WHERE b > 0) FROM t GROUP BY ROLLUP (a) HAVING sum(b) > 1", ["t"]],
    [
      "SELECT a, row_number() OVER w FROM t WINDOW w AS (PARTITION BY a ORDER BY b) QUALIFY w1 < 2 ",
      ["t"],
    ],
    [
      "SELECT avg(x) OVER (ORDER BY y ROWS BETWEEN 2 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM t",
      ["t"],
    ],
    [
      "SELECT * FROM a JOIN b USING (id) LEFT JOIN c ON a.x = c.x ASOF JOIN d ON a.t >= d.t",
      ["a", "b", "c", "d"],
    ],
    [
      "SELECT * FROM a NATURAL JOIN b POSITIONAL JOIN c CROSS JOIN d SEMI JOIN e USING (id)",
      ["a", "b", "c", "d", "e"],
    ],
    ["SELECT * FROM t, LATERAL (SELECT t.a + 1)", ["t"]],
    ["SELECT * FROM t UNION ALL BY NAME SELECT * FROM u EXCEPT SELECT * FROM v", ["t", "u", "v"]],
    [
      "SELECT CASE a WHEN 1 THEN (SELECT max(x) FROM u) ELSE 2 END, EXISTS (FROM v), a IN (FROM w) FROM t",
      ["t", "u", "v", "w"],
    ],
    [
      "SELECT a BETWEEN 1 AND 2, a::DECIMAL(10, 2), TRY_CAST(b AS DATE), c COLLATE NOCASE, INTERVAL 1 DAY FROM t",
      ["t"],
    ],
    [
      "SELECT [x + 1 FOR x IN l IF x > 1], list_transform(l, lambda x: x * 2), {'k': 1}, MAP {'a': 1}, l[1:2] FROM t",
      ["t"],
    ],
    ["SELECT * EXCLUDE (a) REPLACE (b + 1 AS b), COLUMNS('x.*') FROM t", ["t"]],
    ["SELECT * FROM range(3), generate_series(1, 2), unnest([1, 2]), repeat(1, 2)", []],
    ["PIVOT t ON a IN ('x', 'y') USING sum(b) GROUP BY c", ["t"]],
    ["UNPIVOT t ON a, b INTO NAME n VALUE v", ["t"]],
    ["SELECT * FROM t TABLESAMPLE reservoir(10 ROWS)", ["t"]],
    ["DESCRIBE t", ["t"]],
    ["SUMMARIZE SELECT a FROM t", ["t"]],
    ["SELECT count(*) FROM (DESCRIBE t)", ["t"]],
  ];
  for (const [sql, tables] of accepted) {
    test(sql, async () => {
      expect(await tablesOf(sql)).toEqual([...tables]);
    });
  }

  test("a chain of 2,000 conditions and a list of 10,000 values", async () => {
    expect(await tablesOf(`SELECT 1 FROM t WHERE a = 1${" OR a = 2".repeat(2000)}`)).toEqual(["t"]);
    expect(await tablesOf(`SELECT 1 FROM t WHERE a IN (0${", 1".repeat(10_000)})`)).toEqual(["t"]);
  });
});

describe("the gate refuses", () => {
  const refused: readonly string[] = [
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO sum(x) AS 666",
    "CREATE OR REPLACE VIEW t AS SELECT 1",
    "DROP VIEW t",
    "COPY t TO 'out.csv'",
    "COPY (SELECT 1) TO 'out.parquet'",
    "EXPORT DATABASE 'x'",
    "IMPORT DATABASE 'x'",
    "ATTACH 'x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "SET VARIABLE x = 1",
    "RESET threads",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CALL enable_logging()",
    "USE main",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "BEGIN",
    "VACUUM",
    "ANALYZE",
    "CHECKPOINT",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SHOW DATABASES",
    "FROM (SHOW TABLES)",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW t",
    "PIVOT t ON a USING sum(b)",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM READ_PARQUET('x.parquet')",
    "SELECT * FROM main.read_text('/etc/passwd')",
    "SELECT * FROM glob('*')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('t')",
    "SELECT * FROM histogram('t', 'a')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM pragma_table_info('t')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT * FROM sniff_csv('x')",
    "SELECT * FROM parquet_metadata('x')",
    "SELECT * FROM test_all_types()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM system.main.duckdb_views",
    "SELECT * FROM other.t",
    "SELECT * FROM t AT (VERSION => 3)",
    "SELECT getenv('HOME')",
    "SELECT system.main.GetEnv('HOME')",
    "SELECT current_setting('memory_limit')",
    "SELECT getvariable('x')",
    "SELECT pg_get_viewdef(1)",
    "SELECT sleep_ms(1000)",
    "SELECT pg_sleep(1)",
    "SELECT write_log('x')",
    "SELECT json_serialize_plan('SELECT 1')",
    "SELECT __internal_decompress_string(1)",
    "SELECT 1 FROM t WHERE a = (SELECT max(current_setting('threads')) FROM u)",
    "SELECT list_transform([1], lambda x: getenv('HOME'))",
    "SELECT sum(a) OVER (PARTITION BY getenv('HOME')) FROM t",
    "SELECT a FROM t ORDER BY getenv('HOME')",
    "WITH x AS (SELECT getenv('HOME')) SELECT 1",
    "SELECT list_sort({'a': [1]}::VARIANT)",
    "SELECT CAST(a AS STRUCT(b VARIANT[])) FROM t",
    "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) FROM x",
  ];
  for (const sql of refused) {
    test(sql, async () => {
      const error = await refusalOf(sql);
      expect(["sql_not_allowed", "invalid_sql"]).toContain(error.code);
      expect(error.status).toBe(400);
    });
  }

  test.each(["", ";", "  -- nothing\n", "SELEC 1", "SELECT * FROM", "SELECT 'x"])(
    "%p as invalid, not as forbidden",
    async (sql) => {
      expect((await refusalOf(sql)).code).toBe("invalid_sql");
    },
  );

  test("what is too deep, without falling over", async () => {
    for (const [open, close] of [
      ["(", ")"],
      ["[", "]"],
      ["NOT ", ""],
      ["- ", ""],
      ["case when true then ", " end"],
    ] as const) {
      const deep = `SELECT ${open.repeat(3000)}1${close.repeat(3000)}`;
      const outcome = await gate(deep).catch((error: unknown) => error);
      if (outcome instanceof LakehouseError) expect(outcome.status).toBe(400);
      else expect(outcome).toEqual({ tables: [], parameters: [] });
    }
    const nested = `SELECT * FROM ${"(SELECT * FROM ".repeat(600)}t${")".repeat(600)}`;
    expect((await refusalOf(nested)).code).toBe("invalid_sql");
  });

  test("nested recursive expressions in time that grows with their length", async () => {
    let sql = "SELECT 1";
    for (let level = 0; level < 40; level++) {
      sql = `WITH RECURSIVE r${level}(n) AS (${sql} UNION ALL SELECT n + 1 FROM r${level}) SELECT * FROM r${level}`;
    }
    const outcome = await tablesOf(sql);
    expect(outcome).toEqual([]);
  });
});

describe("positions", () => {
  test("count lines and characters, not bytes", async () => {
    const { tables } = await gate("SELECT 'é€😀'\nFROM 'ü', nosuch");
    const table = tables.find(({ name }) => name === "nosuch");
    expect(table?.position).toEqual({ line: 2, column: 11 });
  });

  test("come with syntax errors", async () => {
    const error = await refusalOf("SELECT 'é😀',\n  a b c\nFROM t");
    expect(error.extra["position"]).toEqual({ line: 2, column: 7 });
  });

  test("come with refused functions", async () => {
    const error = await refusalOf("SELECT 1,\n getenv('HOME')");
    expect(error.extra["position"]).toEqual({ line: 2, column: 2 });
  });
});

test("parameters are found wherever they stand", async () => {
  expect((await gate("SELECT ?, (SELECT ? FROM range(?))")).parameters).toEqual(["1", "2", "3"]);
  const named = await gate("SELECT $a FROM t WHERE x = $b ORDER BY $a LIMIT $c");
  expect([...named.parameters].sort()).toEqual(["a", "b", "c"]);
});
