import {
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
} from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { sqlLiteral } from "../core/duckdb.ts";
import { GivenColumn } from "../plugins/ingest-csv/given-types.ts";
import type { CellValue } from "../plugins/ingest-csv/given-values.ts";
import { printsBack } from "../plugins/ingest-csv/kernel/exact-double.ts";
import { readTypeName } from "../plugins/ingest-csv/type-name.ts";
import { givenSql } from "./support/given-sql.ts";
import { openTestEngine, runs, type TestEngine } from "./support/test-engine.ts";

/** The values of cells, against the engine's casts; what fits, against patterns and `Date`. */

let engine: TestEngine;
beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

/** What the engine computes of each cell by this SQL, as columns hold it; undefined for NULL. */
async function engineValues(
  value: (x: string) => string,
  cells: readonly string[],
): Promise<(CellValue | undefined)[]> {
  const list = cells.map(sqlLiteral).join(", ");
  const result = await engine.connection.runAndReadAll(
    `SELECT ${value("x")} FROM (SELECT unnest([${list}]::VARCHAR[]) AS x)`,
  );
  return result.getRows().map(([computed]) => held(computed));
}

function held(value: unknown): CellValue | undefined {
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "boolean")
    return value;
  if (value instanceof DuckDBDecimalValue) return value.value;
  if (value instanceof DuckDBDateValue) return BigInt(value.days);
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBTimestampTZValue)
    return value.micros;
  return undefined;
}

/** Where what is read is not what the engine computes; a zero with a minus is another. */
function differences(
  cells: readonly string[],
  read: readonly (CellValue | undefined)[],
  computed: readonly (CellValue | undefined)[],
): unknown[] {
  return cells
    .map((cell, index) => [cell, read[index], computed[index]])
    .filter(([, ours, theirs]) => !Object.is(ours, theirs) || ours === undefined);
}

const ISO = { date: undefined, timestamp: undefined };
const columnOf = (type: string): GivenColumn => new GivenColumn(readTypeName("cell", type), ISO);

/** The value that the column has of one cell. */
const valueIn = (type: string, cell: string, arrow?: string): CellValue | undefined => {
  const column = columnOf(type);
  return column.read(cell, arrow ?? column.stored);
};

const spaced = (cells: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom("", "", "", " ", "  "), cells, fc.constantFrom("", "", "", " "))
    .map((parts) => parts.join(""));

/** With one or two characters of each cell replaced, in one of three. */
const damaged = (cells: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(
      cells,
      fc.nat({ max: 40 }),
      fc.constantFrom("", "0", "9", "-", "+", ".", ":", " ", "e", "T", "Z", "x", "é", "５", "\t"),
      fc.nat({ max: 2 }),
      fc.nat({ max: 2 }),
    )
    .map(([cell, at, by, length, chance]) =>
      chance > 0 ? cell : cell.slice(0, at) + by + cell.slice(at + length),
    );

const digits = (max: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: fc.constantFrom(..."0123456789".split("")), maxLength: max }),
    fc.string({ unit: fc.constantFrom("0", "0", "9"), maxLength: max }),
  );
const NUMBER_EDGES = [
  "9223372036854775807",
  "-9223372036854775808",
  "9223372036854775808",
  "-9223372036854775809",
  "99999999999999999999999999999999999999",
  "-99999999999999999999999999999999999.999",
  "0.00000000000000000000000000000000000001",
  "5e-324",
  "4.9406564584124654e-324",
  "2.2250738585072014e-308",
  "2.225073858507201e-308",
  "1.7976931348623157e308",
  "-1.7976931348623157E+308",
  "1.7976931348623159e308",
  "1e-400",
  "0e9999",
  "-0",
  "-0.0",
  "+0",
  ".",
  "+",
  "",
  `${"0".repeat(98)}42`,
  `${"0".repeat(99)}42`,
  `${"0".repeat(500)}1.5${"0".repeat(400)}`,
];
const numbers = spaced(
  damaged(
    fc.oneof(
      fc.constantFrom(...NUMBER_EDGES),
      fc.double({ noNaN: true }).map(String),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value.toExponential()),
      fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
      fc
        .tuple(
          fc.constantFrom("", "", "-", "+"),
          digits(24),
          fc.constantFrom("", ".", "."),
          digits(24),
          fc.constantFrom("", "", "", "", "e3", "E-7", "e+300"),
        )
        .map(([sign, whole, point, fraction, power]) =>
          [sign, whole, point, point && fraction, power].join(""),
        ),
    ),
  ),
);
const booleans = spaced(
  damaged(fc.constantFrom(..."true,t,yes,y,1,false,f,no,n,0,TRUE,Yes,nO,F,on,2,truee".split(","))),
);

