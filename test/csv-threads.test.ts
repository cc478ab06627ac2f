import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFile, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { CodecOutput } from "../core/codec.ts";
import { sqlLiteral } from "../core/duckdb.ts";
import { convertCsv, type ConvertLimits } from "../plugins/ingest-csv/convert.ts";
import type { RangeJob, RangeResult } from "../plugins/ingest-csv/range-convert.ts";
import { RangeThreads } from "../plugins/ingest-csv/range-threads.ts";
import { LIMITS } from "./support/csv-convert.ts";
import { numbered } from "./support/csv-ranges.ts";

/** One file of many ranges, in any number of threads and however it arrives; and files that are large. */

const MIB = 1024 * 1024;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-threads-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface How {
  readonly threads: RangeThreads;
  readonly options?: Readonly<Record<string, string>>;
  readonly limits?: Partial<ConvertLimits>;
}

/** Calls `write` while the conversion goes on; gives back the output and its path. */
async function convert(
  write: (path: string) => Promise<void>,
  { threads, options = {}, limits = {} }: How,
): Promise<{ readonly output: CodecOutput; readonly path: string }> {
  const work_path = await mkdtemp(join(folder, "job-"));
  const upload = join(work_path, "upload");
  const done_path = join(work_path, "done");
  const output_path = join(work_path, "output.parquet");
  await writeFile(upload, "");
  const job = {
    path: upload,
    done_path,
    output_path,
    work_path,
    options,
    schema: { mode: "strict" as const },
    dry_run: false,
  };
  const [output] = await Promise.all([
    convertCsv(job, { ...LIMITS, ...limits }, threads),
    write(upload).then(() => writeFile(done_path, "")),
  ]);
  return { output, path: output_path };
}

test("any number of threads and any arrival give the same bytes", async () => {
  const text = `a,given,c\n${numbered(3000, (row) => {
    const number = row < 2500 ? row : `${row}.25`;
    return `${number},${(row % 28) + 1}.2.2024,"x${"y".repeat(row % 50)}\n""${row % 5}"""\n`;
  })}`;
  const found = new Map<string, string[]>();
  for (const [count, piece] of [
    [1, text.length],
    [2, 20_000],
    [4, 7001],
    [4, text.length],
  ] as const) {
    const write = async (path: string): Promise<void> => {
      for (let at = 0; at < text.length; at += piece) {
        await appendFile(path, text.slice(at, at + piece));
        if (at % 3 === 0) await Bun.sleep(1);
      }
    };
    const { output } = await convert(write, {
      threads: new RangeThreads(count),
      options: { types: '{"given":"DATE"}', date_format: "%d.%m.%Y" },
      limits: { range_bytes: 15_000 },
    });
    found.set(output.sha256, [...(found.get(output.sha256) ?? []), `${count} ${piece}`]);
    expect(output.row_count).toBe(3000);
    expect(output.columns.map(({ type }) => type)).toEqual(["float64", "date32[day]", "utf8"]);
  }
  expect([...found.values()]).toHaveLength(1);
}, 60_000);

test("a range that fails before its turn to be told is told, and only once", async () => {
  class Failing extends RangeThreads {
    #count = 0;
    override async convert(job: RangeJob): Promise<RangeResult> {
      this.#count += 1;
      // An error that nobody waits for would be an error of this file.
      if (this.#count > 1) throw new Error(`range ${this.#count} failed`);
      await Bun.sleep(50);
      return super.convert(job);
    }
  }
  const text = `a,b\n${numbered(50, (row) => `${row},x\n`)}`;
  const converted = convert((path) => writeFile(path, text), {
    threads: new Failing(2),
    limits: { range_bytes: 20 },
  });
  expect(await converted.catch(String)).toBe("Error: range 2 failed");
});

/** Piece by piece, as an upload comes: `writeFile` makes a large file long before it has its bytes. */
async function write(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, "w");
  for (let at = 0; at < bytes.length; at += MIB)
    await file.write(bytes, at, Math.min(MIB, bytes.length - at));
}

