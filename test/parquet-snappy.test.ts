import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Random, type ValueColumn } from "./support/column-values.ts";
import { type ChunkFacts, PagesRig } from "./support/parquet-pages.ts";
import { runs } from "./support/test-engine.ts";

/** What the kernel compresses, read by the Snappy of DuckDB and of arrow-rs. */

let rig: PagesRig;
beforeAll(async () => {
  rig = await PagesRig.open();
});
afterAll(() => rig[Symbol.asyncDispose]());

/** Texts as a column each, which both readers must find; a page is one text and a few bytes. */
async function expectKept(texts: readonly string[]): Promise<ChunkFacts[]> {
  const columns = texts.map((text): ValueColumn => ({ arrow: "utf8", values: [text] }));
  const paths = await rig.write(columns);
  expect(await rig.faults(columns, paths)).toEqual([]);
  return rig.chunks(paths[0] ?? "", columns);
}

async function expectCompressed(texts: readonly string[]): Promise<void> {
  const chunks = await expectKept(texts);
  expect(chunks.filter(({ compression }) => compression !== "SNAPPY")).toEqual([]);
}

const KIB = 1024;
/** More than stand in front of the text in its page. */
const HEAD_BYTES = 40;

const rows = <T>(value: (row: number) => T): T[] =>
  Array.from({ length: 9000 }, (_, row) => value(row));