const two = (min: number, max: number): fc.Arbitrary<string> =>
  fc
    .oneof(
      { arbitrary: fc.constantFrom(min, max), weight: 1 },
      { arbitrary: fc.integer({ min: min + 1, max: max - 1 }), weight: 9 },
    )
    .map((value) => String(value).padStart(2, "0"));
const years = fc
  .oneof(
    fc.constantFrom(0, 1, 4, 100, 400, 1684, 1685, 1900, 1970, 2000, 2255, 2256, 9999),
    fc.integer({ min: 1, max: 9999 }),
  )
  .map((year) => String(year).padStart(4, "0"));
const times = fc
  .tuple(
    fc.tuple(years, two(0, 13), two(0, 32)).map((parts) => parts.join("-")),
    fc.constantFrom("", "T", " ", " "),
    fc.tuple(two(0, 24), two(0, 60)).map((parts) => parts.join(":")),
    fc.oneof(
      fc.constant(""),
      two(0, 60).map((second) => `:${second}`),
    ),
    fc.oneof(fc.constant(""), fc.stringMatching(/^[.][0-9]{1,7}$/)),
    fc.oneof(
      fc.constantFrom("", "Z", "z"),
      fc.stringMatching(/^[+-](0[0-9]|1[0-5]):?[0-6][0-9]$/),
      fc.stringMatching(/^[+-][01][0-9]$/),
    ),
  )
  .map(([day, between, minute, second, fraction, zone]) =>
    between === "" ? day : [day, between, minute, second, second && fraction, zone].join(""),
  );
const timeCells = spaced(damaged(times));

const CELLS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  BIGINT: numbers,
  DOUBLE: numbers,
  "DECIMAL(6,2)": numbers,
  "DECIMAL(18,3)": numbers,
  "DECIMAL(38,0)": numbers,
  "DECIMAL(38,9)": numbers,
  "DECIMAL(38,38)": numbers,
  BOOLEAN: booleans,
  DATE: timeCells,
  TIMESTAMP: timeCells,
  TIMESTAMPTZ: timeCells,
};

/** True if the type has a value of this text: by another road than the one under test. */
function isValueOf(type: string, text: string): boolean {
  if (type === "BIGINT") {
    return /^[+-]?[0-9]{1,100}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
  }
  if (type === "DOUBLE") {
    return (
      /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,4})?$/i.test(text) &&
      printsBack(text.replace("+", ""))
    );
  }
  if (type === "BOOLEAN") return /^(true|t|yes|y|1|false|f|no|n|0)$/i.test(text);
  const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? [];
  if (precision !== undefined) {
    const [, whole = "", fraction = "", alone = ""] =
      /^[+-]?0*(?:([0-9]*)\.?([0-9]*?)|\.([0-9]*?))0*$/.exec(text) ?? [];
    const has_digits = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)$/.test(text);
    const places = Number(scale);
    const before = text.includes(".") ? whole.length : text.replace(/^[+-]?0*/, "").length;
    return (
      has_digits &&
      before <= Number(precision) - places &&
      (!text.includes(".") || Math.max(fraction.length, alone.length) <= places)
    );
  }
  return isTime(type, text);
}

function isTime(type: string, text: string): boolean {
  const [, day = "", time, offset] =
    /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]((?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?))?(Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)?$/.exec(
      text,
    ) ?? [];
  const date = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(date.getTime()) || !date.toISOString().startsWith(day)) return false;
  if (day.startsWith("0000")) return false;
  if (type === "DATE") return time === undefined && offset === undefined;
  if (type === "TIMESTAMP") return offset === undefined;
  return offset !== undefined && time !== undefined && time.length > 5;
}

