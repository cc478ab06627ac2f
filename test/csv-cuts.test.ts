import { describe, expect, test } from "bun:test";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { ArrivingFile } from "../plugins/ingest-csv/arriving-file.ts";
import { DECIMAL_SCALES, familyOf, TEXT } from "../plugins/ingest-csv/column-types.ts";
import type { FieldSyntax } from "../plugins/ingest-csv/kernel/field-syntax.ts";
import type { Scan } from "../plugins/ingest-csv/kernel/scanner.ts";
import { ScanSum } from "../plugins/ingest-csv/scan-sum.ts";
import { type CutOptions, cutText, type TextRange } from "../plugins/ingest-csv/text-cuts.ts";
import { type BadText, type Scanned, scanText } from "./support/csv-scan.ts";

/** Where a text is cut into ranges: between two records, and nothing is found otherwise for it. */

const seed = process.env["LAKEHOUSE_TEST_SEED"];
const settings = (numRuns: number): fc.Parameters<unknown> => ({
  numRuns,
  ...(seed === undefined ? {} : { seed: Number(seed) }),
});

const MIB = 1024 * 1024;
const STANDARD: FieldSyntax = { delimiter: ",", quote: '"', escape: '"' };

interface Options {
  readonly range_bytes: number;
  readonly record_limit_bytes?: number;
}

/** The ranges of a text behind its first `data_offset` bytes, of which so many come at a time. */
async function cutsOf(
  bytes: Uint8Array,
  syntax: FieldSyntax,
  options: Options,
  pieces: readonly number[] = [65_536],
  data_offset = 0,
): Promise<TextRange[]> {
  let reads = 0;
  const read = (buffer: Uint8Array, position: number): Promise<number> => {
    const length = Math.min(buffer.length, pieces[reads++ % pieces.length] ?? 1);
    const piece = bytes.subarray(position, position + length);
    buffer.set(piece);
    return Promise.resolve(piece.length);
  };
  const dialect = { ...syntax, header: false, names: [], data_offset, data_line: 1 };
  return Array.fromAsync(cutText({ read }, dialect, limitsOf(options)));
}

const limitsOf = ({ range_bytes, record_limit_bytes = MIB }: Options): CutOptions => ({
  rangeBytes: () => range_bytes,
  record_limit_bytes,
});

/** Scans each range by itself, and adds up what they say. */
async function scanRanges(
  bytes: Buffer,
  width: number,
  syntax: FieldSyntax,
  ranges: readonly TextRange[],
): Promise<Scanned> {
  const scales = [...DECIMAL_SCALES];
  const sum = new ScanSum({ column_count: width, first_line: 1, scales });
  const bad: BadText[] = [];
  const rows: Scanned["rows"][number][] = [];
  for (const { start, end } of ranges) {
    const text = bytes.toString("utf8", start, end);
    const part = await scanText(text, width, { ...syntax, offset: start });
    const { row_count, bad_count, line_break_count } = sum.scan;
    bad.push(
      ...part.bad.map((record) => ({
        ...record,
        row: record.row + row_count + bad_count,
        line: record.line + line_break_count,
      })),
    );
    rows.push(...part.rows);
    sum.add(part.scan);
  }
  return { scan: sum.scan, bad, rows };
}

const syntaxes = fc
  .record({
    delimiter: fc.constantFrom(",", ";", "\t", "|", " ", "/"),
    quote: fc.constantFrom('"', '"', "'", ""),
    backslash: fc.boolean(),
  })
  .map(({ delimiter, quote, backslash }): FieldSyntax => {
    const escape = backslash && quote !== "" ? "\\" : quote;
    return { delimiter, quote, escape };
  });

interface Document {
  readonly syntax: FieldSyntax;
  readonly width: number;
  readonly text: string;
}

