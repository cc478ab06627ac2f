import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { WrittenColumn } from "../plugins/ingest-csv/judged-schema.ts";
import type { RowGroupFile } from "../plugins/ingest-csv/parquet/row-groups.ts";
import { checkSums, readBack } from "../plugins/ingest-csv/read-back.ts";
import { EngineDisagrees } from "../plugins/ingest-csv/witness.ts";
import { Random, styledValues, type ValueColumn, withNulls } from "./support/column-values.ts";
import { PagesRig, tableColumns } from "./support/parquet-pages.ts";

/** What the engine reads back must be what was written, or the upload is refused. */

/** The types of which the engine's sums are held against ours. */
const SUMMED = [
  "int64",
  "date32[day]",
  "timestamp[us]",
  "timestamp[us, tz=UTC]",
  "bool",
  "decimal128(9, 2)",
  "decimal128(18, 4)",
];
const COUNT = 300;

let rig: PagesRig;
let engine: DuckDBInstance;
beforeAll(async () => {
  rig = await PagesRig.open();
  engine = await DuckDBInstance.create(":memory:", { threads: "1" });
});
afterAll(async () => {
  engine.closeSync();
  await rig[Symbol.asyncDispose]();
});

function columnOf(arrow: string, style: "few" | "random"): ValueColumn {
  const random = new Random(5);
  const values = styledValues(arrow, style, { count: COUNT, bits: 20, random });
  return { arrow, values: withNulls(values, "random", random) };
}

const written = (column: ValueColumn): readonly WrittenColumn[] =>
  tableColumns([column]).map((each) => Object.assign(each, { source: 0 }));

describe("the engine's sums", () => {
  for (const arrow of SUMMED) {
    test(`are those of the values, and of no others: ${arrow}`, async () => {
      for (const style of ["few", "random"] as const) {
        const column = columnOf(arrow, style);
        const [file] = await rig.writeFiles([column]);
        if (file === undefined) throw new Error("no file");
        const columns = written(column);
        const found = await readBack(engine, columns, [file.path]);
        checkSums(columns, found, [file]);
        const other = { ...file, sums: file.sums.map((sum) => sum + 1n) };
        expect(() => checkSums(columns, found, [other])).toThrow(EngineDisagrees);
        // Of several files together.
        const twice = await readBack(engine, columns, [file.path, file.path]);
        checkSums(columns, twice, [file, file]);
        expect(() => checkSums(columns, twice, [file])).toThrow(EngineDisagrees);
      }
    });
  }
});

describe("a bit that turned over in the pages", () => {
  for (const [arrow, style] of [
    ["int64", "random"],
    ["int64", "few"],
    ["timestamp[us]", "random"],
  ] as const) {
    test(`changes no row that the engine reads without being noticed: ${arrow}, ${style}`, async () => {
      const column = columnOf(arrow, style);
      const [file] = await rig.writeFiles([column]);
      if (file === undefined) throw new Error("no file");
      const bytes = Buffer.from(await Bun.file(file.path).bytes());
      const pages_end = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
      const rows = await rig.select(`SELECT * FROM '${file.path}'`);
      let noticed = 0;
      for (let at = 4; at < pages_end; at++) {
        const path = rig.fresh();
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
        await Bun.write(path, damaged);
        if (await isNoticed(column, { ...file, path })) noticed += 1;
        else expect(await rig.select(`SELECT * FROM '${path}'`)).toEqual(rows);
      }
      // Few bits say nothing: those of padding and of sizes that the footer has too.
      expect(noticed).toBeGreaterThan(0.8 * (pages_end - 4));
    });
  }
});

/** As a conversion would. */
async function isNoticed(column: ValueColumn, file: RowGroupFile): Promise<boolean> {
  const columns = written(column);
  const value_count = column.values.filter((value) => value !== null).length;
  try {
    const found = await readBack(engine, columns, [file.path]);
    checkSums(columns, found, [file]);
    return found.row_count !== COUNT || found.values[0]?.value_count !== value_count;
  } catch {
    return true;
  }
}
