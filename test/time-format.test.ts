import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { sqlLiteral } from "../core/duckdb.ts";
import { GivenColumn } from "../plugins/ingest-csv/given-types.ts";
import { readTimeFormat } from "../plugins/ingest-csv/time-format.ts";
import { readTypeName } from "../plugins/ingest-csv/type-name.ts";
import { givenSql } from "./support/given-sql.ts";
import { openTestEngine, runs, type TestEngine } from "./support/test-engine.ts";

/** What a format takes, against a pattern and `Date`; the moments it reads, against the engine. */

let engine: TestEngine;
beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

const DAY_MICROSECONDS = 86_400_000_000n;

/** Each cell with the microseconds that the engine computes of it by this SQL. */
async function engineMoments(
  value: (x: string) => string,
  cells: readonly string[],
): Promise<unknown[]> {
  const list = cells.map(sqlLiteral).join(", ");
  const result = await engine.connection.runAndReadAll(
    `SELECT x, epoch_us(${value("x")}) FROM (SELECT unnest([${list}]::VARCHAR[]) AS x)`,
  );
  return result.getRows();
}

/** What may stand for a directive, most of it right; the edges of what is. */
const WRITTEN: Readonly<Record<string, readonly string[]>> = {
  Y: ["0000", "0001", "0004", "1684", "1685", "1900", "1970", "2000", "2024", "2256", "9999", "24"],
  y: ["00", "24", "68", "69", "70", "99", "5"],
  m: ["01", "02", "2", "6", "06", "9", "10", "11", "12", "13", "0"],
  b: ["jan", "Feb", "MAR", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mai"],
  B: ["January", "FEBRUARY", "march", "May", "June", "october", "december", "jan"],
  d: ["1", "01", "02", "9", "15", "28", "29", "30", "31", "32", "0"],
  j: ["001", "031", "059", "060", "061", "100", "200", "365", "366", "367", "000", "12"],
  H: ["0", "00", "7", "07", "12", "13", "23", "24"],
  I: ["1", "01", "6", "11", "12", "12", "13", "0"],
  p: ["am", "pm", "AM", "Pm", "xm"],
  M: ["0", "00", "5", "30", "59", "60"],
  S: ["0", "00", "5", "30", "59", "60"],
  f: ["0", "1", "12", "120", "0001", "12345", "999999", "000001", "1234567"],
  z: ["+00", "+02", "-12", "+0230", "-0030", "+14:59", "-02:30", "+15", "+0260", "+2", "Z", "+02:"],
};
const DATES = ["Ymd", "dmY", "mdY", "ymd", "dmy", "dbY", "bdy", "BdY", "dBy", "Yj", "jy"];
const TIMES = ["H", "HM", "HMS", "HMSf", "fSMH", "Ip", "pI", "IMp", "IMSp", "pIMSf"];
const SEPARATORS = [
  "",
  "",
  "/",
  "-",
  " ",
  " ",
  ".",
  ":",
  ", ",
  "T",
  "of",
  "%%",
  "'",
  "1",
  "(",
  "\\",
];

interface Drawn {
  readonly format: string;
  readonly cells: readonly string[];
}

type Damage = readonly [chance: number, at: number, by: string];
const damages: fc.Arbitrary<Damage> = fc.tuple(
  fc.nat({ max: 3 }),
  fc.nat({ max: 30 }),
  fc.constantFrom("", "0", "9", "x", "t", " ", "-", ":", "+", "\t", "é", "１"),
);

const drawn = (names: readonly string[], ends: readonly string[]): fc.Arbitrary<Drawn> =>
  fc
    .tuple(
      fc.constantFrom(...names).map((each) => each.split("")),
      fc.array(fc.constantFrom(...SEPARATORS), { minLength: 10, maxLength: 10 }),
      fc.constantFrom(...ends),
    )
    .chain(([parts, separators, end]) => {
      const literals = parts.map((_, index) =>
        // An offset has to end; most formats begin with a part.
        index === 0
          ? separators[9] === "T"
            ? "T"
            : ""
          : parts[index - 1] === "z"
            ? " "
            : (separators[index] ?? ""),
      );
      const format = parts.map((name, index) => `${literals[index]}%${name}`).join("") + end;
      const written = parts.map((name) => fc.constantFrom(...(WRITTEN[name] ?? [])));
      const cell = fc.tuple(fc.tuple(...written), damages).map(([texts, [chance, at, by]]) => {
        const text = texts
          .map((each, index) => `${literals[index]?.replace("%%", "%")}${each}`)
          .join("");
        const whole = text + end;
        return chance > 0 ? whole : whole.slice(0, at) + by + whole.slice(at + 1);
      });
      return fc.record({
        format: fc.constant(format),
        cells: fc.array(cell, { minLength: 100, maxLength: 100 }),
      });
    });

const ANY_CASE = (words: string): string =>
  words.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
const PATTERNS: Readonly<Record<string, string>> = {
  Y: "[0-9]{4}",
  y: "[0-9]{2}",
  j: "[0-9]{3}",
  b: ANY_CASE("jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"),
  B: ANY_CASE(
    "january|february|march|april|may|june|july|august|september|october|november|december",
  ),
  p: ANY_CASE("am|pm"),
  z: "[+-][0-9]{2}(?::?[0-9]{2})?",
};
const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";

const within = (value: number, min: number, max: number): boolean => value >= min && value <= max;

/** True if the format takes the cell: by a pattern, and days as `Date` counts them. */
function takes(format: string, cell: string): boolean {
  const items = format.match(/%.|[^%]/g) ?? [];
  const source = items.map((item, index) => {
    if (item === "%%") return "%";
    const name = item.charAt(1);
    if (name === "") return item.replace(/[^a-z0-9 ]/i, String.raw`\$&`);
    const next = items[index + 1] ?? "";
    const is_closed = /^(?:[0-9]|%[YymdjHIMSf])/.test(next);
    const number = name === "f" ? (is_closed ? "{6}" : "{1,6}") : is_closed ? "{2}" : "{1,2}";
    return `(?<${name}>${PATTERNS[name] ?? `[0-9]${number}`})`;
  });
  const parts = new RegExp(`^${source.join("")}$`).exec(cell)?.groups;
  if (parts === undefined) return false;
  const number = (name: string, absent: number): number => Number(parts[name] ?? absent);
  const [, hours = 0, minutes = 0] = /^.(\d\d):?(\d\d)?$/.exec(parts["z"] ?? "+00") ?? [];
  return (
    within(number("H", 0), 0, 23) &&
    within(number("I", 1), 1, 12) &&
    within(number("M", 0), 0, 59) &&
    within(number("S", 0), 0, 59) &&
    within(Number(hours), 0, 14) &&
    within(Number(minutes), 0, 59) &&
    isDay(parts)
  );
}

function isDay(parts: Readonly<Record<string, string | undefined>>): boolean {
  const short = Number(parts["y"]);
  const year = Number(parts["Y"] ?? (short < 69 ? 2000 + short : 1900 + short));
  if (year === 0) return false;
  const name = parts["b"] ?? parts["B"]?.slice(0, 3);
  const month =
    name === undefined ? Number(parts["m"] ?? 1) - 1 : MONTHS.indexOf(name.toLowerCase()) / 3;
  const day = Number(parts["d"] ?? parts["j"]);
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  if (day < 1 || date.getUTCFullYear() !== year) return false;
  return parts["j"] !== undefined || (date.getUTCMonth() === month && date.getUTCDate() === day);
}

const ENDS = ["", "", "", "Z", " "];
const MOMENTS = DATES.flatMap((date) => TIMES.map((time) => date + time));
const KINDS = [
  { type: "DATE", what: "dates", kind: "date", names: DATES, ends: ENDS },
  { type: "TIMESTAMP", what: "times", kind: "timestamp", names: MOMENTS, ends: ENDS },
  {
    type: "TIMESTAMP",
    what: "times before their dates",
    kind: "timestamp",
    names: DATES.flatMap((date) => TIMES.map((time) => time + date)),
    ends: ENDS,
  },
  {
    type: "TIMESTAMPTZ",
    what: "moments",
    kind: "timestamp",
    names: MOMENTS.map((each) => `${each}z`),
    ends: ENDS,
  },
  { type: "TIMESTAMPTZ", what: "moments in UTC", kind: "timestamp", names: MOMENTS, ends: ["Z"] },
] as const;

describe.each(KINDS)("a format of $what", ({ type, kind, names, ends }) => {
  test("takes exactly what is written so, and reads it as the engine does", async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(drawn(names, ends), async ({ format, cells }) => {
        const read = readTimeFormat(format, kind);
        const column = new GivenColumn(readTypeName("cell", type), { date: read, timestamp: read });
        const trimmed = cells.map((cell) => cell.replace(/^ +| +$/g, ""));
        const fitting = trimmed.filter((cell) => takes(format, cell));
        count += fitting.length;
        expect(trimmed.filter((cell) => read.fits(cell))).toEqual(fitting);
        expect(trimmed.filter((cell) => read.read(cell) !== undefined)).toEqual(fitting);
        expect(trimmed.filter((cell) => column.fits(cell))).toEqual(fitting);
        const unit = type === "DATE" ? DAY_MICROSECONDS : 1n;
        const moments = fitting.map((cell) => {
          const value = column.read(cell, column.stored);
          return [cell, typeof value === "bigint" ? value * unit : value];
        });
        expect(
          await engineMoments(givenSql(column.type, { date: read, timestamp: read }), fitting),
        ).toEqual(moments);
      }),
      runs(300),
    );
    expect(count).toBeGreaterThan(1000);
  }, 60_000);
});

