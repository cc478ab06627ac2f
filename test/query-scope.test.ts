import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { inspectWith } from "../plugins/query/inspect.ts";
import { openTestEngine, runs, type TestEngine } from "./support/test-engine.ts";

/** The gate finds exactly the tables that the engine will look for. */

let engine: TestEngine;
beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

const tablesOf = async (sql: string): Promise<string[]> =>
  (await inspectWith(engine.connection, sql)).tables.map(({ name }) => name).sort();

describe("common table expressions", () => {
  const scoped: readonly [sql: string, tables: readonly string[]][] = [
    ["WITH t AS (SELECT 1) SELECT * FROM t", []],
    ["WITH t AS (SELECT 1) SELECT * FROM T", []],
    ["WITH t AS (SELECT * FROM t) SELECT * FROM t", ["t"]],
    ["WITH t AS (SELECT 1) SELECT * FROM main.t", ["t"]],
    ["WITH a AS (FROM b), b AS (FROM a) SELECT * FROM b", ["b"]],
    ["SELECT * FROM (WITH x AS (SELECT 1) FROM x), x", ["x"]],
    ["WITH x AS (SELECT 1) SELECT (WITH x AS (FROM x) SELECT max(n) FROM x) FROM x", []],
    ["WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r", []],
    ["WITH RECURSIVE r(n) AS (SELECT n FROM r UNION ALL SELECT n + 1 FROM r) FROM r", ["r"]],
    ["WITH RECURSIVE r AS (SELECT * FROM r) FROM r", ["r"]],
    ["FROM q UNION ALL (WITH q AS (FROM t) FROM q)", ["q", "t"]],
    ["WITH q AS (SELECT 1) FROM q UNION ALL (WITH u AS (FROM q) FROM u)", []],
  ];
  for (const [sql, tables] of scoped) {
    test(sql, async () => {
      expect(await tablesOf(sql)).toEqual([...tables]);
    });
  }

  test("are scoped as the engine scopes them", async () => {
    const names = ["a", "b", "c"];
    const { query } = fc.letrec<{ query: string; from: string }>((tie) => ({
      from: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        fc.constantFrom(...names),
        tie("query").map((inner) => `(${inner}) AS s`),
      ),
      query: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        fc.constantFrom(...names).map((name) => `SELECT n FROM ${name}`),
        tie("from").map((from) => `SELECT n FROM ${from}`),
        fc
          .tuple(tie("from"), tie("query"))
          .map(([from, inner]) => `SELECT n FROM ${from} WHERE n IN (${inner})`),
        fc.tuple(tie("query"), tie("query")).map(([l, r]) => `(${l}) UNION ALL (${r})`),
        fc
          .tuple(
            fc.uniqueArray(fc.tuple(fc.constantFrom(...names), tie("query")), {
              minLength: 1,
              maxLength: 2,
              selector: ([name]) => name,
            }),
            tie("query"),
          )
          .map(
            ([ctes, body]) =>
              `WITH ${ctes.map(([name, inner]) => `${name}(n) AS MATERIALIZED (${inner})`).join(", ")} ${body.startsWith("WITH") ? `SELECT n FROM (${body})` : body}`,
          ),
        fc
          .tuple(fc.constantFrom(...names), tie("query"), tie("from"))
          .map(
            ([name, first, from]) =>
              `WITH RECURSIVE ${name}(n) AS ((${first}) UNION (SELECT n + 1 FROM ${from} WHERE n < 3)) SELECT n FROM ${name}`,
          ),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(query, async (sql) => {
        const found = await tablesOf(sql).catch((error: unknown) => error);
        if (found instanceof Error) {
          // Only what the engine's own parser cannot read is left out.
          expect(found.message).not.toContain("not served");
          return;
        }
        const connection = await engine.instance.connect();
        try {
          const bindsWith = async (views: readonly string[]): Promise<string> => {
            for (const name of names) await connection.run(`DROP VIEW IF EXISTS ${name}`);
            for (const view of views) await connection.run(`CREATE VIEW ${view} AS SELECT 1 AS n`);
            return connection.prepare(sql).then(
              () => "binds",
              (error: unknown) => String(error),
            );
          };
          // The tables the gate found are enough for the engine.
          expect(await bindsWith(Array.isArray(found) ? found : [])).not.toContain(
            "does not exist",
          );
        } finally {
          connection.closeSync();
        }
      }),
      runs(400),
    );
  });
});
