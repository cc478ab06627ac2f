import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { sameValue } from "./support/csv-convert.ts";
import { ParquetRig } from "./support/parquet-convert.ts";
import { withStatistics } from "./support/parquet-footer.ts";
import { against, column } from "./support/registered-schema.ts";
import { runs } from "./support/test-engine.ts";

/** A Parquet file judged against the registered schema: kept as it is, written anew, or refused. */

let rig: ParquetRig;
beforeAll(async () => {
  rig = await ParquetRig.open();
});
afterAll(() => rig[Symbol.asyncDispose]());

/** Whole numbers and decimals: digits behind the point, and the least and greatest value without it. */
interface Exact {
  readonly sql: string;
  readonly arrow: string;
  readonly scale: number;
  readonly least: bigint;
  readonly greatest: bigint;
}

const integer = (sql: string, arrow: string, bits: number, is_signed = true): Exact => ({
  sql,
  arrow,
  scale: 0,
  least: is_signed ? -(1n << BigInt(bits - 1)) : 0n,
  greatest: (1n << BigInt(is_signed ? bits - 1 : bits)) - 1n,
});
const decimal = (precision: number, scale: number): Exact => ({
  sql: `DECIMAL(${precision}, ${scale})`,
  arrow: `decimal128(${precision}, ${scale})`,
  scale,
  least: 1n - 10n ** BigInt(precision),
  greatest: 10n ** BigInt(precision) - 1n,
});
const EXACT: readonly Exact[] = [
  integer("TINYINT", "int8", 8),
  integer("SMALLINT", "int16", 16),
  integer("INTEGER", "int32", 32),
  integer("BIGINT", "int64", 64),
  integer("UTINYINT", "uint8", 8, false),
  integer("USMALLINT", "uint16", 16, false),
  integer("UINTEGER", "uint32", 32, false),
  integer("UBIGINT", "uint64", 64, false),
  decimal(4, 2),
  decimal(9, 0),
  decimal(18, 6),
  decimal(38, 0),
  decimal(38, 9),
  decimal(38, 18),
  decimal(38, 37),
];
const TARGETS = [...EXACT.map(({ arrow }) => arrow), "float32", "float64", "utf8", "bool"];

/** Around the places where a type ends. */
const EDGES = [8n, 16n, 24n, 25n, 32n, 53n, 54n, 63n, 64n]
  .map((bits) => 1n << bits)
  .concat([2n, 9n, 14n, 15n, 18n, 37n].map((digits) => 10n ** digits))
  .flatMap((edge) => [edge - 1n, edge, edge + 1n, -edge - 1n, -edge, 1n - edge]);

