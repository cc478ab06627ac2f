import { describe, expect, test } from "bun:test";
import type { SchemaInput } from "../core/codec.ts";
import type { Column } from "../core/services.ts";
import { readOptions } from "../plugins/ingest-csv/options.ts";
import { convertBytes, type ReadBack } from "./support/csv-convert.ts";
import { numbered, ONE_RANGE, same, typesOf } from "./support/csv-ranges.ts";

/** The types of columns in a file of many ranges: found late, registered or given. */

const late = async (cells: readonly string[]): Promise<Partial<ReadBack>> =>
  same(`v,n\n${cells.map((cell, row) => `${cell},${row}\n`).join("")}`, [100]);
const many = (cell: string): string[] => Array.from({ length: 60 }, () => cell);

describe("a type that shows late is the type of the whole column:", () => {
  test.each([
    ["integers, then decimals", [...many("7"), "1.50", ...many("8")], "float64"],
    [
      "integers, then one that no double holds",
      [...many("7"), ...many("9007199254740993"), "0.5"],
      "decimal128(38, 9)",
    ],
    ["integers, decimals, then text", [...many("7"), ...many("0.25"), "x", ...many("1")], "utf8"],
    ["nothing, then dates", [...many(""), "2024-02-29", ...many("")], "date32[day]"],
    ["quoted nothing, then integers", [...many('""'), "5"], "int64"],
    ["nothing, then text", [...many(""), "x"], "utf8"],
    ["dates, then one with a time", [...many("2024-02-29"), "2024-02-29 10:00:00"], "utf8"],
    ["booleans of one spelling, then another", [...many("true"), "TRUE"], "utf8"],
    ["booleans, then nothing", [...many("false"), ...many("")], "bool"],
    ["zeros, then one with a minus", [...many("0"), "-0", ...many("0")], "float64"],
    ["codes behind numbers", [...many("10"), "007"], "utf8"],
  ])("%s", async (_what, cells, type) => {
    const back = await late(cells);
    expect(typesOf(back)).toEqual([type, "int64"]);
    expect(back.rows?.map(([, row]) => row)).toEqual(cells.map((_, row) => String(row)));
    if (type === "utf8")
      expect(back.rows?.map(([cell]) => cell ?? "")).toEqual(
        cells.map((cell) => cell.replace('""', "")),
      );
  });

  test("digits before the point in one range, behind it in another", async () => {
    const cells = [...many(`1${"0".repeat(28)}1`), ...many(`0.${"1".repeat(20)}`)];
    for (const size of [ONE_RANGE, 200]) {
      const text = `v,n\n${cells.map((cell, row) => `${cell},${row}\n`).join("")}`;
      const back = await convertBytes(text, {}, { range_bytes: size });
      expect(typesOf(back)).toEqual(["utf8", "int64"]);
      expect(back.rows.map(([cell]) => cell)).toEqual(cells);
    }
  });

  test("each of the last three rows another", async () => {
    const rows = numbered(200, (row) => `${row},${row},${row}\n`);
    const text = `a,b,c\n${rows}1.5,2,3\n1,x,3\n1,2,2024-01-01\n`;
    const back = await same(text, [100, 1000]);
    expect(typesOf(back)).toEqual(["float64", "utf8", "utf8"]);
    expect(back.report).toMatchObject({
      columns: [
        { decided_by: { row: 201, line: 202, value: "1.5" } },
        { decided_by: { row: 202, line: 203, value: "x" } },
        { decided_by: { row: 203, line: 204, value: "2024-01-01" } },
      ],
    });
  });
});

const column = (id: number, name: string, type: string): Column => ({
  id,
  name,
  type,
  nullable: true,
});
const registered = (types: readonly string[], mode: SchemaInput["mode"]): SchemaInput => ({
  registered: {
    columns: types.map((type, index) => column(index + 3, "abcdef"[index] ?? "", type)),
    last_column_id: 20,
  },
  mode,
});

describe("a registered schema", () => {
  const rows = numbered(
    150,
    (row) => `${row},${row}.5,-${row / 4},${row % 2 === 0 ? "-0" : "0"}\n`,
  );
  const types = ["decimal128(38, 9)", "float64", "decimal128(12, 2)", "float64"];

  test("is what all ranges are written as", async () => {
    const schema = registered(types, "strict");
    const back = await same(
      `d,c,b,a\n${rows.replaceAll(/^(.*),(.*),(.*),(.*)$/gm, "$4,$3,$2,$1")}`,
      [100],
      {
        telling: { schema },
      },
    );
    expect([back.verdict, typesOf(back)]).toEqual(["same", types]);
    expect(new Set(back.rows?.map((row) => row[3]))).toEqual(new Set(["-0.0", "0.0"]));
    expect(back.rows?.every((row, index) => row[3] === (index % 2 === 0 ? "-0.0" : "0.0"))).toBe(
      true,
    );
  });

  test("is widened, replaced or refused by a late row", async () => {
    for (const mode of ["strict", "widen", "replace"] as const) {
      for (const late of [
        "1.0000000001,1,1,1\n",
        "1,1,1.001,1\n",
        "x,1,1,1\n",
        "1,1,1,2024-01-01\n",
      ]) {
        const schema = registered(types, mode);
        await same(`a,b,c,d\n${rows}${late}${rows}`, [1000], { telling: { schema } });
      }
    }
  });
});

describe("a given type", () => {
  const rows = numbered(
    120,
    (row) => `${(row % 28) + 1}/02/2024,  +00${row},${row}.10,yes,1${row}e3,2024-02-01\n`,
  );
  const types =
    '{"a":"DATE","b":"BIGINT","c":"DECIMAL(20,4)","d":"BOOLEAN","e":"DOUBLE","f":"TIMESTAMP"}';

  test("is read the same in every range, and counts what did not fit", async () => {
    const options = readOptions({ types, date_format: "%d/%m/%Y", on_error: "reject" });
    const text = `a,b,c,d,e,f\n${rows}31/02/2024,1,1,n,1,\n1/2/24,x,1,n,1,\n"3/02/2024",-0," 7.5 ",F,-0,2024-01-01\n`;
    const back = await same(text, [200], { options });
    expect(back.rows?.at(-1)).toEqual([
      "2024-02-03",
      "0",
      "7.5000",
      "false",
      "-0.0",
      "2024-01-01 00:00:00",
    ]);
    expect(back.rejected).toHaveLength(2);
    expect(back.rows?.[100]).toEqual([
      "2024-02-17",
      "100",
      "100.1000",
      "true",
      "1100000.0",
      "2024-02-01 00:00:00",
    ]);
  });

  test("is stored in a registered one with room for its digits, seen in any range", async () => {
    const options = readOptions({ types: '{"a":"DECIMAL(30,10)","b":"BIGINT"}' });
    for (const late of ["1.25,7", "123456789012.25,7", "0.0000000001,7", "1,123456789012345678"]) {
      const text = `a,b\n${numbered(100, (row) => `+${row}.5,0${row}\n`)}${late}\n`;
      for (const mode of ["strict", "widen"] as const) {
        const schema = registered(["decimal128(38, 9)", "float64"], mode);
        await same(text, [100], { options, telling: { schema } });
      }
    }
  });
});
