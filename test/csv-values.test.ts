import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { OutputType } from "../plugins/ingest-csv/kernel/column-group.ts";
import { encodeText, outputColumn, type Value } from "./support/csv-values.ts";

/** The values that the kernel writes for the cells of a column, against a slow and obvious reader. */

const seed = process.env["LAKEHOUSE_TEST_SEED"];
const settings = (numRuns: number): fc.Parameters<unknown> => ({
  numRuns,
  ...(seed === undefined ? {} : { seed: Number(seed) }),
});

/** The value of a cell by its text; undefined if it has none of this type. Pure. */
function read(type: OutputType, cell: string, scale: number): Value | undefined {
  switch (type) {
    case "utf8":
      return cell;
    case "int64": {
      if (!/^(?:0|-?[1-9][0-9]*)$/.test(cell)) return undefined;
      const value = BigInt(cell);
      return value === BigInt.asIntN(64, value) ? value : undefined;
    }
    case "float64":
      if (!/^-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(cell)) return undefined;
      return bitsOf(Number(cell));
    case "bool":
      if (/^(?:true|True|TRUE)$/.test(cell)) return true;
      return /^(?:false|False|FALSE)$/.test(cell) ? false : undefined;
    case "date32":
      return readMoment(/^()(\d{4}-\d\d-\d\d)()$/, cell, 86_400_000_000n);
    case "timestamp":
      return readMoment(/^((\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,6})?))$/, cell, 1n);
    case "timestamp_utc":
      return readMoment(/^((\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,6})?))Z$/, cell, 1n);
    case "decimal128":
      return readDecimal(cell, scale);
    default:
      return type satisfies never;
  }
}

function bitsOf(value: number): bigint {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes.readBigUInt64LE();
}

/** In units of so many microseconds since 1970-01-01. */
function readMoment(form: RegExp, cell: string, unit_us: bigint): bigint | undefined {
  const [, , day = "", time = ""] = form.exec(cell) ?? [];
  const [seconds = "", fraction = ""] = (time === "" ? "00:00:00" : time).split(".");
  const milliseconds = Date.parse(`${day}T${seconds}.000Z`);
  // JavaScript reads the 30th of February as a day of March, and knows a year 0 and an hour 24.
  if (Number.isNaN(milliseconds) || day.startsWith("0000")) return undefined;
  if (new Date(milliseconds).toISOString() !== `${day}T${seconds}.000Z`) return undefined;
  return (BigInt(milliseconds) * 1000n + BigInt(fraction.padEnd(6, "0"))) / unit_us;
}

function readDecimal(cell: string, scale: number): bigint | undefined {
  const [, sign = "", whole = "", fraction = ""] = /^(-?)([0-9]*)(?:\.([0-9]+))?$/.exec(cell) ?? [
    "",
    "?",
  ];
  if (sign === "?" || whole + fraction === "" || fraction.length > scale) return undefined;
  if (whole.length + scale > 38) return undefined;
  const value = BigInt(whole + fraction.padEnd(scale, "0"));
  return sign === "" ? value : -value;
}

const UNQUOTED = /^[^",\r\n]+$/;

/** Compares one column of cells, in groups that end anywhere, with what the obvious reader reads. */
async function compare(
  type: OutputType,
  cells: readonly string[],
  { scale = 0, group_rows = 7, pieces = [65_536] as readonly number[] } = {},
): Promise<void> {
  const lines = cells.map((cell, row) =>
    row % 3 === 0 || !UNQUOTED.test(cell) ? `x,"${cell.replaceAll('"', '""')}"` : `x,${cell}`,
  );
  const columns = [outputColumn(type, 1, scale), outputColumn("utf8")];
  const text = `${lines.join("\n")}\n`;
  const { values, null_counts, misfit_count, groups } = await encodeText(text, {
    columns,
    group_rows,
    pieces,
  });
  const expected = cells.map((cell) => (cell === "" ? null : read(type, cell, scale)));
  const found = values[0] ?? [];
  const wrong = cells.flatMap((cell, row) =>
    found[row] === (expected[row] ?? null) ? [] : [[cell, expected[row], found[row]]],
  );
  expect(wrong).toEqual([]);
  expect(found).toHaveLength(cells.length);
  expect(null_counts[0]).toBe(found.filter((value) => value === null).length);
  expect(misfit_count).toBe(expected.filter((value) => value === undefined).length);
  expect(values[1]?.every((value) => value === "x")).toBe(true);
  expect(groups.slice(0, -1).every((rows) => rows === group_rows)).toBe(true);
}

const DIGITS = "0123456789".split("");
const digits = (min: number, max: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ minLength: min, maxLength: max, size: "max", unit: fc.constantFrom(...DIGITS) }),
    fc.string({ minLength: min, maxLength: max, size: "max", unit: fc.constantFrom("0", "9") }),
    fc
      .tuple(fc.constantFrom("0", "1", "5", "9"), fc.integer({ min, max }))
      .map(([d, n]) => d.repeat(n)),
  );
