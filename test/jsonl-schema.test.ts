import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isRecord } from "../core/json.ts";
import { column as cells } from "./support/json-columns.ts";
import {
  cameBack,
  type Cell,
  convertLines,
  type JsonReadBack,
  keepsValue,
  linesOf,
} from "./support/jsonl-convert.ts";
import { against, column } from "./support/registered-schema.ts";
import { runs } from "./support/test-engine.ts";

/** A file of JSON Lines judged against the registered schema, and stored as that. */

const JSON_TYPE = "extension<arrow.json>";

const TYPES = [
  "int64",
  "float64",
  "decimal128(38, 0)",
  "decimal128(38, 9)",
  "decimal128(38, 27)",
  "decimal128(10, 2)",
  "bool",
  "utf8",
  JSON_TYPE,
  "date32[day]",
];

interface Drawn {
  readonly cells: readonly Cell[];
  /** What is registered; mostly a type that fits. */
  readonly type: string;
}

const drawn: fc.Arbitrary<Drawn> = fc
  .tuple(cells, fc.integer({ min: 1, max: 12 }), fc.nat(), fc.nat(9))
  .map(([drawn_cells, count, pick, luck]) => {
    const some = drawn_cells.slice(0, count);
    const fitting = TYPES.filter((type) => some.every((cell) => keepsValue(cell, type)));
    const types = luck === 0 ? TYPES : fitting;
    return { cells: some, type: types[pick % types.length] ?? JSON_TYPE };
  });

/** By name, so that the order of columns does not matter. */
function cellsOf({ columns, physical_columns, rows }: JsonReadBack): Map<string, unknown>[] {
  const names = (physical_columns ?? columns).map(({ name }) => name);
  return rows.map((row) => new Map(names.map((name, i) => [name, row[i] ?? null])));
}

describe("random rows against a random schema", () => {
  test("are that schema if and only if every value is the same in it, and then come back so", async () => {
    let same = 0;
    let conflicts = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(drawn, { minLength: 1, maxLength: 5 }),
        fc.infiniteStream(fc.nat()),
        async (table, ranks) => {
          const names = table.map((_, index) => `column ${index}`);
          const registered = table
            .map(({ type }, index) => ({ index, type, rank: ranks.next().value ?? 0 }))
            .sort((a, b) => a.rank - b.rank)
            .map(({ index, type }, at) => column(3 * at + 2, `column ${index}`, type));
          const lines = linesOf(
            names,
            table.map((each) => each.cells),
          );
          const back = await convertLines(lines, against(registered));
          const fits = table.every((each) =>
            each.cells.every((cell) => keepsValue(cell, each.type)),
          );
          expect(back.verdict).toBe(fits ? "same" : "conflict");
          if (!fits) {
            conflicts += 1;
            expect(back).toMatchObject({ size_bytes: 0, sha256: "", rows: [] });
            return;
          }
          same += 1;
          expect(back.columns.map(({ id, name, type }) => ({ id, name, type }))).toEqual(
            registered.map(({ id, name, type }) => ({ id, name, type })),
          );
          expect(back.physical_columns).toBeUndefined();
          const types = new Map(registered.map(({ name, type }) => [name, type]));
          for (const [row, printed] of back.rows.entries()) {
            for (const [at, { name }] of registered.entries()) {
              const cell = table[names.indexOf(name)]?.cells[row];
              const found = printed[at] ?? null;
              if (!cameBack(cell, types.get(name) ?? "", found))
                throw new Error(`${types.get(name)}: ${cell?.written} came back as ${found}`);
            }
          }
        },
      ),
      runs(150),
    );
    expect(same).toBeGreaterThan(50);
    expect(conflicts).toBeGreaterThan(5);
  }, 120_000);
});

