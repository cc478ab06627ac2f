import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type CellValue,
  OUTPUT_TYPES,
  type OutputType,
} from "../plugins/ingest-csv/kernel/column-group.ts";
import type { FieldSyntax } from "../plugins/ingest-csv/kernel/field-syntax.ts";
import { encodeText, outputColumn, type Value } from "./support/csv-values.ts";

/** Text as the kernel writes it, rows in groups, and values that the host reads for it. */

const seed = process.env["LAKEHOUSE_TEST_SEED"];
const settings = (numRuns: number): fc.Parameters<unknown> => ({
  numRuns,
  ...(seed === undefined ? {} : { seed: Number(seed) }),
});

const MIB = 1024 * 1024;

const pieces = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 });

const syntax: fc.Arbitrary<FieldSyntax> = fc
  .record({
    delimiter: fc.constantFrom(",", ";", "\t", "|"),
    quote: fc.constantFrom('"', "'", ""),
    backslash: fc.boolean(),
  })
  .map(({ delimiter, quote, backslash }) => {
    const escape = backslash && quote !== "" ? "\\" : quote;
    return { delimiter, quote, escape };
  });

/** As long as the steps of the copy, or nearly, with what has a meaning in some dialect. */
const text = fc
  .tuple(
    fc.constantFrom(0, 1, 2, 7, 14, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 66, 127, 200),
    fc.array(
      fc.tuple(
        fc.constantFrom('"', '""', "'", "\\", "\\\\", ",", ";", "\n", "\r", "\r\n", "é", "€", "😀"),
        fc.nat(200),
      ),
      { maxLength: 4 },
    ),
    fc.constantFrom("a", "b", "é"),
  )
  .map(([length, marks, filler]) => {
    let made = filler.repeat(length);
    for (const [mark, at] of marks) {
      const place = at % (made.length + 1);
      made = made.slice(0, place) + mark + made.slice(place + mark.length);
    }
    return made.toWellFormed();
  });

/** A cell: its text, or null, and whether it is quoted although it need not be. */
const cell = fc.record({
  value: fc.oneof(
    { weight: 6, arbitrary: text },
    { weight: 1, arbitrary: fc.constantFrom(null, "", "NA") },
  ),
  quoted: fc.boolean(),
});

/** As it stands in the file; undefined if this dialect cannot say it. */
function write(
  { value, quoted }: { readonly value: string | null; readonly quoted: boolean },
  { delimiter, quote, escape }: FieldSyntax,
): string | undefined {
  if (value === null) return quoted ? "NA" : "";
  const backslash = escape === "\\";
  const needs =
    value === "" ||
    value === "NA" ||
    value.includes(delimiter) ||
    /[\r\n]/.test(value) ||
    (quote !== "" && value.startsWith(quote)) ||
    (backslash && value.includes("\\"));
  if (quote === "") return needs ? undefined : value;
  if (!needs && !quoted) return value;
  const content = backslash ? value.replaceAll("\\", "\\\\") : value;
  return quote + content.replaceAll(quote, escape + quote) + quote;
}