const sign = fc.constantFrom("", "", "-");
const join = (...parts: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((each) => each.join(""));

/** What is a value of no type, or of another. */
const STRANGERS = [
  ["-", ".", "-.", "5.", "-5.", "+7", "1_000", "--1", "1-", "1.2.3", "1..2", "1 ", " 1", "0x1f"],
  ["1e", "1e+", "1e5", "1E-05", "1.e5", "e5", ".5e1", "1e5.", "1e5e5", "٣", "１", "NaN", "inf"],
  ["00", "007", "-0", "-00", "00.5", "tRUE", "truE", "fals", "falsee", "Talse", "yes", "1"],
  ["2024-02-30", "2023-02-29", "1900-02-29", "0000-01-01", "2024-13-01", "2024-00-10"],
  ["2024x02-29", "2024-02x29", "2024/02/29", "20240-2-29", "2024-02-2", "2024-02-290"],
  ["2024-02-29T24:00:00", "2024-02-29T10:60:00", "2024-02-29T10:00:60", "2024-02-29T10:00"],
  ["2024-02-29T10:00:00.", "2024-02-29T10:00:00.1234567", "2024-02-29t10:00:00"],
  ["2024-02-29T10:00:00z", "2024-02-29T10:00:00ZZ", "2024-02-29T10:00:00.Z", "2024-02-29Z"],
  ["2024-02-29T10:00:00+00:00", "2024-02-29 10:00:00", "2024x02-29T10:00:00", "2024-02-29"],
  ["true", "False", "2.5", '1"2', '"', "é", "9".repeat(60), "0".repeat(60), `.${"1".repeat(60)}`],
].flat();
const stranger = fc.constantFrom(...STRANGERS, "", "");

/** Mostly of one type, with empty cells and strangers among them, in groups of any size. */
const column = (cell: fc.Arbitrary<string>): fc.Arbitrary<[string[], number, number[]]> =>
  fc.tuple(
    fc.array(fc.oneof({ weight: 8, arbitrary: cell }, { weight: 1, arbitrary: stranger }), {
      minLength: 1,
      maxLength: 60,
      size: "max",
    }),
    fc.integer({ min: 1, max: 20 }),
    fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 }),
  );

async function property(
  type: OutputType,
  cell: fc.Arbitrary<string>,
  scales: fc.Arbitrary<number> = fc.constant(0),
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(column(cell), scales, async ([cells, group_rows, pieces], scale) =>
      compare(type, cells, { scale, group_rows, pieces }),
    ),
    settings(300),
  );
}

describe("an integer", () => {
  test("of 64 bits is written as it is, and no other", async () => {
    const edges = [0n, 2n ** 53n, 2n ** 63n, 2n ** 64n, 10n ** 18n, 10n ** 19n, 10n ** 20n];
    const near = fc
      .tuple(fc.constantFrom(...edges), fc.bigInt({ min: -3n, max: 3n }), fc.boolean())
      .map(([edge, step, is_negative]) => String(is_negative ? -edge + step : edge + step));
    const any = fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String);
    await property("int64", fc.oneof(near, any, join(sign, digits(1, 21))));
  });
});

/** Exactly in the middle between two doubles, or a little beside it. */
const halfway = fc
  .tuple(
    fc.double({ min: 1e-6, max: 1e18, noNaN: true }),
    fc.constantFrom("", "1", "01", "000001", "-"),
  )
  .map(([value, beside]) => {
    const [next] = new Float64Array(new BigUint64Array([bitsOf(value) + 1n]).buffer);
    // Doubles are fractions of a power of two: twice 2^80 times each is whole.
    const twice = (exact(value) + exact(next ?? value)) * 10n ** 81n;
    const middle = String(twice >> 81n).padStart(82, "0");
    const text = `${middle.slice(0, -81)}.${middle.slice(-81)}`.replace(/0+$/, "").padEnd(3, "0");
    return beside === "-" ? text.slice(0, -1) + "4999" : text + beside;
  });

/** Times 2^80. */
function exact(value: number): bigint {
  const bits = bitsOf(value);
  const exponent = Number(bits >> 52n) - 1075 + 80;
  const fraction = (bits & (2n ** 52n - 1n)) | (2n ** 52n);
  return exponent >= 0 ? fraction << BigInt(exponent) : fraction >> BigInt(-exponent);
}