const FITS: readonly (readonly [
  registered: string,
  fits: readonly string[],
  not: readonly string[],
])[] = [
  [
    "int64",
    ["7", "-9223372036854775808"],
    ["7.0", "7e0", "-0", "9223372036854775808", '"7"', "true"],
  ],
  [
    "float64",
    ["7", "1.50", "1e-7", "1E+3", "-0", "9007199254740992"],
    ["9007199254740993", "1e400", '"1"', "true", "[1]"],
  ],
  [
    "decimal128(38, 9)",
    ["7", "1.5", "12345678901234567890.123456789"],
    ["1.0000000001", "1e-7", '"7"', `1${"0".repeat(29)}`],
  ],
  ["decimal128(10, 2)", ["99999999.99", "7"], ["100000000", "0.001"]],
  ["bool", ["true", "false"], ["0", '"true"']],
  ["utf8", ['"007"', '"\\u00e9"', '""'], ["7", "true", "{}"]],
  [JSON_TYPE, ["7", '"7"', "true", '{ "a" : [1.50] }', "1e400"], []],
  ["date32[day]", [], ['"2024-02-29"', "7"]],
  ["int32", [], ["7"]],
];

describe("a value alone is the same in the registered type, or is drift:", () => {
  for (const [type, fits, not] of FITS) {
    test(type, async () => {
      const registered = against([column(1, "x", "utf8"), column(2, "v", type)]);
      for (const written of fits) {
        const cell: Cell = {
          written,
          ...(written.startsWith('"') ? { text: String(JSON.parse(written)) } : {}),
        };
        const back = await convertLines(`{"v": ${written}, "x": null}\n`, registered);
        expect([written, back.verdict, back.columns[1]?.type]).toEqual([written, "same", type]);
        expect([written, cameBack(cell, type, back.rows[0]?.[1] ?? null)]).toEqual([written, true]);
      }
      for (const written of not) {
        const back = await convertLines(`{"x": "a"}\n{"v": ${written}}\n`, registered);
        expect([written, back.verdict, back.size_bytes]).toEqual([written, "conflict", 0]);
        const value = JSON.stringify(back.diff);
        expect(value).toContain(
          `"decided_by":{"row":2,"line":2,"value":${JSON.stringify(written)}}`,
        );
      }
    });
  }

  test("no value at all fits every type that a value can be read as", async () => {
    const types = ["date32[day]", "timestamp[us, tz=UTC]", ...TYPES];
    for (const type of types) {
      const told = against([column(1, "v", type), column(2, "x", "int64")]);
      const back = await convertLines('{"v": null, "x": 1}\n{"x": 2}\n', told);
      expect([type, back.verdict]).toEqual([type, "same"]);
      expect(back.rows).toEqual([
        [null, "1"],
        [null, "2"],
      ]);
    }
  });
});

describe("a file of other columns", () => {
  const registered = [column(4, "b", "int64"), column(2, "a", "utf8"), column(7, "c", "bool")];

  test("is widened by what it adds; what it lacks is not in the file", async () => {
    const lines = '{"d": [1], "a": "x", "b": 1}\n{"b": 1.5}\n';
    const back = await convertLines(lines, against(registered, "widen"));
    expect(back.verdict).toBe("widened");
    expect(back.columns.map(({ id, name, type }) => [id, name, type])).toEqual([
      // Nobody counted the digits of the integers that are stored.
      [4, "b", "decimal128(38, 9)"],
      [2, "a", "utf8"],
      [7, "c", "bool"],
      [100, "d", JSON_TYPE],
    ]);
    expect(back.physical_columns?.map(({ id, name }) => [id, name])).toEqual([
      [4, "b"],
      [2, "a"],
      [100, "d"],
    ]);
    expect(back.last_column_id).toBe(100);
    expect(cellsOf(back).map((row) => Object.fromEntries(row))).toEqual([
      { b: "1.000000000", a: "x", d: "[1]" },
      { b: "1.500000000", a: null, d: null },
    ]);
  });

  test("makes text of integers that are stored if strings come for them, and only if", async () => {
    const only = [column(1, "n", "int64")];
    const strings = await convertLines('{"n": "x"}\n{"n": "12"}\n', against(only, "widen"));
    expect(strings).toMatchObject({ verdict: "widened", columns: [{ id: 1, type: "utf8" }] });
    expect(strings.rows).toEqual([["x"], ["12"]]);
    const both = await convertLines('{"n": "x"}\n{"n": 12}\n', against(only, "widen"));
    expect(both).toMatchObject({ verdict: "conflict", diff: { choices: ["replace"] } });
  });

  test("starts anew with ids that were never used", async () => {
    const back = await convertLines('{"a": 1, "z": 2}\n', against(registered, "replace"));
    expect(back.verdict).toBe("replaced");
    expect(back.columns.map(({ id, name, type }) => [id, name, type])).toEqual([
      [100, "a", "int64"],
      [101, "z", "int64"],
    ]);
    expect(back.rows).toEqual([["1", "2"]]);
  });

  test("of numbers for text can only start anew: no type holds both as they are", async () => {
    const back = await convertLines('{"a": 12, "b": 1, "c": true}\n', against(registered, "widen"));
    expect(back).toMatchObject({ verdict: "conflict", sha256: "" });
    expect(back.diff).toMatchObject({
      retyped: [{ name: "a", from: "utf8", to: "int64", widens_to: null }],
      choices: ["replace"],
    });
  });
});