const micros = (iso: string): bigint => BigInt(Date.parse(iso)) * 1000n;

describe("a format reads", () => {
  test.each<[string, string, bigint]>([
    ["%d/%m/%Y %H", "1/1/0001 0", micros("0001-01-01T00:00:00Z")],
    ["%Y%m%d%H%M%S.%f", "99991231235959.999999", micros("9999-12-31T23:59:59Z") + 999_999n],
    ["%y-%j %H", "68-366 0", micros("2068-12-31T00:00:00Z")],
    ["%y-%j %H", "69-365 0", micros("1969-12-31T00:00:00Z")],
    ["%Y-%m-%d %I %p", "2024-02-29 12 am", micros("2024-02-29T00:00:00Z")],
    ["%Y-%m-%d %I %p", "2024-02-29 12 PM", micros("2024-02-29T12:00:00Z")],
    ["%p %I %d %b %Y", "pm 1 29 FEB 2000", micros("2000-02-29T13:00:00Z")],
    ["%Y-%m-%d %H:%M:%S.%f", "1969-12-31 23:59:59.5", -500_000n],
    ["%Y-%m-%d %H%z", "1970-01-01 00-0030", 1_800_000_000n],
    ["%Y-%m-%d %H%z", "0001-01-01 00+14:59", micros("0001-01-01T00:00:00Z") - 53_940_000_000n],
    ["%B %d, %Y at %H:%M", "may 5, 2024 at 7:05", micros("2024-05-05T07:05:00Z")],
  ])("%j: %j as %p", (format, cell, value) => {
    const { read, readDay } = readTimeFormat(format, "timestamp");
    expect(read(cell)).toBe(value);
    expect(readDay(cell)).toBeDefined();
  });

  test("nothing else than a cell before or after it had", () => {
    const { read } = readTimeFormat("%d %B %Y %I%p", "timestamp");
    const cells = ["29 February 2024 3pm", "30 February 2024 3pm", "1 May 2024 12AM"];
    expect([...cells, ...cells].map(read)).toEqual([...cells.map(read), ...cells.map(read)]);
  });

  test("letters of its own in their case alone", () => {
    const { fits } = readTimeFormat("%Y-%m-%dT%H", "timestamp");
    expect(fits("2024-02-29T10")).toBe(true);
    expect(fits("2024-02-29t10")).toBe(false);
  });

  test.each(["%z%Y-%m-%d %H", "%z1%Y-%m-%d %H", "%H%z:%M %d %b %Y"])(
    "no offset whose end is open: %s is refused",
    (format) => {
      expect(() => readTimeFormat(format, "timestamp")).toThrow("behind %z");
    },
  );
});
