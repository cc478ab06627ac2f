import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readOptions } from "../plugins/ingest-csv/options.ts";
import { readTimeFormat } from "../plugins/ingest-csv/time-format.ts";
import { convertBytes, type ReadBack, sameValue } from "./support/csv-convert.ts";

const seed = process.env["LAKEHOUSE_TEST_SEED"];
const settings = (numRuns: number): fc.Parameters<unknown> => ({
  numRuns,
  ...(seed === undefined ? {} : { seed: Number(seed) }),
});

/** One column of these cells, each quoted, read as this type; cells that do not fit are let pass. */
function readAs(
  type: string,
  cells: readonly string[],
  options: Readonly<Record<string, string>> = {},
): Promise<ReadBack> {
  const lines = cells.map((cell) => `"${cell.replaceAll('"', '""')}",x`);
  const given = { types: JSON.stringify({ cell: type }), on_error: "reject", ...options };
  return convertBytes(`cell,x\n${lines.join("\n")}\n`, readOptions(given));
}

const values = ({ rows }: ReadBack): (string | null | undefined)[] => rows.map(([cell]) => cell);
/** The cells that did not fit; the columns are line, raw, reason, column_name, value. */
const misfits = ({ rejected }: ReadBack): (string | null | undefined)[] =>
  rejected.map((row) => row[4]);

describe("a given type takes cells whose value it keeps, and no others:", () => {
  test.each([
    [
      "BIGINT",
      ["007", "+7", " 12 ", "-0", "9223372036854775807"],
      ["7", "7", "12", "0", "9223372036854775807"],
    ],
    ["DOUBLE", ["+1.50", "1e3", "5.", ".5", "007"], ["1.5", "1000.0", "5.0", "0.5", "7.0"]],
    ["DECIMAL(6,2)", ["+1.5", "007.500", "9999.99", "-.05"], ["1.50", "7.50", "9999.99", "-0.05"]],
    [
      "DECIMAL(38,38)",
      ["0.12345678901234567890123456789012345678"],
      [".12345678901234567890123456789012345678"],
    ],
    ["BOOLEAN", ["Yes", "n", "TRUE", "0", "f"], ["true", "false", "true", "false", "false"]],
    ["DATE", ["2024-02-29", " 0001-01-01"], ["2024-02-29", "0001-01-01"]],
    [
      "TIMESTAMP",
      ["2024-02-29", "2024-02-29T10:00", "2024-02-29 10:00:01.5"],
      ["2024-02-29 00:00:00", "2024-02-29 10:00:00", "2024-02-29 10:00:01.5"],
    ],
    [
      "TIMESTAMPTZ",
      ["2024-02-29T10:00:00Z", "2024-02-29 10:00:00+02:00", "2024-02-29T10:00:00.25-0230"],
      ["2024-02-29 10:00:00+00", "2024-02-29 08:00:00+00", "2024-02-29 12:30:00.25+00"],
    ],
    ["VARCHAR", ["02134", " 1 ", "1e3"], ["02134", " 1 ", "1e3"]],
  ])("%s reads %j as %j", async (type, cells, read) => {
    const back = await readAs(type, cells);
    expect(misfits(back)).toEqual([]);
    expect(values(back)).toEqual(read);
  });

  test.each([
    ["BIGINT", ["1.0", "1e3", "9223372036854775808", "1_000", "0x1F", "+", "--1", "1 2", "abc"]],
    [
      "DOUBLE",
      ["9007199254740993", "1.2248000000000001111", "NaN", "inf", "1e400", "1,5", "e5", "."],
    ],
    ["DECIMAL(6,2)", ["10000", "1.005", "1e2", ".", "1.2.3"]],
    ["BOOLEAN", ["2", "on", "ja", "truee"]],
    ["DATE", ["2023-02-29", "2024-1-1", "29.02.2024", "2024-02-29T00:00:00", "0000-01-01"]],
    [
      "TIMESTAMP",
      ["2024-02-29T24:00:00", "2024-02-29T10:00:00Z", "2024-02-29 10:00:00.1234567", "10:00"],
    ],
    ["TIMESTAMPTZ", ["2024-02-29T10:00:00", "2024-02-29T10:00:00+15:00", "2024-02-30T10:00:00Z"]],
  ])("%s does not read any of %j", async (type, cells) => {
    const back = await readAs(type, cells);
    expect(values(back)).toEqual([]);
    expect(misfits(back)).toEqual(cells);
    expect(back.rejected.map(([line, , reason, column]) => [line, reason, column])).toEqual(
      cells.map((_, index) => [String(index + 2), "does_not_fit", "cell"]),
    );
  });

  test("zero keeps its sign in a DOUBLE", async () => {
    const back = await readAs("DOUBLE", ["0", "-0", "-0.00", "0", "-0e7"]);
    expect(values(back)).toEqual(["0.0", "-0.0", "-0.0", "0.0", "-0.0"]);
  });

  test("an empty cell is null, whether in quotes or not; a text for null only without", async () => {
    const bytes = 'n,t\n,\n"",""\nNA,NA\n"NA","NA"\n';
    const types = JSON.stringify({ n: "BIGINT", t: "VARCHAR" });
    const back = await convertBytes(bytes, readOptions({ types, null: "NA", on_error: "reject" }));
    expect(back.rows).toEqual([
      [null, null],
      [null, ""],
      [null, null],
    ]);
    expect(misfits(back)).toEqual(["NA"]);
  });
});