describe("a compressed page", () => {
  test("may be as short as pages are", async () => {
    const lengths = Array.from({ length: 80 }, (_, length) => length);
    await expectKept(lengths.map((length) => "a".repeat(length)));
    await expectKept(lengths.map((length) => new Random(length).text(length)));
    const columns: ValueColumn[] = [
      { arrow: "utf8", values: ["", "", ""] },
      { arrow: "utf8", values: [null, "", null] },
      { arrow: "bool", values: [null, true, null] },
      ...["bool", "int64", "float64", "utf8", "decimal128(38, 9)"].map((arrow) => ({
        arrow,
        values: [null, null, null],
      })),
    ];
    const paths = await rig.write(columns);
    expect(await rig.faults(columns, paths)).toEqual([]);
  });

  test.each([64, 128, 192])("may end around %i KiB", async (kib) => {
    const lengths = Array.from({ length: HEAD_BYTES + 3 }, (_, at) => kib * KIB - HEAD_BYTES + at);
    const words = Array.from({ length: 30_000 }, (_, word) => `${word * 7919}`).join(" ");
    await expectCompressed(lengths.map((length) => "a".repeat(length)));
    await expectCompressed(lengths.map((length) => words.slice(0, length)));
    // What is left for the last piece has nothing to compress.
    const random = new Random(kib).text(200 * KIB);
    const mixed = `${"b".repeat(70 * KIB)}${random}`;
    await expectCompressed(lengths.map((length) => mixed.slice(0, length)));
  });

  test("has runs and matches of every length", async () => {
    const random = new Random(1);
    const block = random.text(300);
    const lengths = Array.from({ length: 200 }, (_, length) => length);
    const texts = [1, 2, 3, 4, 7, 8, 9, 16].map((period) =>
      lengths
        .map((length) => random.text(period).repeat(length).slice(0, length) + random.text(5))
        .join(""),
    );
    const matches = lengths.map((length) => block.slice(0, length) + random.text(6)).join("");
    // Matches begin and end at any place of a word.
    const shifted = lengths
      .map((length) => block.slice(length & 15, length + (length & 15)) + random.text(3))
      .join("");
    await expectCompressed([...texts, block + matches, block + shifted]);
    // Each alone at the end, where no whole word is left to compare.
    await expectCompressed(
      lengths.slice(30).map((length) => `${"c".repeat(400)}${block}${block.slice(0, length)}`),
    );
  });

  test("has matches from everywhere in 64 KiB", async () => {
    const block = new Random(2).text(90);
    const far = [2030, 4080, 32_740, 65_300];
    const distances = far.flatMap((from) => Array.from({ length: 110 }, (_, at) => from - 60 + at));
    await expectCompressed(
      distances.map((distance) => `${block}${"d".repeat(distance)}${block}${"e".repeat(80)}`),
    );
  });

  test("has literals of every kind of length", async () => {
    const random = new Random(3);
    const lengths = [1, 2, 15, 16, 17, 59, 60, 61, 62, 63, 64, 65, 66, 255, 256, 257, 258, 4095];
    const literals = lengths.map((length) => random.text(length) + "f".repeat(40)).join("");
    const alone = [...lengths, 20_000, 60_000].map(
      (length) => "g".repeat(40 * KIB) + random.text(length),
    );
    await expectCompressed([literals + literals, ...alone]);
  });

  test("may have only those bytes to compress that were looked at", async () => {
    const random = new Random(4);
    const easy = "h".repeat(8 * KIB);
    const noise = random.text(700 * KIB);
    for (const size of [30, 64, 100, 333, 700]) {
      const half = (size * KIB) / 2;
      const text = `${easy}${noise.slice(0, half - easy.length)}${easy}${noise.slice(half, 2 * half)}`;
      await expectCompressed([text, text.slice(0, -7)]);
    }
  });

  test("is never longer than it was", async () => {
    const columns: ValueColumn[] = [
      { arrow: "bool", values: [true] },
      { arrow: "int64", values: [null] },
    ];
    const [path = ""] = await rig.write(columns);
    const chunks = await rig.chunks(path, columns);
    expect(chunks.map(({ compression }) => compression)).toEqual(["UNCOMPRESSED", "UNCOMPRESSED"]);
  });

  test("is none if what was looked at gets no smaller", async () => {
    const noise = new Random(5).text(8 * KIB);
    const texts = [noise, noise.slice(0, 100), `${noise}${"i".repeat(200)}`];
    const chunks = await expectKept(texts);
    expect(chunks.map(({ compression }) => compression)).toEqual(texts.map(() => "UNCOMPRESSED"));
  });

  test("may have some MiB", async () => {
    const random = new Random(6);
    const noise = random.text(100 * KIB);
    const texts = [
      "j".repeat(5000 * KIB),
      noise.repeat(40),
      (noise.slice(0, 70_000) + "k".repeat(5)).repeat(50),
      Array.from({ length: 400_000 }, (_, row) => `${row},`).join(""),
    ];
    await expectKept(texts);
  });

  test("holds any mixture of literals, matches and runs", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("literal"), length: fc.nat(300), back: fc.nat() }),
      fc.record({ kind: fc.constant("match"), length: fc.nat(200), back: fc.nat(70_000) }),
      fc.record({ kind: fc.constant("match"), length: fc.nat(80), back: fc.nat(20) }),
      fc.record({ kind: fc.constant("match"), length: fc.nat(40_000), back: fc.nat(3000) }),
    );
    const steps = fc.array(step, { minLength: 1, maxLength: 40, size: "max" });
    await fc.assert(
      fc.asyncProperty(
        fc.array(steps, { minLength: 1, maxLength: 8 }),
        fc.nat(),
        async (texts, seed) => {
          const random = new Random(seed);
          await expectKept(
            texts.map((steps) => {
              let text = "l".repeat(random.below(3000));
              for (const { kind, length, back } of steps) {
                const start = Math.max(0, text.length - back - 1);
                const period = kind === "literal" ? random.text(length) : text.slice(start);
                text +=
                  period === "" ? "" : period.repeat(1 + length / period.length).slice(0, length);
              }
              return text;
            }),
          );
        },
      ),
      runs(30),
    );
  });

  test("may be that of any type, and its dictionary with it", async () => {
    const columns: ValueColumn[] = [
      {
        arrow: "float64",
        values: rows((row) => (row % 7 === 0 ? null : 0x3ff0_0000_0000_0000n + BigInt(row))),
      },
      { arrow: "bool", values: rows((row) => row % 3000 < 2000) },
      { arrow: "decimal128(38, 9)", values: rows((row) => BigInt(row) - 4000n) },
      { arrow: "int64", values: rows((row) => BigInt((row >> 4) % 16) * 1000n) },
      { arrow: "utf8", values: rows((row) => `a text with much in common ${(row * row) % 90}`) },
    ];
    const paths = await rig.write(columns);
    expect(await rig.faults(columns, paths)).toEqual([]);
    const chunks = await rig.chunks(paths[0] ?? "", columns);
    expect(chunks.map(({ compression, encodings }) => [compression, encodings.at(-1)])).toEqual([
      ["SNAPPY", "PLAIN"],
      ["SNAPPY", "PLAIN"],
      ["SNAPPY", "PLAIN"],
      ["SNAPPY", "RLE_DICTIONARY"],
      ["SNAPPY", "RLE_DICTIONARY"],
    ]);
  });
});
