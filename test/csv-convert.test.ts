import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LakehouseError } from "../core/error.ts";
import { openTestEngine } from "./support/test-engine.ts";
import { CSV_CODEC_VERSION } from "../plugins/ingest-csv/csv-codec.ts";
import { convertBytes, type ReadBack, sameValue } from "./support/csv-convert.ts";
import { reference } from "./support/csv-scan.ts";
import { optionsOf, type Written, written } from "./support/csv-tables.ts";

const seed = process.env["LAKEHOUSE_TEST_SEED"];
const settings = (numRuns: number): fc.Parameters<unknown> => ({
  numRuns,
  ...(seed === undefined ? {} : { seed: Number(seed) }),
});

/** Cells that are not what was written, as `row, column, type, written, read`. */
function changed({ rows }: Pick<Written, "rows">, back: ReadBack): string[] {
  return rows.flatMap((row, y) =>
    row.flatMap((cell, x) => {
      const type = back.columns[x]?.type ?? "missing";
      const read = back.rows[y]?.[x] ?? null;
      return sameValue(type, cell, read) ? [] : [`${y} ${x} ${type} ${cell} → ${read}`];
    }),
  );
}

const typesOf = (back: ReadBack): string[] => back.columns.map(({ type }) => type);

describe("a table", () => {
  test("comes back cell by cell, in whatever dialect and encoding it was written", async () => {
    await fc.assert(
      fc.asyncProperty(written, async (table) => {
        const back = await convertBytes(table.bytes, optionsOf(table));
        expect(back.columns.map(({ name }) => name)).toEqual([...table.names]);
        expect(back.rows).toHaveLength(table.rows.length);
        expect(changed(table, back)).toEqual([]);
      }),
      settings(100),
    );
  }, 120_000);

  test("gets the same types in any order of rows, and the same bytes from any number of threads", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(written, { minLength: 1, maxLength: 1 }), async ([table]) => {
        if (table === undefined) return;
        const options = optionsOf(table);
        const one = await convertBytes(table.bytes, options, { threads: 1 });
        const four = await convertBytes(table.bytes, options, { threads: 4 });
        expect(four.sha256).toBe(one.sha256);
        const quoted = [table.names, ...table.rows.toReversed()].map((row) =>
          row.map((cell) => (cell === null ? "" : `"${cell.replaceAll('"', '""')}"`)).join(","),
        );
        const reversed = await convertBytes(`${quoted.join("\n")}\n`);
        expect(typesOf(reversed)).toEqual(typesOf(one));
      }),
      settings(40),
    );
  }, 120_000);
});

describe("a file of random bytes", () => {
  test("is refused, or every cell of it comes back", async () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .array(fc.constantFrom('"', ",", "\n", "\r", "a", "1", ".", "-", " ", "é", "\0", ";"), {
          maxLength: 60,
        })
        .map((parts) => new Uint8Array(Buffer.from(parts.join("")))),
    );
    await fc.assert(
      fc.asyncProperty(noise, async (bytes) => {
        let back: ReadBack;
        try {
          back = await convertBytes(bytes, { delimiter: "," });
        } catch (error) {
          expect(error).toBeInstanceOf(LakehouseError);
          expect(error).toMatchObject({ code: "invalid_csv" });
          return;
        }
        // Small noise that is accepted is UTF-8 or Windows-1252 text; the slow reader takes UTF-8.
        const text = new TextDecoder("utf-8").decode(bytes);
        if (text.includes("\ufffd")) return;
        const [, ...records] = reference(text).records.filter(({ blank }) => !blank);
        if (back.columns.length === 1) return;
        expect(changed({ rows: records.map(({ cells }) => cells.map(plain)) }, back)).toEqual([]);
        expect(back.rows).toHaveLength(records.length);
      }),
      settings(200),
    );
  }, 120_000);
});

const plain = ({ text, quoted }: { text: string; quoted: boolean }): string | null =>
  text === "" && !quoted ? null : text;

/** Longer than what one scanner of the engine takes at a time, with cells that can mislead it. */
function large(
  line_end: string,
  cell: (row: number) => string,
): { text: string; rows: string[][] } {
  const rows = Array.from({ length: 300_000 }, (_, row) => [String(row), cell(row), `t${row % 7}`]);
  const lines = rows.map(
    ([id, text = "", tail]) => `${id},"${text.replaceAll('"', '""')}",${tail}`,
  );
  return { text: ["id,text,tail", ...lines].join(line_end) + line_end, rows };
}

describe("a large file", () => {
  test.each([
    ["line breaks inside quotes", "\n", (row: number) => `a\n${row},"b",c\n1,2,3`],
    ["doubled quotes", "\n", (row: number) => `"${"x".repeat(row % 90)}"""`],
    ["plain cells", "\n", (row: number) => `${"lorem ipsum, ".repeat(row % 9)}${row}`],
    ["CRLF and line breaks inside quotes", "\r\n", (row: number) => `é\r\n"${row}\n`],
  ] as const)(
    "with %s comes back whole",
    async (_what, line_end, cell) => {
      const { text, rows } = large(line_end, cell);
      const back = await convertBytes(text, {}, { threads: 4 });
      expect(back.row_count).toBe(rows.length);
      expect(typesOf(back)).toEqual(["int64", "utf8", "utf8"]);
      expect(changed({ rows }, back)).toEqual([]);
    },
    60_000,
  );
});

