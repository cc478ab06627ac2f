import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LakehouseError } from "../core/error.ts";
import { uniqueNames } from "../plugins/query/render/layout.ts";
import { renderResult, ResultCutShort } from "../plugins/query/render/render.ts";
import { openTestEngine, runs, type TestEngine } from "./support/test-engine.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe("formats", () => {
  test("row_count comes last and counts what was sent, over many chunks", async () => {
    const { rows } = await engine.answer(
      "SELECT range AS n, 'row number ' || range AS t FROM range(100000)",
    );
    expect(rows).toHaveLength(100_000);
    expect(rows.every(([n, t], index) => n === index && t === `row number ${index}`)).toBe(true);
  });

  test("an empty result has its columns", async () => {
    expect(await engine.render("SELECT 1 AS a WHERE false")).toBe(
      '{"columns":[{"name":"a","type":"INTEGER"}],"rows":[],"row_count":0}\n',
    );
    expect(await engine.render("SELECT 1 AS a WHERE false", "csv")).toBe("a\r\n");
    expect(await engine.render("SELECT 1 AS a WHERE false", "ndjson")).toBe("");
  });

  test("CSV tells NULL from empty text, and quotes what RFC 4180 says", async () => {
    const sql = `SELECT NULL AS a, '' AS "b,c", 'x"y' AS d, 'l' || chr(10) || 'm' AS e, [1, NULL] AS f, ''::BLOB AS g, NULL::INTEGER[] AS h`;
    expect(await engine.render(sql, "csv")).toBe(
      'a,"b,c",d,e,f,g,h\r\n,"","x""y","l\nm","[1,null]","",\r\n',
    );
  });

  test("ndjson loses no value of columns that share a name", async () => {
    expect(await engine.render("SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS a", "ndjson")).toBe(
      '{"a":1,"a_3":2,"a_2":3,"a_4":4}\n',
    );
  });

  test("unique names are unique, keep the first, and keep their order", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "a_2", "a_3", "a_2_2", "b")), (names) => {
        const unique = uniqueNames(names);
        expect(new Set(unique).size).toBe(names.length);
        for (const [index, name] of names.entries()) {
          if (names.indexOf(name) === index) expect(unique[index]).toBe(name);
          else expect(unique[index]).toStartWith(name);
        }
      }),
      runs(500),
    );
  });

  test("a result that the engine breaks off is not taken for a whole one", async () => {
    const broken = engine.render(
      "SELECT CASE WHEN range = 900000 THEN error('late') ELSE 'text to fill the row' END FROM range(1000000)",
    );
    expect(await broken.catch((error: unknown) => error)).toBeInstanceOf(ResultCutShort);
  });

  test("a result beyond the limit fails before anything beyond it is sent", async () => {
    let sent_bytes = 0;
    const rendering = renderResult({
      result: await engine.connection.stream("SELECT repeat('x', 1000) FROM range(1000)"),
      format: "csv",
      limit_bytes: 300_000,
      write: async (bytes) => void (sent_bytes += bytes.length),
    });
    const failed: unknown = await rendering.catch((error: unknown) => error);
    if (!(failed instanceof LakehouseError)) throw new Error("it was rendered");
    expect(failed.code).toBe("result_too_large");
    expect(sent_bytes).toBeGreaterThan(0);
    expect(sent_bytes).toBeLessThanOrEqual(300_000);
  });
});