describe.each(Object.entries(CELLS))("%s", (type, drawn) => {
  const batch = fc.array(drawn, { minLength: 200, maxLength: 200 });

  test("reads of any cell what the engine computes, or nothing", async () => {
    const column = columnOf(type);
    let count = 0;
    await fc.assert(
      fc.asyncProperty(batch, async (cells) => {
        const fitting = cells.filter((cell) => column.fits(cell));
        count += fitting.length;
        const read = fitting.map((cell) => column.read(cell, column.stored));
        const computed = await engineValues(givenSql(column.type, ISO), fitting);
        expect(differences(fitting, read, computed)).toEqual([]);
      }),
      runs(100),
    );
    expect(count).toBeGreaterThan(500);
  }, 60_000);

  test("has a value of exactly the cells that fit", () => {
    const column = columnOf(type);
    fc.assert(
      fc.property(drawn, (cell) => {
        const is_value = isValueOf(type, cell.replace(/^ +| +$/g, ""));
        expect(column.fits(cell)).toBe(is_value);
        expect(column.read(cell, column.stored) !== undefined).toBe(is_value);
      }),
      runs(5000),
    );
  }, 60_000);
});

describe("stored as another type of number,", () => {
  const ARROWS = [
    "int64",
    "float64",
    "decimal128(38, 0)",
    "decimal128(38, 9)",
    "decimal128(20, 4)",
  ];
  const short = spaced(
    fc
      .tuple(fc.constantFrom("", "-", "+"), digits(9), fc.constantFrom("", "."), digits(4))
      .map(([sign, whole, point, fraction]) => sign + whole + point + (point && fraction)),
  );

  test.each(["BIGINT", "DECIMAL(18,3)", "DECIMAL(38,0)", "DECIMAL(38,9)"])(
    "a %s reads what the engine computes",
    async (type) => {
      const kept = new Set<string>();
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.oneof(short, short, numbers), { minLength: 1, maxLength: 20 }),
          fc.constantFrom(...ARROWS),
          async (cells, arrow) => {
            const column = columnOf(type);
            const fitting = cells.filter((cell) => column.fits(cell));
            const misfits = cells.filter((cell) => !column.fits(cell));
            expect(misfits.filter((cell) => column.read(cell, arrow) !== undefined)).toEqual([]);
            const { fits } = column.offer("n", { integer_digits: 0, fraction_digits: 0 });
            if (!fits(arrow)) return;
            const value = givenSql(column.type, ISO, arrow);
            if (fitting.length > 0) kept.add(arrow);
            const read = fitting.map((cell) => column.read(cell, arrow));
            expect(differences(fitting, read, await engineValues(value, fitting))).toEqual([]);
          },
        ),
        runs(300),
      );
      expect([...kept].sort()).toEqual([...ARROWS].sort());
    },
    60_000,
  );

  test("a value that has no room there is none", () => {
    expect(valueIn("DECIMAL(38,9)", "1.5", "int64")).toBeUndefined();
    expect(valueIn("DECIMAL(38,9)", "12345678901234567890", "int64")).toBeUndefined();
    expect(valueIn("DECIMAL(38,9)", "1.125", "decimal128(10, 2)")).toBeUndefined();
    expect(valueIn("BIGINT", "9007199254740993", "float64")).toBeUndefined();
    expect(valueIn("DATE", "2024-02-29", "int64")).toBeUndefined();
  });
});

describe("a cell is read as", () => {
  test.each<[string, string, CellValue]>([
    ["BIGINT", " +007 ", 7n],
    ["BIGINT", "-9223372036854775808", -(2n ** 63n)],
    ["DOUBLE", "-0", -0],
    ["DOUBLE", "5e-324", 5e-324],
    ["DOUBLE", "1.7976931348623157e308", Number.MAX_VALUE],
    ["DECIMAL(6,2)", "+0007.5", 750n],
    ["DECIMAL(38,38)", "-.1", -(10n ** 37n)],
    ["DECIMAL(38,0)", "9".repeat(38), 10n ** 38n - 1n],
    ["BOOLEAN", "Yes", true],
    ["BOOLEAN", "0", false],
    ["DATE", "0001-01-01", -719_162n],
    ["DATE", "1969-12-31", -1n],
    ["DATE", "9999-12-31", 2_932_896n],
    ["TIMESTAMP", "1970-01-01", 0n],
    ["TIMESTAMP", "1969-12-31 23:59:59.999999", -1n],
    ["TIMESTAMP", "0001-01-01T00:00", -62_135_596_800_000_000n],
    ["TIMESTAMP", "9999-12-31 23:59:59.999999", 253_402_300_799_999_999n],
    ["TIMESTAMPTZ", "1970-01-01T02:30:00+02:30", 0n],
    ["TIMESTAMPTZ", "1969-12-31 23:30:00-0030", 0n],
    ["TIMESTAMPTZ", "1970-01-01T14:00:00.5+14", 500_000n],
  ])("%s: %j → %p", (type, cell, value) => {
    expect(valueIn(type, cell)).toBe(value);
  });
});
