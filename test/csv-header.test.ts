import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { uniqueNames } from "../plugins/ingest-csv/header.ts";
import { convertBytes } from "./support/csv-convert.ts";

describe("names of columns", () => {
  test.each([
    [
      ["a", "b"],
      ["a", "b"],
    ],
    [
      ["", "x", ""],
      ["column_1", "x", "column_3"],
    ],
    [
      ["a", "A", "a"],
      ["a", "A_2", "a_3"],
    ],
    [
      ["a", "a", "a_2"],
      ["a", "a_3", "a_2"],
    ],
    [
      ["column_2", ""],
      ["column_2", "column_2_2"],
    ],
    [
      ["", "Column_1"],
      ["column_1_2", "Column_1"],
    ],
  ])("%j become %j", (cells, names) => {
    expect(uniqueNames(cells)).toEqual(names);
  });

  test("are unique without regard to case, and a name that occurs once is kept", () => {
    const cell = fc.constantFrom("", "a", "A", "b", "a_2", "A_2", "a_3", "column_1", "Column_2");
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 12 }), (cells) => {
        const names = uniqueNames(cells);
        expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(cells.length);
        for (const [index, written] of cells.entries()) {
          const same = cells.filter((each) => each.toLowerCase() === written.toLowerCase());
          if (written !== "" && same.length === 1) expect(names[index]).toBe(written);
        }
      }),
    );
  });
});

describe("the delimiter", () => {
  test.each([
    ["a,b\n", ",", ["a", "b"]],
    ["a\tb\n", "\t", ["a", "b"]],
    ["a;b;c,d\n", ";", ["a", "b", "c,d"]],
    ["a|b\n", "|", ["a", "b"]],
    ["a;b,c\n", ",", ["a;b", "c"]],
    ['"a;b;c",d\n', ",", ["a;b;c", "d"]],
    ["plain\n", ",", ["plain"]],
  ])(
    "of %j is %j: the one that cuts the header into most cells",
    async (text, delimiter, names) => {
      const back = await convertBytes(text);
      expect(back.report).toMatchObject({ delimiter });
      expect(back.columns.map(({ name }) => name)).toEqual(names);
    },
  );

  test("is never looked for in the data, where it could eat rows", async () => {
    const back = await convertBytes("a\n=cmd|' /C calc'!A0\nx|y|z\n");
    expect(back.rows).toEqual([["=cmd|' /C calc'!A0"], ["x|y|z"]]);
  });

  test("is what the client says", async () => {
    const back = await convertBytes("a,b:c\n1,2:3\n", { delimiter: ":" });
    expect(back.rows).toEqual([["1,2", "3"]]);
  });
});

describe("a header", () => {
  test("may be quoted, hold line breaks, follow empty lines and end in CR", async () => {
    const back = await convertBytes('\r\r"a\nb","c ""d"""\r1,2\r');
    expect(back.columns.map(({ name }) => name)).toEqual(["a\nb", 'c "d"']);
    expect(back.rows).toEqual([["1", "2"]]);
  });

  test("is never taken for data, however it looks", async () => {
    const back = await convertBytes("1,2\nx,y\n");
    expect(back.columns.map(({ name }) => name)).toEqual(["1", "2"]);
    expect(back.rows).toEqual([["x", "y"]]);
  });

  test.each([
    ["an open quote", '"a,b\n1,2\n', { reason: "unclosed_quote" }],
    ["text behind a quote", '"a"x,b\n1,2\n', { reason: "text_behind_quote" }],
    ["a separator of the fingerprint", "a\u001fb\n", { reason: "header_control_character" }],
  ])("with %s is refused", (_what, text, extra) => {
    expect(convertBytes(text)).rejects.toMatchObject({ code: "invalid_csv", extra });
  });

  test("wider than the limit is refused before the engine sees it", () => {
    const wide = `${"x,".repeat(20_000)}x\n`;
    expect(convertBytes(wide)).rejects.toMatchObject({
      code: "limit_exceeded",
      extra: { columns: 20_001, limit: 4096 },
    });
  });
});