describe("a dry run", () => {
  test("judges, writes nothing, and reports bad lines instead of failing", async () => {
    const lines = '{"v": 1}\n{"v": 2\n{"v": 3}\n';
    const told = against([column(1, "v", "float64")]);
    const back = await convertLines(lines, { ...told, dry_run: true });
    expect(back).toMatchObject({ verdict: "same", row_count: 2, size_bytes: 0, sha256: "" });
    expect(back.report).toMatchObject({
      bad_count: 1,
      bad: [{ line: 2, reason: "unexpected_end" }],
      accepted: false,
      columns: [{ name: "v", type: "float64", type_chosen_by: "registered schema" }],
    });
    expect(back.notices).toEqual(["Lines that are no rows and refuse the file: 1."]);
    const refusal = await convertLines(lines, told).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "invalid_json_lines", extra: { line: 2 } });
  });

  test("says of a file what its conversion says", async () => {
    const lines = '{"a": 1, "b": "x"}\n{"a": 0.5}\n';
    for (const told of [{}, against([column(9, "b", "utf8"), column(3, "a", "float64")])]) {
      const dry = await convertLines(lines, { ...told, dry_run: true });
      const { size_bytes, sha256, rows, ...real } = await convertLines(lines, told);
      expect([size_bytes > 0, sha256.length, rows.length]).toEqual([true, 64, 2]);
      expect({ ...dry, size_bytes, sha256, rows }).toEqual({ ...real, size_bytes, sha256, rows });
    }
  });
});

test("where a value late in the file needs another type, all of it is stored as that", async () => {
  const count = 400_000;
  const lines = Array.from({ length: count }, (_, i) => `{"name":"name ${i}","n":${i % 1000}}\n`);
  lines.push('{"n":0.5,"name":"last"}\n');
  const registered = [
    { ...column(5, "n", "int64"), integer_digits: 3, fraction_digits: 0 },
    column(3, "name", "utf8"),
  ];
  const strict = await convertLines(lines.join(""), against(registered));
  expect(strict.verdict).toBe("conflict");
  const [retyped] =
    isRecord(strict.diff) && Array.isArray(strict.diff["retyped"]) ? strict.diff["retyped"] : [];
  expect(retyped).toEqual({
    name: "n",
    from: "int64",
    to: "float64",
    widens_to: "float64",
    decided_by: { row: count + 1, line: count + 1, value: "0.5" },
  });
  const back = await convertLines(lines.join(""), against(registered, "widen"));
  expect(back.columns.map(({ id, type }) => [id, type])).toEqual([
    [5, "float64"],
    [3, "utf8"],
  ]);
  const wrong = back.rows.filter(([n, name], i) =>
    i === count ? n !== "0.5" || name !== "last" : n !== `${i % 1000}.0` || name !== `name ${i}`,
  );
  expect(wrong).toEqual([]);
}, 60_000);
