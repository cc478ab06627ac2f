import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bytesText, Progress, progressLine } from "../core/cli/progress.ts";
import { parseExactJson, renderTable } from "../core/cli/table.ts";

const seed = Number(process.env["LAKEHOUSE_TEST_SEED"] ?? Number.NaN);
fc.configureGlobal(Number.isNaN(seed) ? {} : { seed });

/** The rows of a drawn table, without rule and footer. */
const bodyOf = (table: string): string[] => table.split("\n").slice(2, -2);

describe("a table", () => {
  test("aligns text to the left, numbers to the right, and counts its rows", () => {
    const columns = [
      { name: "city", type: "utf8" },
      { name: "people", type: "int64" },
    ];
    expect(
      renderTable(columns, [
        ["Oslo", 717_710],
        ["Bø", null],
      ]),
    ).toBe(
      ["city │ people", "─────┼───────", "Oslo │ 717710", "Bø   │   NULL", "(2 rows)", ""].join(
        "\n",
      ),
    );
  });

  test("keeps every digit of a number as the server wrote it", () => {
    const rows = parseExactJson("[[9007199254740993, 1.10, -0, 1e400]]");
    if (!Array.isArray(rows)) throw new Error("not an array");
    const columns = ["a", "b", "c", "d"].map((name) => ({ name }));
    expect(bodyOf(renderTable(columns, rows))).toEqual(["9007199254740993 │ 1.10 │ -0 │ 1e400"]);
  });

  test("says how many rows and columns it leaves out", () => {
    const columns = Array.from({ length: 10 }, (_, i) => ({ name: `column_${i}` }));
    const rows = Array.from({ length: 2_000 }, () => columns.map(() => "some text"));
    const table = renderTable(columns, rows, { rows_max: 5, width_max: 30 });
    expect(bodyOf(table)).toHaveLength(5);
    expect(table).toEndWith("(2,000 rows; not shown: 1,995 more rows, 8 more columns)\n");
  });

  test("cuts a long cell, and says so", () => {
    const table = renderTable([{ name: "text" }], [["x".repeat(1000)]], { cell_max: 10 });
    expect(table).toContain("xxxxxxxxx…\n");
    expect(table).toEndWith("(1 row; not shown: the rest of 1 cell cut at …)\n");
  });

  test("shows nested values, and tells NULL inside them from text", () => {
    const rows = parseExactJson(`[[[1.0, null, "NULL"], {"a": {"b": 12345678901234567890}}]]`);
    if (!Array.isArray(rows)) throw new Error("not an array");
    expect(bodyOf(renderTable([{ name: "list" }, { name: "struct" }], rows))).toEqual([
      `[1.0, NULL, "NULL"] │ {a: {b: 12345678901234567890}}`,
    ]);
  });

  test("lets no value break a line, command the terminal or reverse the text", () => {
    const hostile = "a\nb\r\tc\u001b[2Jd\u0007\u202ee\u009b";
    const [line = ""] = bodyOf(renderTable([{ name: "h\u001b[31m" }], [[hostile]]));
    expect(line).toBe("a\\nb\\r\\tc\\u001b[2Jd\\u0007\\u202ee\\u009b");
  });

  test("of any text has one line per row, all of one width, and no control character", () => {
    const text = fc.string({ unit: "binary", maxLength: 80 });
    const cases = fc
      .integer({ min: 1, max: 4 })
      .chain((width) => fc.array(fc.array(text, { minLength: width, maxLength: width })));
    fc.assert(
      fc.property(cases, (rows) => {
        const columns = (rows[0] ?? [""]).map((_, i) => ({ name: `c${i}` }));
        const lines = bodyOf(renderTable(columns, rows));
        expect(lines).toHaveLength(Math.min(rows.length, 100));
        for (const line of lines) {
          // oxlint-disable-next-line no-control-regex -- the claim is that there is none
          expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        }
      }),
    );
  });
});

describe("progress", () => {
  test("shows share, amount and speed", () => {
    expect(progressLine(50 * 1024 * 1024, 100 * 1024 * 1024, 2)).toBe(
      "sending ━━━━━━━━━━──────────  50%  50.0 MiB of 100.0 MiB  25.0 MiB/s",
    );
    expect(progressLine(999.9 * 1024 ** 3, 1023.9 * 1024 ** 3, 1).length).toBeLessThan(80);
    expect(progressLine(2048, undefined, 1)).toBe("sending  2.0 KiB  2.0 KiB/s");
  });

  test("is drawn on a terminal only, and taken away at the end", () => {
    for (const isTTY of [true, false]) {
      const written: string[] = [];
      const progress = new Progress(
        { isTTY, columns: 40, write: (text) => written.push(text) },
        100,
      );
      progress.add(60);
      progress.phase("converting …");
      progress.clear();
      expect(written.length).toBe(isTTY ? 3 : 0);
      if (isTTY) expect(written.at(-1)).toBe("\r\u001b[K");
      for (const text of written) expect(Bun.stringWidth(text)).toBeLessThan(40);
    }
  });

  test.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1024 * 1024 - 1, "1.0 MiB"],
    [5 * 1024 ** 4, "5.0 TiB"],
  ])("%d bytes are written %s", (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });
});
