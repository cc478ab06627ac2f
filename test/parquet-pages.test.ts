import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { tableFromIPC } from "apache-arrow";
import fc from "fast-check";
import { readParquet } from "parquet-wasm/esm";
import { CsvKernel } from "../plugins/ingest-csv/kernel/csv-kernel.ts";
import { writeNoRows } from "../plugins/ingest-csv/parquet/row-groups.ts";
import {
  ARROW_TYPES,
  extremes,
  NULLS,
  Random,
  rangeOf,
  STYLES,
  styledValues,
  type ValueColumn,
  withNulls,
} from "./support/column-values.ts";
import type { Value } from "./support/csv-values.ts";
import { PagesRig, tableColumns } from "./support/parquet-pages.ts";
import { runs } from "./support/test-engine.ts";

/** Parquet files of the kernel's pages, read value by value by DuckDB and by arrow-rs. */

let rig: PagesRig;
beforeAll(async () => {
  rig = await PagesRig.open();
});
afterAll(() => rig[Symbol.asyncDispose]());

async function expectKept(columns: readonly ValueColumn[], group_rows?: number): Promise<string[]> {
  const paths = await rig.write(columns, group_rows);
  expect(await rig.faults(columns, paths)).toEqual([]);
  return paths;
}

/** A column of every type, each in a style of its own. */
function tableOf(
  count: number,
  nulls: (typeof NULLS)[number],
  random: Random,
  first_style = random.below(STYLES.length),
): ValueColumn[] {
  return ARROW_TYPES.map((arrow, index) => {
    const style = STYLES[(first_style + index) % STYLES.length] ?? "random";
    const bits = 1 + random.below(64);
    const values = styledValues(arrow, style, { count, bits, random });
    return { arrow, values: withNulls(values, nulls, random) };
  });
}

/** Around eights of bits, miniblocks, blocks, and what one byte counts. */
const COUNTS = [1, 2, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129, 130, 255, 256, 257, 258];

describe("values of every type", () => {
  test.each(NULLS)("are kept at every count, with nulls: %s", async (nulls) => {
    for (const count of COUNTS)
      await expectKept(tableOf(count, nulls, new Random(count), count % STYLES.length));
  });

  test("are kept in any number and style, with any nulls, in groups of any size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 600 }) }, fc.nat(6000)),
        fc.constantFrom(...NULLS),
        fc.integer({ min: 20, max: 7000 }),
        fc.nat(),
        async (count, nulls, group_rows, seed) => {
          await expectKept(tableOf(count, nulls, new Random(seed)), group_rows);
        },
      ),
      runs(25),
    );
  });

  test("are kept by the ten thousands", async () => {
    const random = new Random(70_001);
    const table = tableOf(70_001, "random", random, 3);
    await expectKept(table.filter((_, index) => index < 10 || index === 18));
  });
});

describe("whole numbers", () => {
  const WHOLE = [
    "int64",
    "date32[day]",
    "timestamp[us]",
    "decimal128(9, 4)",
    "decimal128(18, 0)",
  ] as const;

  test("are written as their differences, of every number of bits", async () => {
    const random = new Random(64);
    const columns = Array.from({ length: 65 }, (_, bits): ValueColumn => {
      const start = random.bits(64);
      const values = Array.from({ length: 300 }, () =>
        BigInt.asIntN(64, start + random.bits(bits)),
      );
      return { arrow: "int64", values };
    });
    const [path = ""] = await expectKept(columns);
    const chunks = await rig.chunks(path, columns);
    // Of 5 bits so many are the same that they get a dictionary.
    for (const { encodings } of chunks.slice(6))
      expect(encodings).toEqual(["RLE", "DELTA_BINARY_PACKED"]);
  });

  test.each(WHOLE)("of %s are kept where differences are the greatest there are", async (arrow) => {
    const [least, greatest] = rangeOf(arrow);
    const jumps = [
      [least, greatest],
      [least, greatest, least, least],
      [greatest, greatest, least, 0n],
      [0n, least, -1n, greatest],
      [least, 0n, greatest],
    ];
    for (const count of [2, 3, 33, 130, 260]) {
      const columns = jumps.map((jump) => ({
        arrow,
        // Never the same twice in a row of the pattern, so that there is no dictionary.
        values: Array.from({ length: count }, (_, row): Value => {
          const value = jump[row % jump.length] ?? 0n;
          const inward = BigInt(row >> 1);
          return value > 0n ? value - inward : value + inward;
        }),
      }));
      const [path = ""] = await expectKept(columns);
      for (const chunk of await rig.chunks(path, columns))
        expect(chunk.encodings).toEqual(["RLE", "DELTA_BINARY_PACKED"]);
    }
  });

  test("take next to nothing where they are evenly spaced", async () => {
    const values = Array.from({ length: 20_000 }, (_, row) => BigInt(row) * 1_000_003n - 5n);
    const columns = WHOLE.map((arrow) => ({
      arrow,
      values: arrow === "date32[day]" ? values.map((value) => value / 20_000n) : values,
    }));
    const [path = ""] = await expectKept(columns.slice(0, 1));
    const [chunk] = await rig.chunks(path, columns.slice(0, 1));
    expect(chunk?.uncompressed_bytes).toBeLessThan(20_000 / 10);
  });
});