const ROWS = 700_000;
const EMPTY_ROWS = 500_000;
const DECIMAL_ROW = 650_000;

/** As the SQL of `MISTAKES` says. */
function line(row: number): string {
  const day = new Date(86_400_000 * (row % 20_000)).toISOString().slice(0, 10);
  const late = row < EMPTY_ROWS ? "" : day;
  const number = row === DECIMAL_ROW ? "0.5" : String(row * 3);
  const text = row % 3 === 0 ? `"x,""${row}""\n"` : row % 3 === 1 ? `plain ${row % 100}` : "";
  return `${row},${number},${late},${(row / 4).toFixed(2)},${text},${"é".repeat(row % 20)}z\n`;
}

const MISTAKES = `
  SELECT count(*) AS rows,
    count(*) FILTER (id IS DISTINCT FROM file_row_number) AS id,
    count(*) FILTER (number IS DISTINCT FROM CASE WHEN id = ${DECIMAL_ROW} THEN 0.5 ELSE id * 3 END) AS number,
    count(*) FILTER (day IS DISTINCT FROM
      CASE WHEN id >= ${EMPTY_ROWS} THEN DATE '1970-01-01' + (id % 20000)::INTEGER END) AS day,
    count(*) FILTER (price IS DISTINCT FROM id / 4) AS price,
    count(*) FILTER (text IS DISTINCT FROM CASE id % 3
      WHEN 0 THEN 'x,"' || id || '"' || chr(10) WHEN 1 THEN 'plain ' || (id % 100) END) AS text,
    count(*) FILTER (tail IS DISTINCT FROM repeat('é', (id % 20)::INTEGER) || 'z') AS tail`;

describe("a large file", () => {
  test("has every value in its place, whatever shows late, from one thread or four", async () => {
    const parts: string[] = ["id,number,day,price,text,tail\n"];
    for (let row = 0; row < ROWS; row += 10_000)
      parts.push(numbered(10_000, (index) => line(row + index)));
    const bytes = Buffer.from(parts.join(""));
    expect(bytes.length).toBeGreaterThan(34 * MIB);
    // No range of the least size but the last ones holds a day.
    expect(bytes.indexOf(`${EMPTY_ROWS},`)).toBeGreaterThan(16 * MIB);
    const found: string[] = [];
    for (const count of [1, 4]) {
      const threads = new RangeThreads(count);
      const { output, path } = await convert((upload) => write(upload, bytes), { threads });
      found.push(output.sha256);
      if (count === 4) expect(await mistakesIn(path)).toEqual([ROWS, 0, 0, 0, 0, 0, 0].map(String));
    }
    expect(found[0]).toBe(found[1] ?? "");
  }, 60_000);
});

async function mistakesIn(path: string): Promise<string[]> {
  const engine = await DuckDBInstance.create(":memory:", { threads: "2" });
  const connection = await engine.connect();
  try {
    const reader = await connection.runAndReadAll(
      `${MISTAKES} FROM read_parquet(${sqlLiteral(path)}, file_row_number = true)`,
    );
    return (reader.getRows()[0] ?? []).map(String);
  } finally {
    connection.closeSync();
    engine.closeSync();
  }
}

test("a file that has to be written again takes no more threads than there may be", async () => {
  const threads = new RangeThreads(2);
  const text = `a\n${numbered(20_000, (row) => `${row}\n`)}last\n`;
  const counts = new Set<number>();
  const watch = setInterval(() => counts.add(threads.count), 1);
  const { output } = await convert((path) => writeFile(path, text), {
    threads,
    limits: { range_bytes: 4096 },
  });
  clearInterval(watch);
  counts.add(threads.count);
  expect(output.columns).toMatchObject([{ name: "a", type: "utf8" }]);
  expect(output.row_count).toBe(20_001);
  expect(Math.max(...counts)).toBe(2);
});
