import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readOptions } from "../plugins/ingest-csv/options.ts";
import { convertBytes, type ReadBack, sameValue } from "./support/csv-convert.ts";
import { optionsOf, written } from "./support/csv-tables.ts";
import { against, column } from "./support/registered-schema.ts";
import { runs } from "./support/test-engine.ts";

/** A CSV file judged against the registered schema, and stored as that. */

/** By name, so that the order of columns does not matter. */
function cellsOf({ columns, physical_columns, rows }: ReadBack): Record<string, string | null>[] {
  const names = (physical_columns ?? columns).map(({ name }) => name);
  return rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? null])));
}

describe("the same table", () => {
  test("is the registered schema in any order, with its ids, and every cell stays", async () => {
    await fc.assert(
      fc.asyncProperty(written, fc.infiniteStream(fc.nat()), async (table, ranks) => {
        const options = optionsOf(table);
        const first = await convertBytes(table.bytes, options);
        const shuffled = first.columns
          .map((each) => ({ each, rank: ranks.next().value ?? 0 }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ each: { name, type } }, index) => column(3 * index + 2, name, type));
        const again = await convertBytes(table.bytes, options, {}, against(shuffled));
        expect(again.verdict).toBe("same");
        expect(again.columns.map(({ id, name, type }) => ({ id, name, type }))).toEqual(
          shuffled.map(({ id, name, type }) => ({ id, name, type })),
        );
        expect(cellsOf(again)).toEqual(cellsOf(first));
        const text = first.columns.map(({ id, name }) => column(id, name, "utf8"));
        const wide = await convertBytes(table.bytes, options, {}, against(text));
        expect(wide.verdict).toBe("same");
        expect(wide.rows).toEqual(table.rows);
      }),
      runs(40),
    );
  }, 120_000);
});

const FITS: readonly (readonly [
  registered: string,
  fits: readonly string[],
  not: readonly string[],
])[] = [
  ["int64", ["7", "-9223372036854775808"], ["7.0", "007", "9223372036854775808", "-0", "x"]],
  [
    "float64",
    ["7", "1.50", "1e-7", "9007199254740992"],
    ["9007199254740993", "007", "NaN", "true"],
  ],
  [
    "decimal128(38, 9)",
    ["7", "1.5", "12345678901234567890.123456789"],
    ["1.0000000001", "1e-7", `1${"0".repeat(29)}`],
  ],
  ["decimal128(10, 2)", ["99999999.99", "7"], ["100000000", "0.001"]],
  ["bool", ["true", "FALSE"], ["yes", "1"]],
  ["date32[day]", ["2024-02-29"], ["2023-02-29", "2024-02-29 00:00:00", "1/2/2024"]],
  ["timestamp[us]", ["2024-02-29 10:00:00.5"], ["2024-02-29", "2024-02-29T10:00:00Z"]],
  [
    "timestamp[us, tz=UTC]",
    ["2024-02-29T10:00:00Z"],
    ["2024-02-29T10:00:00", "2024-02-29T10:00:00+00:00"],
  ],
  ["utf8", ["007", "1.50", "2024-02-29", "x", " "], []],
  ["list<int64>", [], ["7", "[7]"]],
];

describe("a cell alone keeps its value in the registered type, or is drift:", () => {
  for (const [type, fits, not] of FITS) {
    test(type, async () => {
      const registered = against([column(1, "v", type), column(2, "x", "utf8")]);
      for (const cell of fits) {
        const back = await convertBytes(`v,x\n${cell},\n`, {}, {}, registered);
        expect([cell, back.verdict, back.columns[0]?.type]).toEqual([cell, "same", type]);
        expect([cell, sameValue(type, cell, back.rows[0]?.[0] ?? null)]).toEqual([cell, true]);
      }
      for (const cell of not) {
        const back = await convertBytes(`v,x\n${cell},\n`, {}, {}, registered);
        expect([cell, back.verdict, back.size_bytes]).toEqual([cell, "conflict", 0]);
      }
    });
  }

  test("no cell at all fits every type that text can be read as", async () => {
    for (const [type, fits] of FITS) {
      if (fits.length === 0) continue;
      const back = await convertBytes(
        'v,x\n,1\n"",2\n',
        {},
        {},
        against([column(1, "v", type), column(2, "x", "int64")]),
      );
      expect([type, back.verdict]).toEqual([type, "same"]);
      expect(back.rows).toEqual([
        [null, "1"],
        [type === "utf8" ? "" : null, "2"],
      ]);
    }
  });
});

describe("a file of other columns", () => {
  const registered = [column(4, "b", "int64"), column(2, "a", "utf8"), column(7, "c", "bool")];

  test("is widened by what it adds; what it lacks is not in the file", async () => {
    const back = await convertBytes(
      "d,a,b\n2024-01-01,x,1.5\n",
      {},
      {},
      against(registered, "widen"),
    );
    expect(back.verdict).toBe("widened");
    expect(back.columns.map(({ id, name, type }) => [id, name, type])).toEqual([
      [4, "b", "decimal128(38, 9)"],
      [2, "a", "utf8"],
      [7, "c", "bool"],
      [100, "d", "date32[day]"],
    ]);
    expect(back.physical_columns?.map(({ id, name }) => [id, name])).toEqual([
      [4, "b"],
      [2, "a"],
      [100, "d"],
    ]);
    expect(back.last_column_id).toBe(100);
    expect(cellsOf(back)).toEqual([{ b: "1.500000000", a: "x", d: "2024-01-01" }]);
  });

  test("starts anew with ids that were never used", async () => {
    const back = await convertBytes("a,z\n1,2\n", {}, {}, against(registered, "replace"));
    expect(back.verdict).toBe("replaced");
    expect(back.columns.map(({ id, name }) => [id, name])).toEqual([
      [100, "a"],
      [101, "z"],
    ]);
  });
});

test("where a type widens late, what was converted before is converted again", async () => {
  const count = 900_000;
  const lines = Array.from({ length: count }, (_, i) => `${i},${i % 1000},name ${i}`);
  const registered = [column(1, "name", "utf8"), column(2, "n", "int64"), column(3, "id", "int64")];
  const same = await convertBytes(`id,n,name\n${lines.join("\n")}\n`, {}, {}, against(registered));
  expect(same.verdict).toBe("same");
  expect(same.rows.at(-1)).toEqual([`name ${count - 1}`, "999", String(count - 1)]);
  lines.push("900000,0.5,last");
  const bytes = `id,n,name\n${lines.join("\n")}\n`;
  const [name, n, id] = registered;
  if (name === undefined || n === undefined || id === undefined) throw new Error("no columns");
  const counted = [name, { ...n, integer_digits: 3, fraction_digits: 0 }, id];
  const told = against(counted, "widen");
  const wider = await convertBytes(bytes, {}, { threads: 4 }, told);
  expect(wider.columns.map(({ id, type }) => [id, type])).toEqual([
    [1, "utf8"],
    [2, "float64"],
    [3, "int64"],
  ]);
  const wrong = wider.rows.filter(([name, n, id], i) =>
    i === count ? n !== "0.5" : name !== `name ${i}` || n !== `${i % 1000}.0` || id !== String(i),
  );
  expect(wrong).toEqual([]);
  const alone = await convertBytes(bytes, readOptions({}), { threads: 1 }, told);
  expect(alone.sha256).toBe(wider.sha256);
}, 60_000);