describe("a double", () => {
  const plain = join(sign, digits(0, 20), fc.constant("."), digits(1, 25));
  const short = fc
    .tuple(fc.bigInt({ min: 10n ** 14n, max: 10n ** 17n + 9n }), fc.nat(22), sign)
    .map(([value, scale, minus]) => {
      const text = String(value).padStart(scale + 1, "0");
      return `${minus}${text.slice(0, text.length - scale)}.${text.slice(text.length - scale)}`;
    })
    .map((text) => text.replace(/\.$/, ""));
  const large = fc
    .tuple(
      fc.bigInt({ min: 2n ** 52n, max: 2n ** 54n }),
      fc.constantFrom("5", "50", "4", "6", "25"),
    )
    .map(([whole, fraction]) => `${whole}.${fraction}`);

  test("is the one nearest to the text, bit for bit, however the text is written", async () => {
    const printed = fc.double({ noNaN: true, noDefaultInfinity: true }).map(String);
    const power = join(
      plain,
      fc.constantFrom("e", "E"),
      fc.constantFrom("", "+", "-"),
      digits(1, 3),
    );
    await property(
      "float64",
      fc.oneof(plain, short, large, printed, power, join(sign, digits(1, 40))),
    );
  });

  test("is the even one where the text is in the middle between two", async () => {
    await property("float64", fc.oneof(halfway, large));
  });

  test("at the ends of what doubles can be", async () => {
    const rows = [
      ["0", "-0", "-0.0", "-.0", ".5", "-.5", "0.5", "00.5", "1e22", "1e23", "1e-400", "-1e-400"],
      ["4.9e-324", "5e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "1e-323"],
      ["2.2250738585072011e-308", "2.2250738585072014e-308", "1.7976931348623157e308"],
      ["1.7976931348623158e308", "1.7976931348623159e308", "1e308", "1e309", "-1e999"],
      ["9007199254740992", "9007199254740993", "9007199254740993.0", "9007199254740994"],
      ["9999999999999999", "99999999999999999", "100000000000000000", "18446744073709551615"],
      ["18446744073709551616", "0.1", "0.30000000000000004", "0.000001", "123456789.123456789"],
      ["0.0000000000000000000001", "0.00000000000000000000001", "1".repeat(400), "0.1e0000001"],
    ];
    await compare("float64", rows.flat());
  });
});

describe("a decimal", () => {
  test("is written exactly at every scale, up to 38 digits", async () => {
    const number = fc.oneof(
      join(sign, digits(0, 20), fc.constantFrom(".", ".", ""), digits(0, 20)),
      join(sign, digits(1, 38), fc.constant("."), digits(1, 38)),
      join(sign, digits(1, 40)),
      join(sign, fc.constant("."), digits(1, 40)),
    );
    await property("decimal128", number, fc.nat(38));
  });

  test("that just fits every scale, and one digit more that does not", async () => {
    for (let scale = 0; scale <= 37; scale++) {
      const nines = "9".repeat(38 - scale);
      const fraction = scale === 0 ? "" : `.${"9".repeat(scale)}`;
      const cells = [nines + fraction, `-${nines}${fraction}`, nines, `-${nines}`, `9${nines}`];
      const beyond = `1.${"0".repeat(scale)}1`;
      await compare("decimal128", [...cells, beyond, "0", "-0", "1", "-1", fraction], { scale });
    }
  });
});

test("a boolean is one of the words in one of the three spellings", async () => {
  await property("bool", fc.constantFrom("true", "false", "True", "False", "TRUE", "FALSE"));
});

const date = fc
  .tuple(fc.integer({ min: 0, max: 9999 }), fc.integer({ min: 0, max: 13 }), fc.nat(32))
  .map(([year, month, day]) =>
    [String(year).padStart(4, "0"), ...[month, day].map((n) => String(n).padStart(2, "0"))].join(
      "-",
    ),
  );
const time = fc
  .tuple(fc.nat(24), fc.nat(60), fc.nat(60))
  .map((parts) => parts.map((part) => String(part).padStart(2, "0")).join(":"));
const fraction = fc.oneof(fc.constant(""), join(fc.constant("."), digits(0, 7)));

describe("a date", () => {
  test("is the number of its day, for every day there is", async () => {
    const [first, last] = [Date.parse("0001-01-01"), Date.parse("9999-12-31")];
    const day_ms = 86_400_000;
    const lines: string[] = [];
    for (let at = first; at <= last; at += day_ms)
      lines.push(new Date(at).toISOString().slice(0, 10));
    const { values, misfit_count } = await encodeText(Buffer.from(lines.join("\n")), {
      columns: [outputColumn("date32")],
      group_rows: 100_000,
      capacity_bytes: 1 << 20,
    });
    const days = values[0] ?? [];
    expect([days.length, misfit_count]).toEqual([3_652_059, 0]);
    const start = BigInt(first / day_ms);
    expect(days.findIndex((day, index) => day !== start + BigInt(index))).toBe(-1);
  });

  test("is in the calendar", () => property("date32", date));
});

describe("a timestamp", () => {
  const moment = join(date, fc.constantFrom("T", " "), time, fraction, fc.constantFrom("", "Z"));

  test("is its microseconds, without a zone", () => property("timestamp", moment));
  test("is its microseconds, in UTC", () => property("timestamp_utc", moment));
});