describe("a text", () => {
  test("is the bytes of its cell, in any dialect and beside any neighbours", async () => {
    await fc.assert(
      fc.asyncProperty(
        syntax,
        fc.array(fc.tuple(cell, cell, cell), { maxLength: 30, size: "max" }),
        fc.integer({ min: 1, max: 12 }),
        pieces,
        async (dialect, drawn, group_rows, sizes) => {
          const rows = drawn.flatMap((row) => {
            const written = row.map((each) => write(each, dialect));
            const is_blank = written.every((each) => each === undefined);
            return is_blank || written.includes(undefined) ? [] : [{ row, written }];
          });
          const lines = rows.map(({ written }) => `${written.join(dialect.delimiter)}\n`);
          const { values, misfit_count } = await encodeText(lines.join(""), {
            ...dialect,
            columns: [outputColumn("utf8", 2), outputColumn("utf8", 0), outputColumn("utf8", 1)],
            group_rows,
            pieces: sizes,
            null_texts: ["NA"],
          });
          const expected = [2, 0, 1].map((index) => rows.map(({ row }) => row[index]?.value));
          expect(values).toEqual(expected.map((column) => column.map((value) => value ?? null)));
          expect(misfit_count).toBe(0);
        },
      ),
      settings(400),
    );
  });

  test("that is empty is none, and one in quotes is an empty text but no other value", async () => {
    const rows = 'x,\nx,""\nx,NA\nx,"NA"\nx,\\N\n"",x\n';
    for (const type of OUTPUT_TYPES) {
      const columns = [outputColumn("utf8"), outputColumn(type, 1)];
      const { values, null_counts, misfit_count } = await encodeText(rows, {
        columns,
        null_texts: ["NA", "\\N"],
      });
      expect(values[0]).toEqual(["x", "x", "x", "x", "x", ""]);
      const is_text = type === "utf8";
      const texts = [null, "", null, "NA", null, "x"];
      expect(values[1]).toEqual(is_text ? texts : texts.map(() => null));
      expect([null_counts[1], misfit_count]).toEqual(is_text ? [3, 0] : [6, 2]);
    }
  });

  test("with a quote inside, but none around, keeps it", async () => {
    const { values } = await encodeText('a"b,5\' 7"\n1"",""""\n"a ""b""","\'"\n', {
      columns: [outputColumn("utf8"), outputColumn("utf8", 1)],
    });
    expect(values).toEqual([
      ['a"b', '1""', 'a "b"'],
      ["5' 7\"", '"', "'"],
    ]);
  });

  test("outgrows the room of its column at any byte, and the columns beside it stay", async () => {
    for (const room of [64 * 1024, 128 * 1024]) {
      for (const beside of [
        ...Array.from({ length: 37 }, (_, step) => step - 18),
        64,
        65,
        100,
        150,
      ]) {
        const first = "a".repeat(room - 100);
        const second = "b".repeat(100 + beside);
        const rows = [first, second, "c".repeat(15), "", "d", "e".repeat(room), "f"];
        const { values } = await encodeText(
          rows.map((each, row) => `n${row},"${each}",${row}\n`).join(""),
          {
            columns: [outputColumn("utf8"), outputColumn("utf8", 1), outputColumn("int64", 2)],
            group_rows: 100,
            capacity_bytes: 256 * 1024,
          },
        );
        expect(values[1]?.map((each) => Bun.hash(String(each)))).toEqual(
          rows.map((each) => Bun.hash(each)),
        );
        expect(values[0]).toEqual(rows.map((_, row) => `n${row}`));
        expect(values[2]).toEqual(rows.map((_, row) => BigInt(row)));
      }
    }
  });

  test("of more than a mebibyte comes whole, escaped or not", async () => {
    const cells = [
      "x".repeat(MIB + 1),
      'q"'.repeat(MIB),
      "é".repeat(MIB),
      "y",
      "\n".repeat(3 * MIB),
    ];
    const lines = cells.map((each, row) => `${row},"${each.replaceAll('"', '""')}"\n`);
    for (const group_rows of [1, 2, 100]) {
      const { values } = await encodeText(lines.join(""), {
        columns: [outputColumn("int64"), outputColumn("utf8", 1)],
        group_rows,
        pieces: [MIB],
      });
      expect(values[1]?.map((each) => each === cells[0])).toEqual([
        true,
        false,
        false,
        false,
        false,
      ]);
      expect(values[1]?.map((each) => Bun.hash(String(each)))).toEqual(
        cells.map((each) => Bun.hash(each)),
      );
      expect(values[0]).toEqual([0n, 1n, 2n, 3n, 4n]);
    }
  });
});