/** Mostly broken, with quotes and line ends where they hurt. */
const documents: fc.Arbitrary<Document> = fc
  .tuple(syntaxes, fc.constantFrom(1, 2, 2, 3))
  .chain(([syntax, width]) => {
    const { delimiter, quote, escape } = syntax;
    const parts = [
      delimiter,
      quote,
      escape,
      quote + quote,
      escape + quote,
      escape + escape,
      ..."\n|\r|\r\n|\n\n|\n\r|a|1|é|2.5|true|2024-01-01|aaaaaaaaaaaaaaaaa".split("|"),
      `${quote}x${quote}`,
      `${quote}\n${quote}`,
      `${quote}\r`,
      `\n${quote}`,
      `${quote}\n`,
      `${delimiter}${quote}`,
      `${quote}${delimiter}`,
      `1${delimiter}2\n`,
      `"${escape}${quote}\n${quote}`,
    ];
    return fc
      .array(fc.constantFrom(...parts), { maxLength: 60, size: "max" })
      .map((drawn) => ({ syntax, width, text: drawn.join("") }));
  });

/** Nothing depends on the digits of a column that is text. */
function compared({ columns, ...rest }: Scan): unknown {
  const settled = columns.map(({ integer_digits, fraction_digits, ...facts }) =>
    familyOf(facts.kinds) === TEXT ? facts : { ...facts, integer_digits, fraction_digits },
  );
  return { ...rest, columns: settled };
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

describe("the ranges of a text", () => {
  test("hold, each by itself, just the rows, bad records and facts of the whole", async () => {
    await fc.assert(
      fc.asyncProperty(
        documents,
        fc.integer({ min: 1, max: 50 }),
        sizes,
        async ({ syntax, width, text }, range_bytes, pieces) => {
          const bytes = Buffer.from(text);
          const ranges = await cutsOf(bytes, syntax, { range_bytes }, pieces);
          const whole = await scanText(text, width, syntax);
          const { scan, bad, rows } = await scanRanges(bytes, width, syntax, ranges);
          expect(rows).toEqual([...whole.rows]);
          expect(bad).toEqual([...whole.bad]);
          expect(compared(scan)).toEqual(compared(whole.scan));
        },
      ),
      settings(600),
    );
  });

  test("lie side by side, and are as long as they must be but for the last", async () => {
    await fc.assert(
      fc.asyncProperty(
        documents,
        fc.integer({ min: 1, max: 50 }),
        fc.nat(5),
        async ({ syntax, text }, range_bytes, data_offset) => {
          const bytes = Buffer.from(text);
          const ranges = await cutsOf(bytes, syntax, { range_bytes }, undefined, data_offset);
          const starts = ranges.map(({ start }) => start);
          const ends = ranges.map(({ end }) => end);
          expect(starts).toEqual(ranges.length === 0 ? [] : [data_offset, ...ends.slice(0, -1)]);
          expect(ends.at(-1) ?? Math.max(bytes.length, data_offset)).toBe(
            Math.max(bytes.length, data_offset),
          );
          for (const { start, end } of ranges.slice(0, -1))
            expect(end - start).toBeGreaterThan(range_bytes);
        },
      ),
      settings(300),
    );
  });

  test("depend on the bytes alone, and not on how they arrive", async () => {
    await fc.assert(
      fc.asyncProperty(
        documents,
        fc.integer({ min: 1, max: 50 }),
        sizes,
        async ({ syntax, text }, range_bytes, pieces) => {
          const bytes = Buffer.from(text);
          const at_once = await cutsOf(bytes, syntax, { range_bytes });
          expect(await cutsOf(bytes, syntax, { range_bytes }, pieces)).toEqual(at_once);
        },
      ),
      settings(300),
    );
  });
});

/** Where the ranges end, of a text that comes byte by byte. */
async function ends(text: string, range_bytes: number, syntax = STANDARD): Promise<number[]> {
  const ranges = await cutsOf(Buffer.from(text), syntax, { range_bytes }, [1]);
  return ranges.map(({ end }) => end);
}

describe("a cut", () => {
  test("stands behind the first record that goes beyond the size of a range", async () => {
    expect(await ends("1,2\n3,4\n5,6\n", 3)).toEqual([4, 8, 12]);
    expect(await ends("1,2\n3,4\n5,6\n", 4)).toEqual([8, 12]);
    expect(await ends("1,2\r\n3,4\r\n5,6", 3)).toEqual([5, 10, 13]);
    expect(await ends("1,2\r3,4\r5,6\r", 3)).toEqual([4, 8, 12]);
  });

  test("never stands inside quotes, nor between CR and LF", async () => {
    expect(await ends('"a\n""\nb",2\n3,4\n', 2)).toEqual([11, 15]);
    expect(await ends('"a\\"\n",2\n3,4\n', 2, { ...STANDARD, escape: "\\" })).toEqual([9, 13]);
    expect(await ends('a",\n1,2\n', 1)).toEqual([4, 8]);
    expect(await ends("1,2\r\n3,4\r\n", 3)).toEqual([5, 10]);
  });

  test("never stands behind a blank line, which is a row or none by what follows", async () => {
    expect(await ends("1\n\n\n2\n\n", 1)).toEqual([2, 6, 7]);
    expect(await ends("1\n\r\n\r\r2\n3\n", 2)).toEqual([8, 10]);
  });
});

describe("what is too long for a record is cut off", () => {
  test("behind more bytes than any record may have, so that it is refused", async () => {
    const bytes = Buffer.from(`1,2\n3,4\n5,6\n"${"x\n".repeat(4 * MIB)}`);
    const limits = { range_bytes: 10, record_limit_bytes: 100 };
    const last = (await cutsOf(bytes, STANDARD, limits, [MIB])).at(-1);
    expect(last).toMatchObject({ start: 12, is_last: true, is_broken: true });
    expect(last?.end).toBeLessThan(4 * MIB);
    const scan = scanText(bytes.toString("utf8", last?.start, last?.end), 2, {
      capacity_bytes: MIB,
      record_limit_bytes: limits.record_limit_bytes,
    });
    expect(scan).rejects.toMatchObject({ line: 1 });
  });

  test.each([
    ["a record that the scanner has room for", 100, "1,2\n", `3,${"x".repeat(MIB - 3)}\n`],
    ["another", 2.1 * MIB, "1,2\n", `3,${"x".repeat(4 * MIB - 3)}\n`],
    ["blank lines", 100, "1,2\n", "\n".repeat(5 * MIB)],
    ["blank lines of CR LF", 100, "1,2\r\n", "\r\n".repeat(3 * MIB)],
    ["blank lines of CR", 100, "1,2\r", "\r".repeat(5 * MIB)],
  ])("and nothing else: %s", async (_what, record_limit_bytes, line, many) => {
    const text = line.repeat(5) + many + line.repeat(5);
    const { scan } = await scanText(text, 2, { capacity_bytes: MIB, record_limit_bytes });
    expect(scan.row_count).toBeGreaterThanOrEqual(10);
    for (const pieces of [[MIB], [777_777], [100_001]]) {
      const limits = { range_bytes: 10, record_limit_bytes };
      const last = (await cutsOf(Buffer.from(text), STANDARD, limits, pieces)).at(-1);
      expect([last?.end, last?.is_broken]).toEqual([Buffer.byteLength(text), false]);
    }
  });
});

test("a file that is still being written is cut as one that is whole", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lakehouse-cuts-"));
  try {
    const lines = Array.from({ length: 200 }, (_, row) => `${row},"x\n${"y".repeat(row % 9)}"\r\n`);
    const bytes = Buffer.from(lines.join(""));
    const [path, done_path] = [join(folder, "upload"), join(folder, "done")];
    await writeFile(path, "");
    const write = async (): Promise<void> => {
      for (let at = 0; at < bytes.length; at += 97) {
        await appendFile(path, bytes.subarray(at, at + 97));
        if (at % 5 === 0) await Bun.sleep(1);
      }
      await writeFile(done_path, "");
    };
    await using file = await ArrivingFile.open(path, done_path);
    const dialect = { ...STANDARD, header: false, names: [], data_offset: 0, data_line: 1 };
    const limits = { range_bytes: 50 };
    const [ranges] = await Promise.all([
      Array.fromAsync(cutText(file, dialect, limitsOf(limits))),
      write(),
    ]);
    expect(ranges).toEqual(await cutsOf(bytes, STANDARD, limits));
    expect(ranges.length).toBeGreaterThan(20);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
