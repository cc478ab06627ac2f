import { describe, expect, test } from "bun:test";
import { hasCode, type LakehouseError } from "../core/error.ts";
import { readOptions } from "../plugins/ingest-csv/options.ts";
import { convertBytes, LIMITS } from "./support/csv-convert.ts";

/** Files that are meant to be too much: each is over in seconds, or the test's time limit ends it. */

const MIB = 1024 * 1024;

async function refusal(
  text: string | Uint8Array,
  options: Readonly<Record<string, string>> = {},
  limits: Partial<typeof LIMITS> = {},
): Promise<LakehouseError> {
  try {
    await convertBytes(text, readOptions(options), limits);
  } catch (error) {
    if (hasCode(error, "limit_exceeded") || hasCode(error, "invalid_csv")) return error;
    throw error;
  }
  throw new Error("it was taken in");
}

describe("a limit is named with the key that raises it:", () => {
  test.each([
    [
      "more columns",
      `${"x,".repeat(40)}x\n1\n`,
      { columns_limit: 40 },
      "dataset_columns",
      { columns: 41 },
    ],
    [
      "a longer header",
      `${"x".repeat(70_000)},b\n`,
      { header_limit_bytes: 1000 },
      "header_bytes",
      { line: 1 },
    ],
    [
      "a longer name",
      `a,${"x".repeat(2000)}\n1,2\n`,
      {},
      "column_name_bytes",
      { line: 1, column: 2 },
    ],
    [
      "a longer record",
      `a,b\n1,2\n${"x".repeat(5 * MIB)},2\n`,
      {},
      "cell_bytes",
      { line: 3, limit_bytes: 4 * MIB },
    ],
    [
      "a quote that is never closed",
      `a,b\n1,2\n"${"x\n".repeat(3 * MIB)}`,
      {},
      "cell_bytes",
      { line: 3 },
    ],
  ])("%s", async (_what, text, limits, key, extra) => {
    const error = await refusal(text, { on_error: "reject" }, limits);
    expect(error).toMatchObject({ code: "limit_exceeded", status: 422, extra });
    expect(error.hint).toContain(key);
  });

  test("what is just within them is taken in", async () => {
    const name = "n".repeat(1024);
    const cell = "x".repeat(3 * MIB);
    const back = await convertBytes(`${name},b\n${cell},2\n`);
    expect(back.columns[0]?.name).toBe(name);
    expect(back.rows[0]?.[0]).toBe(cell);
  });
});

describe("hostile input is read or refused at once:", () => {
  test("twenty million empty lines", async () => {
    const back = await convertBytes(`a,b\n${"\n".repeat(20 * MIB)}1,2\n`);
    expect(back.rows).toEqual([["1", "2"]]);
    expect((await convertBytes(`a\n${"\n".repeat(20 * MIB)}`)).row_count).toBe(0);
  }, 20_000);

  test("a line of 40 MB", async () => {
    expect((await refusal(`a,b\n${"x".repeat(40 * MIB)}`)).code).toBe("limit_exceeded");
  }, 20_000);

  test("20,000 columns, in the header or in a record", async () => {
    const wide = `${"x,".repeat(20_000)}x`;
    expect((await refusal(`${wide}\n${wide}\n`)).code).toBe("limit_exceeded");
    expect(await refusal(`a,b\n${wide}\n`)).toMatchObject({
      code: "invalid_csv",
      extra: { reason: "field_count", line: 2 },
    });
  }, 20_000);

  test("4,000 columns of one name", async () => {
    const back = await convertBytes(`${"c,".repeat(3999)}c\n`);
    expect(back.columns.at(-1)?.name).toBe("c_4000");
  }, 20_000);

  test("NUL", async () => {
    for (const text of ["\0", "a,b\n1,\0\n", `a,b\n${"1,2\n".repeat(500_000)}\0`]) {
      expect(await refusal(text)).toMatchObject({ code: "invalid_csv", extra: { reason: "nul" } });
    }
  }, 20_000);

  test("nothing but quotes, delimiters or backslashes", async () => {
    for (const character of ['"', ",", "\\"]) {
      const many = character.repeat(6 * MIB);
      const codes = [
        await refusal(many),
        await refusal(`a,b\n${many}`),
        await refusal(`a,b\n"${many}`, { escape: "\\", on_error: "reject" }),
      ].map(({ code }) => code);
      expect(codes).toEqual(["limit_exceeded", "limit_exceeded", "limit_exceeded"]);
    }
    expect((await refusal('"'.repeat(1001))).extra).toMatchObject({ reason: "unclosed_quote" });
  }, 20_000);

  test("numbers with a million zeros, and cells with a million spaces", async () => {
    const zeros = "0".repeat(MIB);
    const spaces = " ".repeat(MIB);
    const text = `a,b\n0.${zeros}1${zeros}1,${spaces}1${spaces}2\n`;
    const limits = { record_limit_bytes: 16 * MIB };
    expect((await convertBytes(text, {}, limits)).columns.map(({ type }) => type)).toEqual([
      "utf8",
      "utf8",
    ]);
    const types = '{"a":"DOUBLE","b":"BIGINT"}';
    const back = await convertBytes(text, readOptions({ types, on_error: "reject" }), limits);
    expect(back.rejects?.row_count).toBe(1);
  }, 20_000);
});