describe("a group of rows", () => {
  test("is handed over when it is full, and no empty one follows", async () => {
    for (const [rows, sizes] of [
      [0, []],
      [1, [1]],
      [7, [7]],
      [8, [7, 1]],
      [14, [7, 7]],
      [16, [7, 7, 2]],
    ] as const) {
      const lines = Array.from({ length: rows }, (_, row) => `${row},x\n`);
      for (const size of [1, 3, 1000]) {
        const columns = [outputColumn("int64"), outputColumn("utf8", 1)];
        const { groups, values } = await encodeText(lines.join(""), { columns, pieces: [size] });
        expect(groups).toEqual([...sizes]);
        expect(values[0]).toEqual(lines.map((_, row) => BigInt(row)));
      }
    }
  });

  test("holds the blank lines of one column wherever a pass or a group ends", async () => {
    const lines = fc.array(fc.constantFrom("\n", "\n", "\r\n", "1\n", "22\n", '""\n', "1,2\n"), {
      maxLength: 40,
      size: "max",
    });
    await fc.assert(
      fc.asyncProperty(
        lines,
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
        fc.constantFrom<OutputType>("utf8", "int64", "bool"),
        async (drawn, group_rows, sizes, type) => {
          const last = drawn.findLastIndex((line) => !/^[\r\n]/.test(line));
          const rows = drawn.slice(0, last + 1).filter((line) => line !== "1,2\n");
          const { values, groups } = await encodeText(drawn.join(""), {
            columns: [outputColumn(type)],
            group_rows,
            pieces: sizes,
          });
          const value = (line: string): Value => {
            const digits = line.trim();
            if (type === "utf8") return digits === '""' ? "" : digits === "" ? null : digits;
            return type === "int64" && /\d/.test(digits) ? BigInt(digits) : null;
          };
          expect(values[0]).toEqual(rows.map(value));
          expect(groups.every((count) => count <= group_rows)).toBe(true);
        },
      ),
      settings(400),
    );
  });

  test("leaves out bad records, and takes fields in any order", async () => {
    const { values } = await encodeText('1,a\n2\n3,"c"x\n4,d\n5,"e\n', {
      columns: [outputColumn("utf8", 1), outputColumn("int64", 0)],
      group_rows: 2,
    });
    expect(values).toEqual([
      ["a", "d"],
      [1n, 4n],
    ]);
  });

  test("takes no field twice", () => {
    const columns = [outputColumn("int64", 1), outputColumn("utf8", 1)];
    expect(encodeText("x,7\n", { columns })).rejects.toThrow("two columns");
  });
});

describe("a value that the host reads", () => {
  /** Values of every kind, the fitting one included: only that may be taken. */
  const OFFERED: readonly CellValue[] = [5n, -1n, 1.5, true, false, undefined];
  const FITTING: Readonly<Record<OutputType, (value: CellValue) => Value>> = {
    utf8: () => null,
    int64: (value) => (typeof value === "bigint" ? value : null),
    float64: (value) => (value === 1.5 ? 0x3ff8_0000_0000_0000n : null),
    bool: (value) => (typeof value === "boolean" ? value : null),
    date32: (value) => (typeof value === "bigint" ? value : null),
    timestamp: (value) => (typeof value === "bigint" ? value : null),
    timestamp_utc: (value) => (typeof value === "bigint" ? value : null),
    decimal128: (value) => (typeof value === "bigint" ? value : null),
  };

  test("is taken if it is one of the column's type, and touches no other row", async () => {
    const types = OUTPUT_TYPES.filter((type) => type !== "utf8");
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...types),
        fc.array(fc.nat(OFFERED.length - 1), { minLength: 1, maxLength: 30, size: "max" }),
        fc.integer({ min: 1, max: 9 }),
        async (type, offers, group_rows) => {
          const asked: string[] = [];
          const value = (text: string): CellValue => {
            asked.push(text);
            return OFFERED[Number(text.slice(1))];
          };
          const { values, misfit_count } = await encodeText(
            offers.map((offer) => `k${offer},"k${offer}"\n`).join(""),
            {
              columns: [
                { ...outputColumn(type, 1), read: { always: false, value } },
                outputColumn("utf8"),
              ],
              group_rows,
            },
          );
          const expected = offers.map((offer) => FITTING[type](OFFERED[offer]));
          expect(values[0]).toEqual(expected);
          expect(misfit_count).toBe(expected.filter((each) => each === null).length);
          expect(values[1]).toEqual(offers.map((offer) => `k${offer}`));
          expect(asked).toEqual(offers.map((offer) => `k${offer}`));
        },
      ),
      settings(200),
    );
  });

  test("is asked for of cells in no known form, or of all, but never of one that is null", async () => {
    const rows = 'x,7\nx,+8\nx,\nx,""\nx,NA\nx,"""9"\n';
    const forms = async (always: boolean): Promise<[readonly Value[], string[]]> => {
      const asked: string[] = [];
      const value = (text: string): bigint => BigInt(asked.push(text));
      const columns = [
        outputColumn("utf8"),
        { ...outputColumn("int64", 1), read: { always, value } },
      ];
      const { values } = await encodeText(rows, { columns, null_texts: ["NA"] });
      return [values[1] ?? [], asked];
    };
    expect(await forms(false)).toEqual([
      [7n, 1n, null, null, null, 2n],
      ["+8", '"9'],
    ]);
    expect(await forms(true)).toEqual([
      [1n, 2n, null, null, null, 3n],
      ["7", "+8", '"9'],
    ]);
  });
});