describe("numbers, read as whatever type is given,", () => {
  const digits = fc.stringMatching(/^[0-9]{0,22}$/);
  const literal = fc
    .tuple(
      fc.constantFrom("", "", "-", "+"),
      digits,
      fc.constantFrom("", "."),
      digits,
      fc.constantFrom("", "", "", "e3", "E-7", "e+300"),
      fc.constantFrom("", "", " "),
    )
    .map(
      ([sign, whole, point, fraction, power, space]) =>
        `${space}${sign}${whole}${point}${point === "" ? "" : fraction}${power}${space}`,
    );
  const type = fc.constantFrom("BIGINT", "DOUBLE", "DECIMAL(18,3)", "DECIMAL(38,9)", "VARCHAR");

  test("come back as the same number, or do not fit: no cell is lost, and none is null", async () => {
    await fc.assert(
      fc.asyncProperty(
        type,
        fc.array(literal, { minLength: 1, maxLength: 40 }),
        async (type, drawn) => {
          const cells = drawn.filter((cell) => cell !== "");
          const back = await readAs(type, cells);
          const rest = [...misfits(back)];
          const fitting = cells.filter((cell) => {
            if (cell !== rest[0]) return true;
            rest.shift();
            return false;
          });
          expect(rest).toEqual([]);
          const read = values(back);
          expect(read).toHaveLength(fitting.length);
          const wrong = fitting.flatMap((cell, index) => {
            const value = read[index] ?? null;
            if (type === "VARCHAR") return value === cell ? [] : [`${cell} → ${value}`];
            const plain = cell
              .trim()
              .replace("+", "")
              .replace(/^(-?)0+(?=\d)/, "$1");
            const same = sameValue(
              "float64",
              plain.replace(/^-(?=0*\.?0*$)/, ""),
              value?.replace(/^-(?=0*\.?0*$)/, "") ?? null,
            );
            return same ? [] : [`${cell} → ${value}`];
          });
          expect(wrong).toEqual([]);
        },
      ),
      settings(60),
    );
  }, 120_000);
});

interface Drawn {
  readonly format: string;
  readonly moments: readonly Date[];
  readonly text: readonly string[];
}

const MONTHS =
  "January February March April May June July August September October November December".split(
    " ",
  );
const two = (value: number): string => String(value).padStart(2, "0");

/** Ways to write a part of a moment. */
const WRITERS: Readonly<Record<string, (moment: Date, short: boolean) => string>> = {
  Y: (m) => String(m.getUTCFullYear()).padStart(4, "0"),
  m: (m, short) => (short ? String(m.getUTCMonth() + 1) : two(m.getUTCMonth() + 1)),
  b: (m) => (MONTHS[m.getUTCMonth()] ?? "").slice(0, 3).toUpperCase(),
  B: (m) => MONTHS[m.getUTCMonth()] ?? "",
  d: (m, short) => (short ? String(m.getUTCDate()) : two(m.getUTCDate())),
  j: (m) => {
    const start = new Date(m);
    start.setUTCMonth(0, 1);
    return String(Math.round((m.getTime() - start.getTime()) / 86_400_000) + 1).padStart(3, "0");
  },
  H: (m, short) => (short ? String(m.getUTCHours()) : two(m.getUTCHours())),
  I: (m) => two(m.getUTCHours() % 12 === 0 ? 12 : m.getUTCHours() % 12),
  p: (m) => (m.getUTCHours() < 12 ? "am" : "PM"),
  M: (m) => two(m.getUTCMinutes()),
  S: (m) => two(m.getUTCSeconds()),
  f: (m) => String(m.getUTCMilliseconds()).padStart(3, "0"),
};
const DATES = [
  ["Y", "m", "d"],
  ["d", "m", "Y"],
  ["m", "d", "Y"],
  ["d", "b", "Y"],
  ["B", "d", "Y"],
  ["Y", "j"],
];
const TIMES = [
  ["H", "M", "S", "f"],
  ["I", "M", "S", "f", "p"],
];

