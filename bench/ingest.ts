import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { okJson, startServer, type TestServer } from "../test/support/server.ts";
import { type CsvFile, mixed, quoted, wide, writeCsv } from "./support/csv-files.ts";
import { type Engine, installClickhouse, startEngine } from "./support/engine.ts";
import { type MemoryPeak, watchMemory } from "./support/process-memory.ts";

/**
 * The whole path of a CSV file, from HTTP upload to committed manifest, against engines that convert
 * the same file in process with all cores and their own detection of types, which may change
 * values. `bun run bench ingest --large` measures the memory that one large file takes.
 */

const ROWS = fromEnvironment("LAKEHOUSE_BENCH_ROWS", 2_000_000);
const WIDE_ROWS = fromEnvironment("LAKEHOUSE_BENCH_WIDE_ROWS", 125_000);
const ROUNDS = fromEnvironment("LAKEHOUSE_BENCH_ROUNDS", 5);
const LARGE_BYTES = fromEnvironment("LAKEHOUSE_BENCH_LARGE_BYTES", 4_000_000_000);

/** Between two turns. */
const REST_MS = 250;

const TARGETS = {
  over_duckdb: 1.5,
  clickhouse_over: 1.3,
  all_mib: 1536,
  http_mib: 200,
} as const;

export async function run(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "lakehouse-bench-"));
  try {
    await (process.argv.includes("--large") ? runLarge(folder) : runSpeed(folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One way from CSV to Parquet. */
interface Contender {
  readonly name: string;
  readonly pid: number;
  /** Milliseconds from the start to the last byte stored. */
  readonly convert: (file: CsvFile, run: string) => Promise<number>;
}

async function runSpeed(folder: string): Promise<void> {
  const has_clickhouse = await installClickhouse();
  await using server = await startServer();
  const reader = await openReader();
  using duckdb = await startEngine("duckdb");
  using clickhouse = has_clickhouse ? await startEngine("clickhouse") : undefined;
  const contenders = [
    lakehouse(server),
    engine(duckdb, reader, folder),
    ...(clickhouse === undefined ? [] : [engine(clickhouse, reader, folder)]),
  ];
  for (const shape of [mixed(ROWS), wide(WIDE_ROWS), quoted(ROWS)]) {
    const file = await writeCsv(reader, shape, join(folder, "input.csv"));
    console.log(`\n${describe(file)}, load ${loadavg()[0]?.toFixed(1)}`);
    const results = await race(contenders, file);
    console.table(results.map((each) => row(each, file)));
    printRatios(results);
    await rm(file.path);
  }
}

/** An engine in this process, to make files and to count rows; small, so that it is in no one's way. */
async function openReader(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(":memory:", { memory_limit: "1GB" });
  return instance.connect();
}

const describe = ({ title, rows, size_bytes }: CsvFile): string =>
  `${title}: ${rows} rows, ${(size_bytes / 1e6).toFixed(0)} MB`;

function lakehouse(server: TestServer): Contender {
  return {
    name: "lakehouse",
    pid: server.pid,
    convert: (file, run) => upload(server, file, run),
  };
}

async function upload(server: TestServer, file: CsvFile, run: string): Promise<number> {
  const start_ms = performance.now();
  const response = await server.fetch(`/ingest?name=${run}`, {
    method: "POST",
    headers: { "content-type": "text/csv" },
    body: Bun.file(file.path),
  });
  const answer = await okJson(response);
  const duration_ms = performance.now() - start_ms;
  if (answer["row_count"] !== file.rows || answer["existing"] !== false)
    throw new Error(`not the rows that were sent: ${JSON.stringify(answer)}`);
  return duration_ms;
}

function engine(engine: Engine, reader: DuckDBConnection, folder: string): Contender {
  return {
    name: engine.name,
    pid: engine.pid,
    async convert(file, run) {
      const parquet_path = join(folder, `${run}.parquet`);
      const duration_ms = await engine.convert({ csv_path: file.path, parquet_path });
      const counted = await reader.runAndReadAll(`SELECT count(*)::INTEGER FROM '${parquet_path}'`);
      if (counted.getRows()[0]?.[0] !== file.rows) throw new Error(`${engine.name} lost rows`);
      await rm(parquet_path);
      return duration_ms;
    },
  };
}

interface Result {
  readonly name: string;
  readonly times_ms: readonly number[];
  readonly memory: MemoryPeak;
}

/** In turns, and each round begins with another one, so that a busy machine slows all alike. */
async function race(contenders: readonly Contender[], file: CsvFile): Promise<readonly Result[]> {
  const laps = contenders.map((contender) => ({
    contender,
    times_ms: [] as number[],
    stop: watchMemory(contender.pid, 1000),
  }));
  for (let round = 0; round <= ROUNDS; round++) {
    for (let turn = 0; turn < laps.length; turn++) {
      const lap = laps[(round + turn) % laps.length];
      if (lap === undefined) continue;
      // What the one before has left to be cleared away is in nobody's way.
      await Bun.sleep(REST_MS);
      const run = `bench-${Bun.randomUUIDv7()}`;
      const duration_ms = await lap.contender.convert(file, run);
      // The first round warms up.
      if (round > 0) lap.times_ms.push(duration_ms);
    }
  }
  return laps.map(({ contender, times_ms, stop }) => ({
    name: contender.name,
    times_ms,
    memory: stop(),
  }));
}

function row({ name, times_ms, memory }: Result, { size_bytes }: CsvFile): Record<string, unknown> {
  const median_ms = median(times_ms);
  return {
    "CSV to Parquet": name,
    "median, ms": Math.round(median_ms),
    "all, ms": times_ms.map((each) => Math.round(each)).join(" "),
    "MB/s": Math.round(size_bytes / 1e3 / median_ms),
    "peak of all processes, MiB": Math.round(memory.all_mib),
    "of the first, MiB": Math.round(memory.own_mib),
  };
}

function printRatios(results: readonly Result[]): void {
  const of = (name: string): number =>
    median(results.find((each) => each.name === name)?.times_ms ?? []);
  const over_duckdb = of("lakehouse") / of("duckdb");
  const clickhouse_over = of("clickhouse") / of("lakehouse");
  const { over_duckdb: at_most, clickhouse_over: at_least } = TARGETS;
  console.log(`lakehouse / duckdb: ${over_duckdb.toFixed(2)} (expected: at most ${at_most})`);
  console.log(
    `clickhouse / lakehouse: ${clickhouse_over.toFixed(2)} (expected: at least ${at_least})`,
  );
}

async function runLarge(folder: string): Promise<void> {
  const BYTES_PER_ROW = 127;
  const shape = mixed(Math.ceil(LARGE_BYTES / BYTES_PER_ROW));
  const file = await writeCsv(await openReader(), shape, join(folder, "input.csv"));
  console.log(`${describe(file)}, load ${loadavg()[0]?.toFixed(1)}`);
  await using server = await startServer();
  const stop = watchMemory(server.pid);
  const duration_ms = await upload(server, file, "large");
  const { all_mib, own_mib } = stop();
  const mb_per_second = file.size_bytes / 1e3 / duration_ms;
  console.log(`whole path: ${(duration_ms / 1000).toFixed(1)} s, ${mb_per_second.toFixed(0)} MB/s`);
  console.log(`peak of all processes: ${all_mib.toFixed(0)} MiB (expected: < ${TARGETS.all_mib})`);
  console.log(
    `peak of the HTTP process: ${own_mib.toFixed(0)} MiB (expected: < ${TARGETS.http_mib})`,
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function fromEnvironment(variable: string, standard: number): number {
  const text = process.env[variable];
  if (text === undefined) return standard;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${variable} is no count: ${text}`);
}
