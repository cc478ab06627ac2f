import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { kinds } from "../plugins/ingest-csv/kernel/kinds.ts";
import { reference, type Scanned, scanText } from "./support/csv-scan.ts";

describe("a record", () => {
  test("may hold line breaks, delimiters and quotes inside quotes, and the lines are counted", async () => {
    const { scan, bad } = await scanText('"a\n,b","c""\r\nd"\r\nx\n1,2\n', 2);
    expect(scan.row_count).toBe(2);
    expect(bad).toEqual([
      { reason: "field_count", row: 1, line: 4, record: "x", field_count: 1, field: 1, cell: "x" },
    ]);
    expect([...scan.line_ends].sort()).toEqual(["crlf", "lf"]);
  });

  test("with text behind a closing quote is no row", async () => {
    const { bad, scan } = await scanText('1,2\n"a"b,2\n', 2);
    expect(bad).toMatchObject([{ reason: "text_behind_quote", line: 2, field: 0 }]);
    expect(scan.row_count).toBe(1);
  });

  test("whose quote is never closed is no row", async () => {
    const { bad, scan } = await scanText('1,2\n3,"4\n5,6\n', 2);
    expect(bad).toMatchObject([
      { reason: "unclosed_quote", line: 2, field: 1, record: '3,"4\n5,6\n' },
    ]);
    expect(scan).toMatchObject({ row_count: 1, bad_count: 1 });
  });

  test("without a byte is no row, but a row of a file with one column, unless it is at the end", async () => {
    expect((await scanText("\n1,2\n\n\n3,4\n\n", 2)).scan).toMatchObject({
      row_count: 2,
      blank_count: 4,
    });
    const one = await scanText("1\n\n3\n\n\n", 1);
    expect(one.scan).toMatchObject({ row_count: 3, blank_count: 2 });
    expect(one.scan.columns[0]?.empty_count).toBe(1);
    expect(one.rows).toEqual([["1"], [null], ["3"]]);
    const bad = await scanText("1\n\n2,3\n4\n", 1);
    expect(bad.rows).toEqual([["1"], [null], ["4"]]);
    expect(bad.bad).toMatchObject([{ row: 2, line: 3 }]);
    expect((await scanText("1\n\n\n2,3\n\n", 1)).scan).toMatchObject({
      row_count: 3,
      bad_count: 1,
      blank_count: 1,
    });
  });

  test("longer than the limit is refused with its line", () => {
    const text = `1,2\n"${"x".repeat(5000)}",2\n`;
    expect(scanText(text, 2, { record_limit_bytes: 2048 })).rejects.toMatchObject({
      line: 2,
    });
  });

  test("with more fields than can be indexed is refused", () => {
    expect(scanText(",".repeat(300_000), 2, { capacity_bytes: 1 << 20 })).rejects.toMatchObject({
      line: 1,
      limit_bytes: undefined,
    });
  });
});

test("texts that stand for null are null where they are not quoted", async () => {
  const { scan } = await scanText('NA,1\n"NA",2\n\\N,3\n', 2, { null_texts: ["NA", "\\N"] });
  expect(scan.columns[0]).toMatchObject({ empty_count: 2, kinds: kinds.text });
});

test("a cell that does not fit the type it was given makes its record no row", async () => {
  const given = new Map([[1, { accepted: 0, fits: (cell: string) => cell === "yes" }]]);
  const { scan, bad } = await scanText('1,yes\n2,no\n3,\n4,"yes"\n', 2, { given });
  expect(bad).toMatchObject([{ reason: "does_not_fit", row: 1, line: 2, field: 1, cell: "no" }]);
  expect(scan.row_count).toBe(3);
});

test("the deciding cell is found by its row, line and offset", async () => {
  const text = '1,a\n"2\n",b\nx,c\n';
  const { scan } = await scanText(text, 2);
  const first = scan.columns[0]?.first.get("text");
  expect(first).toEqual({ row: 1, line: 2, offset: 4, length_bytes: 4 });
  expect(text.slice(4, 8)).toBe('"2\n"');
});

describe("the scanner", () => {
  const documents = fc
    .array(
      fc.constantFrom(
        ",",
        '"',
        '""',
        "\n",
        "\r",
        "\r\n",
        "a",
        "1",
        "é",
        "2.5",
        '"x"',
        "aaaaaaaaaaaaaaaaaaaa",
      ),
      { maxLength: 60, size: "max" },
    )
    .map((parts) => parts.join(""));

  test("finds the records, rows and cells of a slow and obvious reader, however the bytes arrive", async () => {
    await fc.assert(
      fc.asyncProperty(
        documents,
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
        async (text, pieces) => {
          const { scan, bad, rows } = await scanText(text, 2, {}, pieces);
          const { records } = reference(text);
          const solid = records.filter(({ blank }) => !blank);
          const good = solid.filter(
            ({ cells, open }) =>
              !open && cells.length === 2 && cells.every(({ malformed }) => !malformed),
          );
          expect(scan.row_count).toBe(good.length);
          expect(scan.bad_count).toBe(solid.length - good.length);
          expect(bad).toHaveLength(scan.bad_count);
          expect(scan.blank_count).toBe(records.length - solid.length);
          expect(rows).toEqual(good.map(({ cells }) => cells.map(valueOf)));
          for (const column of [0, 1]) {
            const cells = good.map((record) => record.cells[column]);
            expect(scan.columns[column]).toMatchObject({
              empty_count: cells.filter((cell) => cell?.text === "" && !cell.quoted).length,
              quoted_empty_count: cells.filter((cell) => cell?.text === "" && cell.quoted).length,
              text_bytes: cells.reduce((sum, cell) => sum + Buffer.byteLength(cell?.text ?? ""), 0),
            });
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("comes to the same kinds whatever the order of the rows", async () => {
    const cells = fc.constantFrom(
      "1",
      "2.5",
      "true",
      "2024-01-01",
      "",
      "x",
      "9007199254740993",
      "1e-7",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(cells, { maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        async (column, ranks) => {
          const shuffled = column
            .map((cell) => ({ cell, rank: ranks.next().value ?? 0 }))
            .sort((a, b) => a.rank - b.rank);
          const one = await scanText(columnText(column), 2);
          const other = await scanText(columnText(shuffled.map(({ cell }) => cell)), 2);
          expect(decided(other)).toEqual(decided(one));
        },
      ),
    );
  });
});

const columnText = (cells: readonly string[]): string =>
  cells.map((cell) => `${cell},x\n`).join("");

/** A column that can only be text is not looked at further, so its other kinds may differ. */
function decided({ scan }: Scanned): number | "text" {
  const set = scan.columns[0]?.kinds ?? 0;
  return mustBeText(set) ? "text" : set;
}

function mustBeText(set: number): boolean {
  const numeric =
    kinds.integer | kinds.big_integer | kinds.decimal | kinds.scientific | kinds.inexact;
  const others = set & ~numeric;
  return (
    (set & kinds.text) !== 0 ||
    ((set & numeric) !== 0 && others !== 0) ||
    (others & (others - 1)) !== 0
  );
}

function valueOf({ text, quoted }: { text: string; quoted: boolean }): string | null {
  return text === "" && !quoted ? null : text;
}