const drawn = fc.constantFrom(...EXACT).chain((from) =>
  fc.record({
    from: fc.constant(from),
    values: fc.array(
      fc.option(
        fc.oneof(
          fc.constantFrom(...EDGES, 0n, 1n),
          fc.bigInt({ min: -1000n, max: 1000n }).map((value) => value * 10n ** BigInt(from.scale)),
          fc.bigInt({ min: from.least, max: from.greatest }),
        ),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    to: fc.oneof(fc.constantFrom(...TARGETS), fc.constantFrom("float64", "int64")),
  }),
);

/** True if the number, without its point, is the same in the other type. */
function keeps(value: bigint, { scale }: Exact, to: string, integer_digits: number): boolean {
  const size = value < 0n ? -value : value;
  if (to === "float32") return scale === 0 && size <= 1n << 24n;
  if (to === "float64") return scale === 0 ? size <= 1n << 53n : integer_digits + scale <= 15;
  const target = EXACT.find(({ arrow }) => arrow === to);
  if (target === undefined) return false;
  // Decimals are no whole numbers, whatever their digits.
  if (scale > 0 && !to.startsWith("decimal")) return false;
  const scaled = value * 10n ** BigInt(target.scale);
  const power = 10n ** BigInt(scale);
  const moved = scaled / power;
  return scaled % power === 0n && target.least <= moved && moved <= target.greatest;
}

const printed = (value: bigint, scale: number): string => {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const text = scale === 0 ? whole : `${whole}.${digits.slice(-scale)}`;
  return value < 0n ? `-${text}` : text;
};

describe("a column of exact numbers", () => {
  test("is of the registered type if and only if every value is the same in it, and then comes back so", async () => {
    let recast = 0;
    let conflicts = 0;
    await fc.assert(
      fc.asyncProperty(drawn, async ({ from, values, to }) => {
        const held = values.map((value) =>
          value === null || value < from.least || value > from.greatest ? null : value,
        );
        const cells = held.map((value) => (value === null ? null : printed(value, from.scale)));
        const rows = cells.map((cell, i) => `(${i}, ${cell === null ? "NULL" : `'${cell}'`})`);
        const path = await rig.write(
          `SELECT v::${from.sql} AS v FROM (VALUES ${rows.join(", ")}) t(i, v) ORDER BY i`,
        );
        const back = await rig.take(path, against([column(3, "v", to)]));
        const digits = held.flatMap((value) =>
          value === null
            ? []
            : [(printed(value, from.scale).replace("-", "").split(".")[0] ?? "").length],
        );
        const fits =
          from.arrow === to ||
          held.every((each) => each === null || keeps(each, from, to, Math.max(...digits)));
        expect([back.verdict, back.sha256 !== ""]).toEqual([fits ? "same" : "conflict", fits]);
        if (!fits) conflicts += 1;
        else if (from.arrow !== to) recast += 1;
        if (!fits) return;
        expect(back.columns).toMatchObject([{ id: 3, name: "v", type: to }]);
        expect(back.is_kept).toBe(from.arrow === to);
        for (const [row, cell] of cells.entries()) {
          const found = back.after[row]?.[0] ?? null;
          if (!sameValue(to === "float32" ? "float64" : "decimal128", cell, found))
            throw new Error(`${from.arrow} ${cell} came back as ${to} ${found}`);
        }
      }),
      runs(400),
    );
    expect(recast).toBeGreaterThan(80);
    expect(conflicts).toBeGreaterThan(80);
  }, 180_000);
});

const CASES: readonly (readonly [
  what: string,
  select: string,
  registered: string,
  verdict: "same" | "conflict",
  printed?: string | null,
])[] = [
  ["2^53", "SELECT 9007199254740992::BIGINT AS v", "float64", "same", "9007199254740992.0"],
  ["2^54", "SELECT 18014398509481984::BIGINT AS v", "float64", "conflict"],
  [
    "15 digits",
    "SELECT 123456789.123456::DECIMAL(18, 6) AS v",
    "float64",
    "same",
    "123456789.123456",
  ],
  ["16 digits", "SELECT 1234567890.123456::DECIMAL(18, 6) AS v", "float64", "conflict"],
  ["2^53 + 1", "SELECT 9007199254740993::BIGINT AS v", "float64", "conflict"],
  ["a number for a text", "SELECT 12::BIGINT AS v", "utf8", "conflict"],
  ["a date for a text", "SELECT DATE '2024-02-29' AS v", "utf8", "conflict"],
  ["a date for a timestamp", "SELECT DATE '2024-02-29' AS v", "timestamp[us]", "conflict"],
  ["a text for JSON", "SELECT '12' AS v", "extension<arrow.json>", "conflict"],
  ["a float for a double", "SELECT 0.1::FLOAT AS v", "float64", "same", "0.10000000149011612"],
  ["NaN for a double", "SELECT 'NaN'::FLOAT AS v", "float64", "same", "nan"],
  ["-0 for a double", "SELECT '-0'::FLOAT AS v", "float64", "same", "-0.0"],
  ["a double for a float", "SELECT 0.5::DOUBLE AS v", "float32", "conflict"],
  ["a double for an integer", "SELECT 7::DOUBLE AS v", "int64", "conflict"],
  ["a double for a decimal", "SELECT 0.5::DOUBLE AS v", "decimal128(38, 9)", "conflict"],
  [
    "whole microseconds",
    "SELECT TIMESTAMP_NS '1960-01-01 00:00:00.123456' AS v",
    "timestamp[us]",
    "same",
    "1960-01-01 00:00:00.123456",
  ],
  [
    "nanoseconds",
    "SELECT TIMESTAMP_NS '2024-01-01 00:00:00.123456789' AS v",
    "timestamp[us]",
    "conflict",
  ],
  ["no value", "SELECT NULL::INTEGER AS v", "utf8", "same", null],
  ["no value of a list", "SELECT NULL::INTEGER[] AS v", "date32[day]", "same", null],
  ["no value for a list", "SELECT NULL::INTEGER AS v", "list<item: int32>", "conflict"],
  ["a boolean for a number", "SELECT true AS v", "int64", "conflict"],
];

describe("a value of one type for a column of another is the same, or drift:", () => {
  for (const [what, select, type, verdict, printed_value] of CASES) {
    test(`${what} (${type})`, async () => {
      const back = await rig.take(await rig.write(select), against([column(1, "v", type)]));
      expect(back.verdict).toBe(verdict);
      if (verdict === "same") expect(back.after).toEqual([[printed_value ?? null]]);
    });
  }
});

test("what the footer says of the values decides nothing: they are read", async () => {
  const path = await rig.write("SELECT unnest([5, NULL, 9007199254740993])::BIGINT AS v");
  const bytes = Buffer.alloc(8, 5);
  const five = { kind: "binary", bytes } as const;
  const none = { kind: "int", type: 6, value: 0n } as const;
  const file = Buffer.from(await Bun.file(path).bytes());
  // null_count, max_value, min_value
  await Bun.write(path, withStatistics(file, [3, none], [5, five], [6, five]));
  for (const type of ["float64", "int32", "uint8"]) {
    expect((await rig.take(path, against([column(1, "v", type)]))).verdict).toBe("conflict");
  }
  expect((await rig.take(path)).columns).toMatchObject([{ integer_digits: 16 }]);
});

const WIDE = `SELECT i::INTEGER AS id, 'text ' || (i * 7919 % 1000003) AS t,
  CASE WHEN i % 3 = 0 THEN NULL WHEN i % 5 = 0 THEN '-0'::DOUBLE ELSE i / 7 END AS f,
  [i, NULL] AS l, {'a': i % 7, 'b c': ['x' || i]} AS s FROM range(300000) t(i)`;
const WIDE_COLUMNS = [
  column(9, "f", "float64"),
  column(4, "id", "int64"),
  column(7, "s", 'struct<a: int64, "b c": list<item: utf8>>'),
  column(2, "l", "list<item: int64>"),
  column(5, "t", "utf8"),
];

describe("a file that is written anew", () => {
  test("has every row in its place, and the types, ids and order of the dataset", async () => {
    const path = await rig.write(WIDE, ", ROW_GROUP_SIZE 10000");
    const back = await rig.take(path, against(WIDE_COLUMNS));
    expect(back).toMatchObject({ verdict: "same", is_kept: false, row_count: 300_000 });
    expect(back.field_ids).toMatchObject({ f: 9, id: 4, s: 7, l: 2, t: 5 });
    const order = [2, 0, 4, 3, 1];
    const wrong = back.after.filter(
      (row, i) => !order.every((from, to) => back.before[i]?.[from] === row[to]),
    );
    expect(wrong).toEqual([]);
    expect(back.after.some(([f]) => f === "-0.0")).toBe(true);
    expect(back.notices).toEqual([
      "The file was written anew in the types of the dataset: id (int32 as int64).",
    ]);
    // Objects are named by what goes into them, so they may not depend on the machine.
    for (const threads of [1, 4]) {
      const again = await rig.take(path, against(WIDE_COLUMNS), threads);
      expect(again.sha256).toBe(back.sha256);
    }
  }, 60_000);

  test("keeps the sign of zero", async () => {
    for (const type of ["FLOAT", "DOUBLE"]) {
      // So many that the engine would make a dictionary of them.
      const zeros = `CASE i % 2 WHEN 0 THEN '0' ELSE '-0' END::${type} AS z`;
      const select = `SELECT i::INTEGER AS id, ${zeros} FROM range(1000) t(i)`;
      const path = await rig.write(select, ", DICTIONARY_SIZE_LIMIT 0");
      const told = against([column(1, "z", "float64"), column(2, "id", "int64")]);
      const { after } = await rig.take(path, told);
      const wrong = after.filter(([z], i) => z !== (i % 2 === 0 ? "0.0" : "-0.0"));
      expect([after.length, wrong]).toEqual([1000, []]);
    }
  });
});

describe("a file of the registered types", () => {
  test("stays as it is, in whatever order its columns are and if it lacks some", async () => {
    const path = await rig.write("SELECT 'x' AS b, 1::BIGINT AS a");
    const back = await rig.take(path, against([column(5, "a", "int64"), column(3, "b", "utf8")]));
    expect(back).toMatchObject({ verdict: "same", is_kept: true });
    expect(back.physical_columns).toEqual([
      { id: 3, name: "b", type: "utf8" },
      { id: 5, name: "a", type: "int64" },
    ]);
    const registered = [column(5, "a", "int64"), column(4, "c", "bool"), column(3, "b", "utf8")];
    const fewer = await rig.take(path, against(registered, "widen"));
    expect(fewer).toMatchObject({ verdict: "widened", is_kept: true });
    expect(fewer.physical_columns?.map(({ id }) => id)).toEqual([3, 5]);
  });

  test("says how many digits its numbers have, so that they can be widened later", async () => {
    const path = await rig.write(
      "SELECT unnest([-123::BIGINT, 7]) AS n, unnest([0.5, -12.25])::DECIMAL(38, 9) AS d",
    );
    const first = await rig.take(path);
    expect(first.columns).toMatchObject([
      { name: "n", type: "int64", integer_digits: 3, fraction_digits: 0 },
      { name: "d", type: "decimal128(38, 9)", integer_digits: 2, fraction_digits: 9 },
    ]);
    const wider = await rig.write(
      "SELECT 0.5::DOUBLE AS n, '0.333333333333333333'::DECIMAL(38, 18) AS d",
    );
    const back = await rig.take(wider, against(first.columns, "widen"));
    expect(back.verdict).toBe("widened");
    expect(back.columns.map(({ type }) => type)).toEqual(["float64", "decimal128(38, 18)"]);
    // Narrow integers count too: they become part of a column that knows of fewer digits.
    const narrow = await rig.write("SELECT 1234567::INTEGER AS n, 1.5::DECIMAL(38, 9) AS d");
    expect((await rig.take(narrow, against(first.columns))).columns).toMatchObject([
      { type: "int64", integer_digits: 7 },
      { type: "decimal128(38, 9)", integer_digits: 2 },
    ]);
  });
});

test("a dry run writes no file and says what its conversion says", async () => {
  const path = await rig.write("SELECT 1::INTEGER AS a, 'x' AS b");
  for (const told of [{}, against([column(5, "b", "utf8"), column(3, "a", "int64")])]) {
    const dry = await rig.take(path, { ...told, dry_run: true });
    expect(dry).toMatchObject({ size_bytes: 0, sha256: "" });
    const real = await rig.take(path, told);
    const { verdict, diff, columns, report, notices, row_count } = real;
    expect(dry).toMatchObject({ verdict, columns, notices, row_count });
    expect([dry.diff, dry.report]).toEqual([diff, report]);
  }
});
