import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { CONTINUED_MARK, namesOf, segmentOf, TWIN_MARK } from "../plugins/storage-fs/names.ts";
import { propertySeed } from "./conformance/storage-bytes.ts";

const PLAIN = { encode_case: false };
const FOLDING = { encode_case: true };

/** Segments a key may have, weighted towards what names treat specially. */
const segment = fc
  .array(
    fc.oneof(
      fc.constantFrom(".", "%", "-", "_", "A", "Z", "a", "con", "nul", "25", " ", "~", "é", "😀"),
      fc.string({ unit: "binary", maxLength: 20 }),
    ),
    { minLength: 1, maxLength: 40 },
  )
  .map((parts) => parts.join("").toWellFormed().replaceAll("/", "").normalize("NFC"))
  .filter((text) => text !== "" && text !== "." && text !== "..")
  .filter((text) => Buffer.byteLength(text) <= 255);

const pieces = (names: readonly string[]): string[] =>
  names.map((name, at) => (at < names.length - 1 ? name.slice(0, -CONTINUED_MARK.length) : name));

/** As a file system that folds case would compare them. */
function folded(text: string): string {
  return namesOf(text, FOLDING).join("/").toLowerCase();
}

describe("names on disk", () => {
  test("plain names stand for themselves", () => {
    for (const name of ["cities", "a.parquet", "a-b_c.D", "_catalog", "0", "x".repeat(254)]) {
      expect(namesOf(name, PLAIN)).toEqual([name]);
    }
  });

  test("what file systems treat specially is escaped", () => {
    expect(namesOf(".hidden", PLAIN)).toEqual(["%2Ehidden"]);
    expect(namesOf("dot.", PLAIN)).toEqual(["dot%2E"]);
    expect(namesOf("...", PLAIN)).toEqual(["%2E.%2E"]);
    expect(namesOf("a b", PLAIN)).toEqual(["a%20b"]);
    expect(namesOf("100%", PLAIN)).toEqual(["100%25"]);
    expect(namesOf("é", PLAIN)).toEqual(["%C3%A9"]);
    expect(namesOf("con", PLAIN)).toEqual(["%63on"]);
    expect(namesOf("NUL.txt", PLAIN)).toEqual(["%4EUL.txt"]);
    expect(namesOf("Readme", FOLDING)).toEqual(["%52eadme"]);
  });

  test("every segment comes back from its names, under both rules", () => {
    fc.assert(
      fc.property(segment, fc.boolean(), (text, encode_case) => {
        const names = namesOf(text, { encode_case });
        expect(segmentOf(pieces(names), { encode_case })).toBe(text);
      }),
      { numRuns: 2000, ...propertySeed() },
    );
  });

  test("every name is one that file systems take, with room for a mark", () => {
    fc.assert(
      fc.property(segment, fc.boolean(), (text, encode_case) => {
        for (const [at, name] of namesOf(text, { encode_case }).entries()) {
          expect(name).toMatch(encode_case ? /^[a-z0-9._%A-F-]+$/ : /^[A-Za-z0-9._%-]+$/);
          expect(Buffer.byteLength(name + TWIN_MARK)).toBeLessThanOrEqual(255);
          if (at === 0) expect(name).not.toMatch(/^\.|\.$/);
          expect(["", ".", ".."]).not.toContain(name);
          expect(name).not.toEndWith(TWIN_MARK);
        }
      }),
      { numRuns: 2000, ...propertySeed() },
    );
  });

  test("different segments never share a name, also where case is folded", () => {
    fc.assert(
      fc.property(segment, segment, (one, other) => {
        fc.pre(one !== other);
        expect(namesOf(one, PLAIN)).not.toEqual(namesOf(other, PLAIN));
        expect(folded(one)).not.toBe(folded(other));
      }),
      { numRuns: 2000, ...propertySeed() },
    );
  });

  test("a name that would not have been written stands for nothing", () => {
    const strange = [
      "a b",
      "é",
      "%c3%a9",
      "%41",
      ".a",
      "a.",
      "con",
      "%",
      "%2",
      "%ff",
      "%C3",
      "a%20",
    ];
    for (const name of strange.filter((each) => each !== "a%20")) {
      expect(segmentOf([name], PLAIN)).toBeUndefined();
    }
    expect(segmentOf(["a%20"], PLAIN)).toBe("a ");
    expect(segmentOf(["A"], FOLDING)).toBeUndefined();
    expect(segmentOf(["short", "tail"], PLAIN)).toBeUndefined();
    expect(segmentOf(["x".repeat(300)], PLAIN)).toBeUndefined();
  });
});
