import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ARROW_TYPES,
  bitsOf,
  doubleOf,
  extremes,
  NULLS,
  Random,
  STYLES,
  styledValues,
  type ValueColumn,
  withNulls,
} from "./support/column-values.ts";
import type { Value } from "./support/csv-values.ts";
import { withStatistics } from "./support/parquet-footer.ts";
import { type ChunkFacts, PagesRig, sqlValue } from "./support/parquet-pages.ts";

/** What the kernel's column chunks say of their values, and that nothing is lost for it. */

let rig: PagesRig;
beforeAll(async () => {
  rig = await PagesRig.open();
});
afterAll(() => rig[Symbol.asyncDispose]());

type Present = Exclude<Value, null>;

/** Longer texts are no bounds. */
const TEXT_BYTES_MAX = 64;

function compare(arrow: string, one: Present, other: Present): number {
  if (typeof one === "string") return Buffer.compare(Buffer.from(one), Buffer.from(String(other)));
  if (arrow !== "float64" || typeof one === "boolean")
    return one < other ? -1 : one > other ? 1 : 0;
  const [a, b] = [doubleOf(one), doubleOf(BigInt(other))];
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The least and the greatest value as they should be told; null where none should be. */
function boundsOf({ arrow, values }: ValueColumn): Pick<ChunkFacts, "least" | "greatest"> {
  const none = { least: null, greatest: null };
  const present = values.filter((value): value is Present => value !== null);
  const [first, ...rest] = present;
  if (first === undefined) return none;
  let [least, greatest] = [first, first];
  for (const value of rest) {
    if (compare(arrow, value, least) < 0) least = value;
    if (compare(arrow, value, greatest) > 0) greatest = value;
  }
  if (arrow === "float64") {
    // Of the two zeros, the one that rules out neither.
    if (compare(arrow, least, bitsOf(0)) === 0) least = bitsOf(-0);
    if (compare(arrow, greatest, bitsOf(0)) === 0) greatest = bitsOf(0);
  }
  const is_long = [least, greatest].some(
    (value) => typeof value === "string" && Buffer.byteLength(value) > TEXT_BYTES_MAX,
  );
  return is_long ? none : { least, greatest };
}

async function expectFacts(columns: readonly ValueColumn[]): Promise<string> {
  const [path = ""] = await rig.write(columns);
  const chunks = await rig.chunks(path, columns);
  const facts = chunks.map(({ value_count, null_count, least, greatest }) => ({
    value_count,
    null_count,
    least,
    greatest,
  }));
  expect(facts).toEqual(
    columns.map((column) => ({
      value_count: column.values.length,
      null_count: column.values.filter((value) => value === null).length,
      ...boundsOf(column),
    })),
  );
  return path;
}

/** Every value that is there, up to so many, is found by a filter on it. */
async function expectFound(
  path: string,
  columns: readonly ValueColumn[],
  most: number,
): Promise<void> {
  for (const [index, { arrow, values }] of columns.entries()) {
    const present = values.filter((value): value is Present => value !== null);
    const { least, greatest } = boundsOf({ arrow, values });
    const sought = new Set([least, greatest, ...present].slice(0, most));
    for (const value of sought) {
      if (value === null) continue;
      const expected = present.filter((each) => compare(arrow, each, value) === 0).length;
      const found = await rig.count(path, index, `= ${sqlValue(arrow, value)}`);
      if (found !== expected)
        throw new Error(`column ${index}, ${arrow}: ${found} of ${expected} × ${String(value)}`);
    }
    expect(await rig.count(path, index, "IS NULL")).toBe(values.length - present.length);
  }
}

describe("statistics", () => {
  test.each(NULLS)("are those of the values of every type, with nulls: %s", async (nulls) => {
    const random = new Random(NULLS.indexOf(nulls));
    for (const [first_style] of STYLES.entries()) {
      for (const count of [1, 2, 40, 300]) {
        const columns = ARROW_TYPES.map((arrow, index) => {
          const style = STYLES[(first_style + index) % STYLES.length] ?? "random";
          const options = { count, bits: 1 + random.below(64), random };
          return { arrow, values: withNulls(styledValues(arrow, style, options), nulls, random) };
        });
        const path = await expectFacts(columns);
        // Of so many some have a dictionary.
        if (count === 300) await expectFound(path, columns, 4);
      }
    }
  });

  test("of one value are that value, for every type and every end of it", async () => {
    for (const arrow of ARROW_TYPES) {
      const columns = extremes(arrow).map((value) => ({ arrow, values: [value] }));
      const path = await expectFacts(columns);
      await expectFound(path, columns, 3);
    }
  });

  test("of doubles are of both zeros, in whichever order they come, alone or in a dictionary", async () => {
    const sets = [
      [0],
      [-0],
      [0, -0],
      [-0, 0],
      [0, 1],
      [-0, 1],
      [-1, 0],
      [-1, -0],
      [5e-324, -5e-324],
    ];
    const columns = [1, 40].flatMap((times) =>
      sets.map((set) => ({
        arrow: "float64",
        values: Array.from({ length: 80 }, (_, row): Value => {
          const value = row < set.length * times ? set[row % set.length] : undefined;
          return value === undefined ? null : bitsOf(value);
        }),
      })),
    );
    const path = await expectFacts(columns);
    await expectFound(path, columns, 4);
    for (const index of [0, 1, sets.length, sets.length + 1]) {
      for (const zero of ["0.0", "-0.0"]) {
        const condition = `= CAST('${zero}' AS DOUBLE)`;
        expect(await rig.count(path, index, condition)).toBe(index < sets.length ? 1 : 40);
      }
    }
  });

  test("of texts are by their bytes, and there are none of more than 64", async () => {
    const sets = [
      ["", "a"],
      ["a", ""],
      ["a", "a\0", "a\0\0"],
      ["a\0\0", "a\0", "a"],
      ["abcdefgh", "abcdefg", "abcdefgh\0", "abcdefg\0"],
      ["abcdefgi", "abcdefgh1", "abcdefgh0", "abcdefghi"],
      ["12345678abcdefghX", "12345678abcdefghY", "12345678abcdefgh"],
      ["\u{ffff}", "\u{10000}"],
      ["z", "é", "A", "\x7f"],
      ["b", "a".repeat(64), "c"],
      ["b", "a".repeat(65), "c"],
      ["a", "b".repeat(64)],
      ["a", "b".repeat(65)],
      // Only the ends count.
      ["a", "b".repeat(65), "c"],
      ["é".repeat(32)],
      [`${"é".repeat(32)}+`],
    ];
    const columns = [1, 20].flatMap((times) =>
      sets.map((set) => ({
        arrow: "utf8",
        values: Array.from({ length: 100 }, (_, row): Value =>
          row < set.length * times ? (set[row % set.length] ?? null) : null,
        ),
      })),
    );
    const path = await expectFacts(columns);
    await expectFound(path, columns, 6);
  });

  test("come with the sums of the values, group by group", async () => {
    const random = new Random(8);
    const columns = ARROW_TYPES.map((arrow, index) => {
      const style = STYLES[index % STYLES.length] ?? "random";
      const values = styledValues(arrow, style, { count: 500, bits: 64, random });
      return { arrow, values: withNulls(values, "random", random) };
    });
    for (const [group, { sums }] of (await rig.writeFiles(columns, 180)).entries()) {
      const expected = columns.map(({ arrow, values }) => {
        if (/^(?:utf8|float64|decimal128\((?:19|[23]\d), .*)$/.test(arrow)) return 0n;
        const rows = values.slice(180 * group, 180 * group + 180);
        const sum = rows.reduce<bigint>((sum, value) => sum + BigInt(value ?? 0), 0n);
        return BigInt.asIntN(64, sum);
      });
      expect(sums).toEqual(expected);
    }
  });

  test("are what a filter goes by", async () => {
    const columns = [{ arrow: "int64", values: [1n, 2n, 3n] }];
    const [path = ""] = await rig.write(columns);
    const wrong = rig.fresh();
    const bound = { kind: "binary", bytes: Buffer.from("0700000000000000", "hex") } as const;
    const file = Buffer.from(await Bun.file(path).bytes());
    await Bun.write(wrong, withStatistics(file, [5, bound], [6, bound]));
    expect(await Promise.all([path, wrong].map((each) => rig.count(each, 0, "= 2")))).toEqual([
      1, 0,
    ]);
  });
});
