import { describe, expect, test } from "bun:test";
import { convertBytes } from "./support/csv-convert.ts";

const TEXT = "name,price\nZoë,5 €\n𝄞,1\n";
const ROWS = [
  ["Zoë", "5 €"],
  ["𝄞", "1"],
];
const utf16be = (text: string): Buffer => Buffer.from(text, "utf16le").swap16();

describe("an encoding", () => {
  test.each([
    ["utf-8", "content", Buffer.from(TEXT)],
    ["utf-8", "byte order mark", Buffer.from(`\ufeff${TEXT}`)],
    ["utf-16le", "byte order mark", Buffer.from(`\ufeff${TEXT}`, "utf16le")],
    ["utf-16be", "byte order mark", utf16be(`\ufeff${TEXT}`)],
  ])("%s is found by its %s, and no mark becomes part of a name", async (encoding, by, bytes) => {
    const back = await convertBytes(bytes);
    expect(back.columns.map(({ name }) => name)).toEqual(["name", "price"]);
    expect(back.rows).toEqual(ROWS);
    expect(back.report).toMatchObject({ encoding, encoding_chosen_by: by });
    expect(back.notices).toEqual([]);
  });

  test("that is not UTF-8 is taken for Windows-1252, and the answer says so", async () => {
    const high = Array.from({ length: 0x80 }, (_, index) => 0x80 + index).filter(
      (byte) => ![0x81, 0x8d, 0x8f, 0x90, 0x9d].includes(byte),
    );
    const back = await convertBytes(Buffer.concat([Buffer.from("a,b\n1,"), Buffer.from(high)]));
    // The inverse of the table, from another implementation of the same standard.
    const text = new TextDecoder("windows-1252").decode(Buffer.from(high));
    expect(back.rows).toEqual([["1", text]]);
    expect(back.notices).toEqual(["The file is not UTF-8 and was read as Windows-1252."]);
  });

  test("can be named", async () => {
    expect(
      (await convertBytes(Buffer.from(TEXT, "utf16le"), { encoding: "utf-16le" })).rows,
    ).toEqual(ROWS);
    const back = await convertBytes(Buffer.from("a,b\n1,Ã©\n", "latin1"), {
      encoding: "windows-1252",
    });
    expect(back.rows).toEqual([["1", "Ã©"]]);
    expect(back.notices).toEqual([]);
  });

  test.each([
    ["a byte that neither has", Buffer.from("a,b\n1,\x81\n", "latin1"), {}, "unknown_encoding"],
    ["UTF-16 without a mark", Buffer.from("a,b\n1,2\n", "utf16le"), {}, "nul"],
    ["half a UTF-16 character", Buffer.from([0xff, 0xfe, 0x61]), {}, "invalid_utf16le"],
    ["NUL in UTF-16", Buffer.from("\ufeffa\0b", "utf16le"), {}, "nul"],
    [
      "no UTF-8 though it was named",
      Buffer.from([0x61, 0xff]),
      { encoding: "utf-8" },
      "invalid_utf8",
    ],
    [
      "a character cut off at the end",
      Buffer.from([0x61, 0x0a, 0xe2, 0x82]),
      { encoding: "utf-8" },
      "invalid_utf8",
    ],
  ] as const)("with %s is refused", (_what, bytes, options, reason) => {
    expect(convertBytes(bytes, options)).rejects.toMatchObject({
      code: "invalid_csv",
      extra: { reason },
    });
  });

  test("is judged over the whole file, also where a character crosses a chunk", async () => {
    // One more byte each time: every way of cutting the euro sign at 1 MiB.
    for (let shift = 0; shift < 4; shift++) {
      const filler = "x".repeat(1024 * 1024 - 8 - shift);
      const back = await convertBytes(`a,b\n1,${filler}€€\n`);
      expect(back.rows).toEqual([["1", `${filler}€€`]]);
      expect(back.report).toMatchObject({ encoding: "utf-8" });
    }
  });
});
