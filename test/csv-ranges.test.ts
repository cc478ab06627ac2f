import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { numbered, same } from "./support/csv-ranges.ts";
import { optionsOf, written } from "./support/csv-tables.ts";

/** A file that is converted in many ranges becomes what it becomes in one. */

const seed = process.env["LAKEHOUSE_TEST_SEED"];
const settings = (numRuns: number): fc.Parameters<unknown> => ({
  numRuns,
  ...(seed === undefined ? {} : { seed: Number(seed) }),
});

const MIB = 1024 * 1024;

describe("many ranges give what one gives:", () => {
  test("any table, in any dialect and encoding", async () => {
    await fc.assert(
      fc.asyncProperty(written, fc.integer({ min: 20, max: 400 }), async (table, size) => {
        const { rows } = await same(table.bytes, [size], { options: optionsOf(table) });
        expect(rows).toHaveLength(table.rows.length);
      }),
      settings(10),
    );
  }, 60_000);

  test("any table with any broken records among its rows, rejected or refused", async () => {
    const broken = fc.constantFrom("x\n", "1,2,3,4,5,6,7\n", '"a"b,c\n', ",,,,,,,,,\n", '"q\n"z\n');
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            { weight: 4, arbitrary: fc.integer().map((number) => `${number},x\n`) },
            { weight: 1, arbitrary: broken },
            { weight: 1, arbitrary: fc.constantFrom("\n", "\r\n", "\r", "\n\n\n") },
          ),
          { maxLength: 60, size: "max" },
        ),
        fc.integer({ min: 1, max: 200 }),
        fc.constantFrom("reject" as const, "refuse" as const),
        async (lines, size, on_error) => {
          await same(`a,b\n${lines.join("")}`, [size], { options: { on_error } });
        },
      ),
      settings(10),
    );
  }, 60_000);

  test("the first, the last or no record, and nothing but blank lines", async () => {
    const reject = { options: { on_error: "reject" as const } };
    for (const text of [
      "a,b",
      "a\n\n\n\n\n",
      `a,b\n${"\n".repeat(100)}`,
      "\n\na\n1\n\n",
      "a,b\r\n1,2\r\n3,4",
      "a\n\n1",
      'a\n"',
      `a,b\n1,"${"\n".repeat(50)}`,
    ]) {
      await same(text, [1], reject);
    }
    const blank = await same(`a\n1\n${"\n".repeat(50)}2\n\n\n`, [20], reject);
    expect(blank).toMatchObject({ row_count: 52, report: { blank_lines: 2 } });
  });

  test("records that are no rows alone", async () => {
    const text = `a,b\n${numbered(40, (row) => `${row}\n`)}`;
    const { report } = await same(text, [20]);
    expect(report).toMatchObject({ code: "invalid_csv", extra: { line: 2, bad_count: 40 } });
    const rejected = await same(text, [100], { options: { on_error: "reject" } });
    expect(rejected).toMatchObject({ row_count: 0, report: { bad_count: 40, row_count: 0 } });
    expect(rejected.rejected?.map(([line, raw]) => [line, raw])).toEqual(
      Array.from({ length: 40 }, (_, row) => [String(row + 2), String(row)]),
    );
  });

  test("lines are counted from the beginning of the file", async () => {
    const good = numbered(30, (row) => `${row},"x\ny\r\nz"\r`);
    const text = `\n\r\n"a\n",b\n${good}3\n${good}"4"5,6\n`;
    const { report } = await same(text, [50, 300], { options: { on_error: "reject" } });
    const bad = [
      { line: 5 + 90, reason: "field_count" },
      { line: 5 + 90 + 1 + 90, reason: "text_behind_quote" },
    ];
    expect(report).toMatchObject({
      bad_count: 2,
      bad,
      line_ends: ["lf", "cr"],
    });
  });
});

test("a dry run finds in many ranges what a conversion finds", async () => {
  const rows = numbered(100, (row) => `${row},${row === 90 ? "x" : row / 2},"${row}\n"\n`);
  const text = `a,b,c\n${rows}1,2\n\n${rows}`;
  const options = { on_error: "reject" } as const;
  const { report, notices } = await same(text, [50], { options });
  const dry = await same(text, [50, 1000], { options, telling: { dry_run: true } });
  expect(dry).toMatchObject({ row_count: 200, rows: [] });
  expect(dry.report).toEqual(report ?? null);
  expect(notices).toHaveLength(2);
});

describe("what is wrong late in a file", () => {
  test("makes it Windows-1252 as a whole", async () => {
    const rows = numbered(200, (row) => `${row},x\n`);
    const bytes = Buffer.concat([
      Buffer.from(`a,b\n${rows}`),
      Buffer.from("7,caf\xe9\n2\n", "latin1"),
    ]);
    const back = await same(bytes, [333], { options: { on_error: "reject" } });
    expect(back).toMatchObject({
      row_count: 201,
      report: { encoding: "windows-1252", bad_count: 1 },
    });
    expect(back.rows?.at(-1)).toEqual(["7", "café"]);
    expect(back.rejected).toHaveLength(1);
  });

  test("is a record over the limit, named by its line", async () => {
    const rows = numbered(300, (row) => `${row},"x\n"\r\n`);
    for (const tail of [`7,${"x".repeat(3 * MIB)}\n1,2\n`, `7,"${"x\n".repeat(3 * MIB)}`]) {
      const { report } = await same(`a,b\n${rows}${tail}`, [1000], {
        options: { on_error: "reject" },
        limits: { record_limit_bytes: MIB },
      });
      expect(report).toMatchObject({ code: "limit_exceeded", extra: { line: 602 } });
    }
  });

  test("is a NUL", async () => {
    const { report } = await same(`a,b\n${numbered(200, (row) => `${row},x\n`)}\0`, [50]);
    expect(report).toMatchObject({ code: "invalid_csv", extra: { reason: "nul" } });
  });

  test("may be a great many blank lines, and is not the end", async () => {
    const text = `a,b\n1,2\n${"\n".repeat(4 * MIB)}3,4\n`;
    const limits = { record_limit_bytes: 1000 };
    expect((await same(text, [10], { limits })).rows).toEqual([
      ["1", "2"],
      ["3", "4"],
    ]);
  });
});

/** Text, whole numbers and others in turn. */
function wideRow(y: number): string {
  const cells = Array.from({ length: 2000 }, (_, x) => [`t${y}`, y, y / 4][x % 3]);
  return `${cells.join(",")}\n`;
}

describe("the width of a file", () => {
  test("is one column, with blank lines for nulls", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("\n", "1\n", "22\n", '""\n', "1,2\n", "\r\n"), {
          maxLength: 80,
          size: "max",
        }),
        fc.integer({ min: 1, max: 60 }),
        async (lines, size) => {
          await same(`a\n${lines.join("")}`, [size], { options: { on_error: "reject" } });
        },
      ),
      settings(8),
    );
  }, 60_000);

  test("is two thousand columns", async () => {
    const names = Array.from({ length: 2000 }, (_, index) => `c${index}`).join(",");
    const back = await same(`${names}\n${numbered(8, wideRow)}`, [32_000]);
    expect(back.rows?.map((cells) => cells.slice(0, 3))).toEqual(
      Array.from({ length: 8 }, (_, y) => [`t${y}`, `${y}`, (y / 4).toFixed(2).replace(/0$/, "")]),
    );
  }, 60_000);
});