describe("types", () => {
  test.each([
    ["int64", ["0", "-42", "9223372036854775807", "-9223372036854775808"]],
    ["float64", ["1.50", ".5", "-0", "1e-7", "2.5E+10", "3"]],
    ["float64", ["0.1234567890123456", "5e-324"]],
    ["decimal128(38, 18)", [".7009012320399926", "1.2248000000000001", "12"]],
    ["decimal128(38, 0)", ["9223372036854775808", "1"]],
    ["decimal128(38, 9)", ["12345678901234567890.12", "0.5"]],
    ["bool", ["true", "false"]],
    ["bool", ["TRUE", "FALSE"]],
    ["date32[day]", ["2024-02-29", "0001-01-01", "9999-12-31"]],
    ["timestamp[us]", ["2024-01-01T10:00:00", "2024-01-01 10:00:00.123456"]],
    ["timestamp[us, tz=UTC]", ["2024-01-01T10:00:00Z", "2024-01-01 10:00:00.5Z"]],
    ["utf8", ["02134", "1"]],
    ["utf8", ["+7"]],
    ["utf8", ["1_000"]],
    ["utf8", ["1e3"]],
    ["utf8", [" 147"]],
    ["utf8", ["147 "]],
    ["utf8", ["0x1F"]],
    ["utf8", ["NaN", "1.5"]],
    ["utf8", ["inf"]],
    ["utf8", ["1e400"]],
    ["utf8", ["Yes", "no"]],
    ["utf8", ["true", "False"]],
    ["utf8", ["11/6/18"]],
    ["utf8", ["2023-02-29"]],
    ["utf8", ["2024-01-01", "2024-01-01T00:00:00"]],
    ["utf8", ["2024-01-01T10:00:00+02:00"]],
    ["utf8", ["2024-01-01T10:00:00Z", "2024-01-01T10:00:00"]],
    ["utf8", ["2024-01-01 10:00:00.1234567"]],
    ["utf8", ["2024-01-01 24:00:00"]],
    ["utf8", ["0.12345678901234567890123456789012345678"]],
  ])("%s for %j, and every cell keeps its value", async (type, cells) => {
    const rows = cells.map((cell) => [cell, "x"]);
    const back = await convertBytes(`a,b\n${rows.map((row) => row.join(",")).join("\n")}\n`);
    expect(back.columns[0]?.type).toBe(type);
    expect(changed({ rows }, back)).toEqual([]);
  });

  test("text where no cell is filled, so that a later file may fill it", async () => {
    const back = await convertBytes('a,b\n1,\n2,""\n');
    expect(typesOf(back)).toEqual(["int64", "utf8"]);
    expect(back.rows).toEqual([
      ["1", null],
      ["2", ""],
    ]);
  });

  test("an empty cell is null, a quoted one the empty text; no other type has an empty value", async () => {
    const back = await convertBytes('n,t\n1,x\n,\n"",""\n');
    expect(typesOf(back)).toEqual(["int64", "utf8"]);
    expect(back.rows).toEqual([
      ["1", "x"],
      [null, null],
      [null, ""],
    ]);
  });

  test("a file with a header alone is a dataset without rows", async () => {
    const back = await convertBytes("a,b\n");
    expect(back).toMatchObject({ row_count: 0, rows: [] });
    expect(typesOf(back)).toEqual(["utf8", "utf8"]);
  });

  test("rows of one column may be empty, except at the end", async () => {
    const back = await convertBytes("a\n\n1\n\n\n2\n\n\n");
    expect(back.rows).toEqual([[null], ["1"], [null], [null], ["2"]]);
    expect(back.notices).toEqual(["Empty lines that were not taken for records: 2."]);
  });
});

test("the codec's version names what writes the files", async () => {
  await using engine = await openTestEngine();
  const reader = await engine.connection.runAndReadAll("SELECT version()");
  const version = String(reader.getRows()[0]?.[0]).replace(/^v/, "");
  expect(CSV_CODEC_VERSION).toEndWith(`/duckdb-${version}`);
});

test("zero keeps its sign, in files of every size", async () => {
  for (const rows of [3, 1000, 30_000]) {
    const cells = Array.from({ length: rows }, (_, row) => (row % 3 === 0 ? "-0" : "0"));
    const { columns, rows: read } = await convertBytes(
      `a,b\n${cells.map((cell, row) => `${cell},${row}\n`).join("")}`,
    );
    expect(columns[0]?.type).toBe("float64");
    const wrong = read.filter(([cell], row) => cell !== (cells[row] === "-0" ? "-0.0" : "0.0"));
    expect(wrong).toEqual([]);
  }
});
