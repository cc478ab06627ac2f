import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { join } from "node:path";
import { sqlLiteral } from "../core/duckdb.ts";
import { parseCsv } from "./support/csv.ts";
import { openTestEngine, runs, type TestEngine } from "./support/test-engine.ts";

/** Values of every type come back exactly. The oracles are the engine's own casts, and Date. */

let engine: TestEngine;
beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe("any value", () => {
  test("of BIGINT and HUGEINT keeps every digit", async () => {
    const values = fc.array(
      fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.bigInt({ min: -(2n ** 54n), max: 2n ** 54n }),
        fc.integer().map(BigInt),
      ),
      { minLength: 1, maxLength: 50 },
    );
    await fc.assert(
      fc.asyncProperty(values, fc.constantFrom("BIGINT", "HUGEINT"), async (numbers, type) => {
        const list = numbers.map((number) => `'${number}'::${type}`).join(", ");
        for (const [index, value] of (
          await engine.firstColumn(`SELECT unnest([${list}])`)
        ).entries()) {
          expect(BigInt(String(value))).toBe(numbers[index] ?? 0n);
          expect(typeof value).toBe(Number.isSafeInteger(Number(value)) ? "number" : "string");
        }
      }),
      runs(100),
    );
  });

  test("of DOUBLE is the same double, in the shortest text", async () => {
    const doubles = fc.array(
      fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.tuple(fc.integer(), fc.integer({ min: 0, max: 9 })).map(([n, k]) => n / 10 ** k),
      ),
      { minLength: 1, maxLength: 50 },
    );
    await fc.assert(
      fc.asyncProperty(doubles, async (numbers) => {
        const list = numbers.map((number) => `'${Object.is(number, -0) ? "-0" : number}'::DOUBLE`);
        const text = await engine.render(`SELECT unnest([${list.join(", ")}])`, "csv");
        const lines = text.trimEnd().split("\r\n").slice(1);
        expect(lines).toEqual(numbers.map((n) => (Object.is(n, -0) ? "-0.0" : String(n))));
        for (const [index, line] of lines.entries()) expect(Number(line)).toBe(numbers[index] ?? 0);
      }),
      runs(200),
    );
  });

  test("of FLOAT is the same single in at most nine digits", async () => {
    const singles = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
      minLength: 1,
      maxLength: 50,
    });
    await fc.assert(
      fc.asyncProperty(singles, async (numbers) => {
        const list = numbers.map((number) => `'${number}'::FLOAT`).join(", ");
        const values = await engine.firstColumn(`SELECT unnest([${list}])`);
        for (const [index, value] of values.entries()) {
          expect(Math.fround(Number(value)) + 0).toBe((numbers[index] ?? 0) + 0);
          const digits = String(value)
            .replace(/e.*/, "")
            .replace(/[-.]/g, "")
            .replace(/^0+|0+$/g, "");
          expect(digits.length).toBeLessThanOrEqual(9);
        }
      }),
      runs(100),
    );
  });

  test("of DECIMAL is what the engine casts to text", async () => {
    const decimals = fc
      .tuple(
        fc.integer({ min: 1, max: 38 }),
        fc.nat(38),
        fc.array(fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }), {
          minLength: 1,
          maxLength: 20,
        }),
      )
      .map(([width, scale, numbers]) => ({
        width,
        scale: Math.min(scale, width),
        numbers: numbers.map((n) => n % 10n ** BigInt(width)),
      }));
    await fc.assert(
      fc.asyncProperty(decimals, async ({ width, scale, numbers }) => {
        const literals = numbers.map((number) => {
          const digits = String(number < 0n ? -number : number).padStart(scale + 1, "0");
          const point = digits.length - scale;
          return `'${number < 0n ? "-" : ""}${digits.slice(0, point)}.${digits.slice(point)}'::DECIMAL(${width}, ${scale})`;
        });
        const { rows } = await engine.answer(
          `SELECT d, d::VARCHAR FROM (SELECT unnest([${literals.join(", ")}]) AS d)`,
        );
        for (const [value, text] of rows) {
          // The engine leaves out the zero before the point where the width equals the scale.
          expect(String(value).replace(/^(-?)0\./, "$1.")).toBe(
            String(text).replace(/^(-?)0\./, "$1."),
          );
          expect(typeof value).toBe("string");
        }
      }),
      runs(150),
    );
  });

  test("of VARCHAR comes back, whatever its length, and so does NULL", async () => {
    const cell = fc.oneof(
      fc.constant(null),
      fc.string({ unit: "grapheme", maxLength: 12 }),
      fc.string({ unit: "binary", maxLength: 80 }),
      fc.string({ unit: "binary-ascii", minLength: 13, maxLength: 200 }),
    );
    const column = fc.array(
      cell.map((text) => text?.replaceAll("\0", "") ?? null),
      { minLength: 1, maxLength: 300 },
    );
    await fc.assert(
      fc.asyncProperty(column, fc.boolean(), async (texts, from_file) => {
        const list = texts.map((text) => (text === null ? "NULL" : sqlLiteral(text))).join(", ");
        const path = join(engine.folder_path, "strings.parquet");
        let source = `(SELECT unnest([${list}]::VARCHAR[]) AS s)`;
        if (from_file) {
          await engine.connection.run(`COPY ${source} TO ${sqlLiteral(path)} (FORMAT parquet)`);
          source = sqlLiteral(path);
        }
        expect(await engine.firstColumn(`SELECT s FROM ${source}`)).toEqual(texts);
        const ndjson = await engine.render(`SELECT s FROM ${source}`, "ndjson");
        const lines: unknown[] = ndjson
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line));
        expect(lines).toEqual(texts.map((s) => ({ s })));
        const records = parseCsv(await engine.render(`SELECT s, 1 AS end FROM ${source}`, "csv"));
        expect(records).toEqual([["s", "end"], ...texts.map((text) => [text, "1"])]);
      }),
      runs(150),
    );
  });

  test("of DATE and TIMESTAMP is what Date says", async () => {
    const moments = fc.array(
      fc.tuple(
        fc.integer({ min: -100_000_000, max: 99_999_999 }),
        fc.integer({ min: 0, max: 86_399 }),
        fc.nat(999_999),
      ),
      { minLength: 1, maxLength: 50 },
    );
    await fc.assert(
      fc.asyncProperty(moments, async (list) => {
        const sql = `SELECT DATE '1970-01-01' + d, make_timestamp((d::HUGEINT * 86400000000 + s::HUGEINT * 1000000 + u)::BIGINT)
          FROM (VALUES ${list.map((each) => `(${each.join(", ")})`).join(", ")}) v(d, s, u)`;
        const { rows } = await engine.answer(sql);
        for (const [index, [day, seconds, micros]] of list.entries()) {
          const iso = new Date((day * 86_400 + seconds) * 1000).toISOString();
          const fraction =
            micros === 0 ? "" : `.${String(micros).padStart(6, "0").replace(/0+$/, "")}`;
          expect(rows[index]).toEqual([
            iso.slice(0, iso.indexOf("T")),
            iso.replace(/\.000Z$/, fraction),
          ]);
        }
      }),
      runs(150),
    );
  });

  test("of INTERVAL keeps its three parts", async () => {
    const part = fc.integer({ min: -100_000, max: 100_000 });
    await fc.assert(
      fc.asyncProperty(
        part,
        part,
        fc.bigInt({ min: -(2n ** 61n), max: 2n ** 61n }),
        async (months, days, micros) => {
          const [text] = await engine.firstColumn(
            `SELECT to_months(${months}) + to_days(${days}) + to_microseconds(${micros})`,
          );
          expect(parseDuration(String(text))).toEqual([BigInt(months), BigInt(days), micros]);
        },
      ),
      runs(200),
    );
  });

  test("nested in lists, structs and maps is what the engine's own JSON says", async () => {
    const value = fc.letrec<{ value: string }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom("NULL::INTEGER", "1", "-7"),
        tie("value").map((inner) => `[${inner}, ${inner}]`),
        tie("value").map(
          (inner) => `[]::STRUCT(q INTEGER)[] || CASE WHEN ${inner} IS NULL THEN NULL ELSE [] END`,
        ),
        fc
          .tuple(tie("value"), tie("value"))
          .map(([a, b]) => `{'x y': ${a}, 'ü"': ${b}, 't': 'te"xt that is long enough'}`),
        tie("value").map((inner) => `[${inner}, ${inner}, NULL]`),
      ),
    })).value;
    await fc.assert(
      fc.asyncProperty(value, fc.integer({ min: 1, max: 5000 }), async (sql, count) => {
        const { rows } = await engine.answer(
          `SELECT v, to_json(v)::VARCHAR FROM (SELECT ${sql} AS v FROM range(${count}))`,
        );
        expect(rows).toHaveLength(count);
        for (const [ours, theirs] of rows)
          expect(ours).toEqual(typeof theirs === "string" ? JSON.parse(theirs) : null);
      }),
      runs(60),
    );
  });
});

/** Months, days and microseconds of an ISO 8601 duration. */
function parseDuration(text: string): [bigint, bigint, bigint] {
  const match =
    /^P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d+))?S)?)?$/.exec(
      text,
    );
  if (match === null) throw new Error(`no duration: ${text}`);
  const part = (index: number): bigint => BigInt(match[index] ?? 0);
  const seconds = part(7) * 1_000_000n + BigInt((match[8] ?? "").padEnd(6, "0"));
  return [
    part(1) * 12n + part(2),
    part(3),
    part(4) * 3_600_000_000n + part(5) * 60_000_000n + (match[6] === "-" ? -seconds : seconds),
  ];
}