const drawn = (
  names: readonly (readonly string[])[],
  times: readonly (readonly string[])[],
): fc.Arbitrary<Drawn> =>
  fc
    .tuple(
      fc.constantFrom(...names),
      times.length === 0 ? fc.constant([]) : fc.constantFrom(...times),
      fc.array(fc.constantFrom("/", ".", "-", " ", "T", ", ", "%%", "'"), {
        minLength: 9,
        maxLength: 9,
      }),
      fc.boolean(),
      fc.array(
        fc.date({
          min: new Date("0001-01-01T00:00:00Z"),
          max: new Date("9999-12-31T23:59:59.999Z"),
          noInvalidDate: true,
        }),
        { minLength: 1, maxLength: 20 },
      ),
    )
    .map(([date, time, between, short, moments]) => {
      const parts = [...date, ...time];
      // A sign or a point behind a number could belong to it.
      const separator = (index: number): string => between[index] ?? "/";
      const format = parts
        .map((name, index) => `${index === 0 ? "" : separator(index)}%${name}`)
        .join("");
      const text = moments.map((moment) =>
        parts
          .map((name, index) => {
            const written = WRITERS[name]?.(moment, short) ?? "";
            return `${index === 0 ? "" : separator(index).replace("%%", "%")}${written}`;
          })
          .join(""),
      );
      return { format, moments, text };
    });

describe("a format", () => {
  test("reads every date back that was written in it", async () => {
    await fc.assert(
      fc.asyncProperty(drawn(DATES, []), async ({ format, moments, text }) => {
        const back = await readAs("DATE", text, { date_format: format });
        expect(misfits(back)).toEqual([]);
        expect(values(back)).toEqual(moments.map((moment) => isoOf(moment).slice(0, 10)));
      }),
      settings(60),
    );
  }, 120_000);

  test("reads every moment back that was written in it", async () => {
    await fc.assert(
      fc.asyncProperty(drawn(DATES, TIMES), async ({ format, moments, text }) => {
        const back = await readAs("TIMESTAMP", text, { timestamp_format: format });
        expect(misfits(back)).toEqual([]);
        expect(values(back).map((value) => value?.padEnd(20, ".").padEnd(23, "0"))).toEqual(
          moments.map((moment) => isoOf(moment).replace("T", " ").slice(0, 23)),
        );
      }),
      settings(60),
    );
  }, 120_000);

  test("takes a damaged cell as its engine does, or not at all", async () => {
    const damage = fc.tuple(fc.nat(), fc.constantFrom("", "0", "9", "x", " ", "-", "31"));
    await fc.assert(
      fc.asyncProperty(
        drawn(DATES, TIMES),
        fc.array(damage, { minLength: 20, maxLength: 20 }),
        async ({ format, text }, damages) => {
          const cells = text.map((cell, index) => {
            const [at = 0, by = ""] = damages[index] ?? [];
            const place = at % (cell.length + 1);
            return cell.slice(0, place) + by + cell.slice(place + 1);
          });
          // The witness counts nulls: a cell taken here and refused by the engine would throw.
          const back = await readAs("TIMESTAMP", cells, { timestamp_format: format });
          expect(back.rows.length + back.rejected.length).toBe(cells.length);
          expect(values(back)).not.toContain(null);
        },
      ),
      settings(60),
    );
  }, 120_000);

  test("with %z is a moment, written with any offset", async () => {
    const back = await readAs(
      "TIMESTAMPTZ",
      ["29.02.24 10:00 +0200", "29.02.68 10:00 -02:30", "29.02.72 10:00 +14", "29.02.72 10:00 Z"],
      { timestamp_format: "%d.%m.%y %H:%M %z" },
    );
    expect(values(back)).toEqual([
      "2024-02-29 08:00:00+00",
      "2068-02-29 12:30:00+00",
      "1972-02-28 20:00:00+00",
    ]);
    expect(misfits(back)).toEqual(["29.02.72 10:00 Z"]);
  });

  test.each([
    ["date", "%d/%m", "year"],
    ["date", "%Y-%m", "month"],
    ["date", "%Y-%m-%d %H", "%H"],
    ["date", "%Y-%m-%d%", "%"],
    ["date", "%Y-%q-%d", "%q"],
    ["date", "%Y-%d-%d", "twice"],
    ["date", "%Y-%m-%d-%j", "month"],
    ["date", "", "1 to 64"],
    ["date", "%Y/%m/%d/ü", "ASCII"],
    ["timestamp", "%Y-%m-%d", "hour"],
    ["timestamp", "%Y-%m-%d %I:%M", "%p"],
    ["timestamp", "%Y-%m-%d %H:%S", "%M"],
  ] as const)("for a %s cannot be %j, and the answer says why: %s", (kind, format, why) => {
    expect(() => readTimeFormat(format, kind)).toThrow(why);
  });
});

function isoOf(moment: Date): string {
  return moment.toISOString();
}