describe("decimals", () => {
  test("have no value that their digits have no room for, instead of another one", async () => {
    for (const [arrow, value] of [
      ["decimal128(9, 0)", 2n ** 32n + 1n],
      ["decimal128(18, 0)", 2n ** 64n + 1n],
      ["decimal128(19, 0)", 2n ** 72n + 1n],
    ] as const)
      expect(rig.write([{ arrow, values: [value] }])).rejects.toThrow("1 cells have no value");
  });

  test("of every precision are kept, in as few bytes as the format asks for", async () => {
    const columns = Array.from({ length: 38 }, (_, index): ValueColumn => {
      const arrow = `decimal128(${index + 1}, ${(index * 7) % (index + 2)})`;
      const random = new Random(index);
      const any = styledValues(arrow, "random", { count: 200, bits: 64, random });
      return { arrow, values: [...extremes(arrow), null, ...any] };
    });
    const [path = ""] = await expectKept(columns);
    const schema = await rig.select(
      `SELECT type, type_length, precision, scale FROM parquet_schema('${path}') WHERE type IS NOT NULL`,
    );
    for (const [index, [type, length, precision, scale]] of schema.entries()) {
      const digits = index + 1;
      expect([precision, scale].map(Number)).toEqual([digits, (index * 7) % (index + 2)]);
      if (digits <= 18) expect([type, length]).toEqual([digits <= 9 ? "INT32" : "INT64", null]);
      else {
        // The least length whose signed numbers reach so far.
        const bytes = [9, 10, 11, 12, 13, 14, 15, 16].find(
          (bytes) => 2n ** BigInt(8 * bytes - 1) > 10n ** BigInt(digits) - 1n,
        );
        expect([type, Number(length)]).toEqual(["FIXED_LEN_BYTE_ARRAY", bytes ?? 0]);
      }
    }
  });
});

