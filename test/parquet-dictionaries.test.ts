import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { bitsOf, type ValueColumn } from "./support/column-values.ts";
import type { Value } from "./support/csv-values.ts";
import { PagesRig } from "./support/parquet-pages.ts";

/** Columns whose values repeat, read value by value by DuckDB and by arrow-rs. */

let rig: PagesRig;
beforeAll(async () => {
  rig = await PagesRig.open();
});
afterAll(() => rig[Symbol.asyncDispose]());

/** Which of the columns have a dictionary, once both readers have found every value. */
async function dictionaries(columns: readonly ValueColumn[]): Promise<boolean[]> {
  const [path = "", ...more] = await rig.write(columns);
  expect(more).toEqual([]);
  expect(await rig.faults(columns, [path])).toEqual([]);
  const chunks = await rig.chunks(path, columns);
  return chunks.map(({ encodings }) => encodings.includes("RLE_DICTIONARY"));
}

/** As many rows, and one more for each multiple, are looked at. */
const SAMPLES = 2048;

/**
 * `entry_count` different values, each some times, and the first one wherever it is looked whether
 * they repeat.
 */
function repeating(count: number, entry_count: number, value: (entry: number) => Value): Value[] {
  const step = Math.max(1, Math.floor(count / SAMPLES));
  const entries = Array.from({ length: entry_count }, (_, entry) => value(entry));
  let next = 0;
  return Array.from({ length: count }, (_, row): Value => {
    const is_sampled = step > 1 && row % step === 0;
    return entries[is_sampled ? 0 : next++ % entry_count] ?? null;
  });
}

const MIB = 1 << 20;

/** A column of 6000 rows that has a text of each of these lengths, some twice, and an empty one. */
function texts(...lengths: readonly number[]): ValueColumn {
  const entries = lengths.map((length, index) => String(index).padEnd(length, "long text "));
  const few = Array.from({ length: 40 + 8 * entries.length }, () => "");
  const values = [...few, ...entries, null, ...entries.slice(0, 2), ...few];
  return { arrow: "utf8", values: Array.from({ length: 6000 }, (_, row) => values[row] ?? null) };
}

/** How the entry of a number looks in a column of each type that may have a dictionary. */
const KINDS: readonly (readonly [arrow: string, value: (entry: number) => Value])[] = [
  ["int64", (entry) => BigInt(entry) * 0x1234_5678_9abn - 7n],
  ["float64", (entry) => bitsOf(Math.sin(entry + 1))],
  ["date32[day]", (entry) => BigInt(entry) - 9000n],
  ["timestamp[us]", (entry) => BigInt(entry) * 1_000_000n],
  ["timestamp[us, tz=UTC]", (entry) => BigInt(-entry)],
  ["decimal128(9, 2)", (entry) => BigInt(entry) * -3n],
  ["decimal128(18, 2)", (entry) => BigInt(entry) << 30n],
  ["utf8", (entry) => `entry ${entry}`],
];

const columnsOf = (count: number, entry_count: number): ValueColumn[] =>
  KINDS.map(([arrow, value]) => ({ arrow, values: repeating(count, entry_count, value) }));
const all = (is_there: boolean): boolean[] => KINDS.map(() => is_there);

/** Of writing a column of 32,000 entries that are multiples of the factor. */
async function millisecondsOf(factor: bigint): Promise<number> {
  const values = repeating(70_000, 32_000, (entry) => BigInt.asIntN(64, BigInt(entry) * factor));
  const start = performance.now();
  await rig.write([{ arrow: "int64", values }]);
  return performance.now() - start;
}

describe("a dictionary", () => {
  test("is written if one value of eight is new, and there are 64", async () => {
    expect(await dictionaries(columnsOf(64, 8))).toEqual(all(true));
    expect(await dictionaries(columnsOf(64, 9))).toEqual(all(false));
    expect(await dictionaries(columnsOf(63, 7))).toEqual(all(false));
    expect(await dictionaries(columnsOf(63, 1))).toEqual(all(false));
    expect(await dictionaries(columnsOf(71, 8))).toEqual(all(true));
    // Nulls do not count.
    const halves = columnsOf(64, 8).map(({ arrow, values }) => ({
      arrow,
      values: values.flatMap((value) => [value, null]),
    }));
    expect(await dictionaries(halves)).toEqual(all(true));
    const fewer = halves.map(({ arrow, values }) => ({ arrow, values: values.slice(2) }));
    expect(await dictionaries(fewer)).toEqual(all(false));
  });

  test("is not written for doubles of few digits, or multiples of a large number, all different", async () => {
    const rows = Array.from({ length: 64 }, (_, row) => row + 1);
    const columns = [
      { arrow: "float64", values: rows.map((row) => bitsOf(row)) },
      { arrow: "float64", values: rows.map((row) => bitsOf(row / 4)) },
      { arrow: "int64", values: rows.map((row) => BigInt(row) << 46n) },
    ];
    expect(await dictionaries(columns)).toEqual([false, false, false]);
  });

  test("takes no longer for numbers that all fall into one place of its table", async () => {
    // The second undoes what the kernel multiplies by: products below 2^48 share their upper bits.
    const usual = await millisecondsOf(0x1234_5678_9abn);
    expect(await millisecondsOf(0xf1de_83e1_9937_733dn)).toBeLessThan(3 * usual + 100);
  });

  test("has indexes of as many bits as its entries take", async () => {
    for (const bits of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      for (const entry_count of [2 ** bits - 1, 2 ** bits, 2 ** bits + 1]) {
        if (entry_count === 0) continue;
        // Mostly no whole eights.
        const count = 64 + 9 * entry_count + bits;
        expect(await dictionaries(columnsOf(count, entry_count))).toEqual(all(true));
      }
    }
  });

  test("has up to 32,768 entries; with more, values are written one by one", async () => {
    for (const entry_count of [4097, 32_767, 32_768])
      expect(await dictionaries(columnsOf(36_001, entry_count))).toEqual(all(true));
    expect(await dictionaries(columnsOf(36_001, 32_769))).toEqual(all(false));
  });

  test("of texts has up to a MiB with the lengths; with more, texts are written one by one", async () => {
    const halves = MIB / 2 - 4;
    expect(
      await dictionaries([
        // The empty one takes 4 bytes as well.
        texts(halves, halves - 4),
        texts(halves, halves - 3),
        texts(MIB - 8),
        texts(MIB - 7),
        texts(MIB),
        texts(3 * MIB, 10, 20),
        texts(10, 20, 3 * MIB),
        texts(...Array.from({ length: 200 }, () => 5000)),
        texts(...Array.from({ length: 300 }, () => 5000)),
      ]),
    ).toEqual([true, false, true, false, false, false, false, true, false]);
  });

  test("tells texts apart that differ in their last bytes, zero bytes and lengths included", async () => {
    const ends = ["", "\0", "\0\0", "\0\x01", "\x01", "a", "a\0", "\x7f", "é", "\u{10ffff}"];
    const columns = [3, 5, 8, 16].map((spread): ValueColumn => {
      const entries = Array.from({ length: 41 }, (_, length) =>
        ends.map((end) => "12345678abcdefgh".repeat(3).slice(length % spread, length) + end),
      ).flat();
      return { arrow: "utf8", values: Array.from({ length: 9 }, () => entries).flat() };
    });
    expect(await dictionaries(columns)).toEqual(columns.map(() => true));
  });

  test("of doubles has both zeros", async () => {
    const values = [0, -0, 1, -0, 0, 0].flatMap((value) => Array.from({ length: 20 }, () => value));
    const column = { arrow: "float64", values: values.map(bitsOf) };
    expect(await dictionaries([column])).toEqual([true]);
  });

  test("tells numbers apart that fall into one place of its table, or around its end", async () => {
    // What the kernel multiplies by, and the number that undoes it modulo 2^64.
    const multiplier = 0x9e37_79b9_7f4a_7c15n;
    let inverse = 1n;
    for (let step = 0; step < 6; step++)
      inverse = BigInt.asUintN(64, inverse * (2n - multiplier * inverse));
    const placed = (place: bigint, entry: number): bigint =>
      BigInt.asIntN(64, ((place << 48n) | (BigInt(entry) * 0x12_3457n)) * inverse);
    const columns = [0n, 0xffffn, 0xfff0n].map((place) => ({
      arrow: "int64",
      values: repeating(20_000, 24, (entry) => placed(place, entry)),
    }));
    expect(await dictionaries(columns)).toEqual([true, true, true]);
  });

  test("is not written for what has none", async () => {
    const columns = [
      { arrow: "bool", values: Array.from({ length: 100 }, () => true) },
      { arrow: "decimal128(38, 9)", values: Array.from({ length: 100 }, () => 5n) },
      { arrow: "int64", values: Array.from({ length: 100 }, () => null) },
    ];
    expect(await dictionaries(columns)).toEqual([false, false, false]);
  });
});