describe("a file of the kernel's pages", () => {
  test("says who wrote it in the form that the format asks for", async () => {
    const path = rig.fresh();
    writeNoRows(path, columns);
    const [[writer] = []] = await rig.select(
      `SELECT created_by FROM parquet_file_metadata('${path}')`,
    );
    expect(writer).toMatch(/^lakehouse version \S/);
  });

  const columns = tableColumns(ARROW_TYPES.map((arrow) => ({ arrow })));
  const FIELDS = `name, type, type_length, repetition_type, converted_type, scale, precision,
    field_id, logical_type, duckdb_type`;
  const [local, utc] = [0, 1].map(
    (is_utc) =>
      `TimestampType(isAdjustedToUTC=${is_utc}, unit=TimeUnit(MILLIS=<null>, MICROS=MicroSeconds(), NANOS=<null>))`,
  );

  test("says of every column its id, its type, and that it may be null", async () => {
    const plain = [
      ["BYTE_ARRAY", "UTF8", "StringType()", "VARCHAR"],
      ["INT64", null, null, "BIGINT"],
      ["DOUBLE", null, null, "DOUBLE"],
      ["BOOLEAN", null, null, "BOOLEAN"],
      ["INT32", "DATE", "DateType()", "DATE"],
      // The legacy annotation is asked for here as well: LogicalTypes.md, TIMESTAMP.
      ["INT64", "TIMESTAMP_MICROS", local, "TIMESTAMP"],
      ["INT64", "TIMESTAMP_MICROS", utc, "TIMESTAMP WITH TIME ZONE"],
    ].map(([type, converted, logical, sql]) => [type, null, converted, null, null, logical, sql]);
    const decimals = ARROW_TYPES.slice(plain.length).map((arrow) => {
      const digits = Number(/\d+(?=,)/.exec(arrow)?.[0]);
      const bytes = (10n ** BigInt(digits)).toString(2).length >> 3;
      const length = digits <= 18 ? null : String(bytes + 1);
      const type = digits <= 9 ? "INT32" : digits <= 18 ? "INT64" : "FIXED_LEN_BYTE_ARRAY";
      const logical = `DecimalType(scale=4, precision=${digits})`;
      return [type, length, "DECIMAL", "4", String(digits), logical, `DECIMAL(${digits},4)`];
    });
    const expected = [...plain, ...decimals].map(
      ([type, length, converted, scale, precision, logical, sql], index) => [
        `c${index}`,
        type,
        length,
        "OPTIONAL",
        converted,
        scale,
        precision,
        String(5 + 3 * index),
        logical,
        sql,
      ],
    );
    const no_rows = rig.fresh();
    writeNoRows(no_rows, columns);
    const [some_rows = ""] = await rig.write(tableOf(3, "none", new Random(1)));
    for (const path of [no_rows, some_rows]) {
      const rows = await rig.select(
        `SELECT ${FIELDS.replaceAll(/\w+/g, "$&::VARCHAR")} FROM parquet_schema('${path}') WHERE type IS NOT NULL`,
      );
      expect<unknown[]>(rows).toEqual(expected);
    }
  });

  test("is read by both where it has no row", async () => {
    const path = rig.fresh();
    writeNoRows(path, columns);
    expect(
      await rig.select(`SELECT count(*), count(c0), min(c1), max(c18) FROM '${path}'`),
    ).toEqual([[0n, 0n, null, null]]);
    const table = tableFromIPC(readParquet(await Bun.file(path).bytes()).intoIPCStream());
    expect(table.numRows).toBe(0);
    expect(table.schema.fields.map(({ name, nullable }) => [name, nullable])).toEqual(
      columns.map(({ name }) => [name, true]),
    );
    expect(table.schema.fields.map(({ type }) => String(type)).slice(0, 9)).toEqual([
      "Utf8",
      "Int64",
      "Float64",
      "Bool",
      "Date32<DAY>",
      "Timestamp<MICROSECOND>",
      "Timestamp<MICROSECOND, UTC>",
      "Decimal[4e+4]",
      "Decimal[9e+4]",
    ]);
  });

  test("has the encodings that are meant for its types", async () => {
    const random = new Random(3);
    const table = ARROW_TYPES.map((arrow) => ({
      arrow,
      values: styledValues(arrow, "random", { count: 300, bits: 64, random }),
    }));
    const numbers = table.map(({ arrow, values }) => ({
      arrow,
      // Of the few days there are, some come twice, but not one of eight.
      values: arrow === "utf8" ? values.map((_, row) => `text ${row}`) : values,
    }));
    const [path = ""] = await expectKept(numbers);
    const chunks = await rig.chunks(path, numbers);
    const delta = "DELTA_BINARY_PACKED";
    expect(chunks.map(({ encodings }) => encodings[1] ?? "")).toEqual([
      "DELTA_LENGTH_BYTE_ARRAY",
      delta,
      "PLAIN",
      "PLAIN",
      delta,
      delta,
      delta,
      delta,
      delta,
      delta,
      ...ARROW_TYPES.slice(10).map(() => "PLAIN"),
    ]);
    expect(chunks.every(({ encodings }) => encodings.length === 2)).toBe(true);
  });

  test("is read where pages are longer than what is written at once, and others are not", async () => {
    const MIB = 1 << 20;
    const random = new Random(9);
    const long = [3 * MIB, MIB - 13, MIB, MIB + 1];
    const [noise, run] = [random.text(3 * MIB), "x".repeat(3 * MIB)];
    const table = [1, 2, ...long, 3, MIB >> 1, MIB >> 1, 4].flatMap((length): ValueColumn[] => [
      { arrow: "utf8", values: [noise.slice(0, length), null, "end"] },
      { arrow: "utf8", values: [run.slice(0, length), null, "end"] },
      { arrow: "int64", values: [BigInt(length), null, 0n] },
    ]);
    await expectKept(table);
  });

  test("is read with thousands of columns", async () => {
    const table = Array.from({ length: 3000 }, (_, index) => ({
      arrow: ["int64", "utf8", "decimal128(38, 9)"][index % 3] ?? "",
      values: [index % 3 === 1 ? `text ${index}` : BigInt(index), null],
    }));
    await expectKept(table);
  });
});

describe("the same rows", () => {
  test("give the same bytes, whatever was written before them", async () => {
    const random = new Random(5);
    const tables = NULLS.map((nulls) => tableOf(700, nulls, random));
    const write = async (): Promise<Buffer[][]> => {
      const files: Buffer[][] = [];
      for (const table of tables) files.push(await filesOf(table, 131));
      return files;
    };
    const first = await write();
    await rig.write(tableOf(5000, "random", random), 2000);
    expect(await write()).toEqual(first);
    // While it is lent the others use an instance that has written nothing.
    using lent = await CsvKernel.borrow();
    expect(await write()).toEqual(first);
    expect(lent.kernel.memory.buffer.byteLength).toBeGreaterThan(0);
    for (const [index, table] of tables.entries()) {
      const group = table.map(({ arrow, values }) => ({ arrow, values: values.slice(393, 524) }));
      expect(await filesOf(group)).toEqual(first[index]?.slice(3, 4) ?? []);
    }
  });
});

async function filesOf(columns: readonly ValueColumn[], group_rows?: number): Promise<Buffer[]> {
  const paths = await rig.write(columns, group_rows);
  return Promise.all(paths.map(async (path) => Buffer.from(await Bun.file(path).bytes())));
}
