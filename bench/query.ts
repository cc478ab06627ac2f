import { DuckDBInstance } from "@duckdb/node-api";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRecord } from "../core/json.ts";

/**
 * What `POST /sql` costs over the engine itself: the same statements over HTTP, and in this process
 * with the engine's own client. Every pair is measured in turns, in one run.
 */

interface Case {
  readonly name: string;
  readonly sql: string;
  readonly rounds: number;
  /** The peer: the same work in process. Returns bytes or rows, so that nothing is optimised away. */
  readonly peer: (engine: Engine, sql: string) => Promise<number>;
  readonly accept?: string;
}

type Engine = Awaited<ReturnType<DuckDBInstance["connect"]>>;

const GROUPED = 2_000_000;
const WIDE = 200_000;

const tables: Readonly<Record<string, string>> = {
  tiny: "SELECT 1 AS n",
  grouped: `SELECT range AS id, range % 1000 AS g, (range * 7919 % 100003) / 100 AS v,
            'name ' || range % 5000 AS s FROM range(${GROUPED})`,
  wide: `SELECT range AS a, range * 17 AS b, (range % 1000)::INTEGER AS c,
         (range * 7919 % 1000003) / 1000 AS d, (range % 99999 / 7)::DECIMAL(18, 2) AS e,
         'name ' || range % 5000 AS f, 'a longer piece of text, number ' || range AS g,
         range % 2 = 0 AS h, DATE '2020-01-01' + (range % 3000)::INTEGER AS i,
         TIMESTAMP '2020-01-01' + to_seconds(range) AS j,
         CASE WHEN range % 10 = 0 THEN NULL ELSE range * 3 END AS k, sin(range) AS l
         FROM range(${WIDE})`,
};

const run_only = async (engine: Engine, sql: string): Promise<number> =>
  (await engine.runAndReadAll(sql)).currentRowCount;
const to_json = async (engine: Engine, sql: string): Promise<number> =>
  JSON.stringify((await engine.runAndReadAll(sql)).getRowsJson()).length;

const cases: readonly Case[] = [
  { name: "SELECT 1", sql: "SELECT 1", rounds: 300, peer: run_only },
  { name: "count(*) of a dataset", sql: "SELECT count(*) FROM tiny", rounds: 200, peer: run_only },
  {
    name: `group by over ${GROUPED / 1e6} M rows`,
    sql: "SELECT g, count(*) AS n, sum(v) AS v, max(s) AS s FROM grouped GROUP BY g ORDER BY g",
    rounds: 20,
    peer: run_only,
  },
  { name: `${WIDE / 1e3} k × 12 to JSON`, sql: "SELECT * FROM wide", rounds: 7, peer: to_json },
  {
    name: `${WIDE / 1e3} k × 12 to CSV, against COPY`,
    sql: "SELECT * FROM wide",
    rounds: 7,
    accept: "text/csv",
    peer: async (engine, sql) =>
      (await engine.run(`COPY (${sql}) TO '/dev/null' (FORMAT csv)`)).rowsChanged,
  },
];

export async function run(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "lakehouse-bench-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const server = await startServer(folder);
  stack.defer(server.stop);

  const instance = await DuckDBInstance.create(":memory:");
  const engine = await instance.connect();
  for (const [name, sql] of Object.entries(tables)) {
    const path = join(folder, `${name}.parquet`);
    await engine.run(`COPY (${sql}) TO '${path}' (FORMAT parquet)`);
    await engine.run(`CREATE VIEW ${name} AS SELECT * FROM read_parquet('${path}')`);
    await register(server.url, name, path);
  }

  const rows = [];
  for (const each of cases) rows.push(await measure(each, engine, server.url));
  console.table(rows);
}

/** Medians of turns: first one, then the other, so that a busy machine slows both. */
async function measure(each: Case, engine: Engine, url: string): Promise<Record<string, unknown>> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < each.rounds + 2; round++) {
    const start_ms = performance.now();
    const response = await fetch(`${url}/sql`, {
      method: "POST",
      headers: { accept: each.accept ?? "application/json" },
      body: JSON.stringify({ sql: each.sql }),
    });
    const { byteLength } = await response.arrayBuffer();
    if (!response.ok || byteLength === 0) throw new Error(`${each.sql}: ${response.status}`);
    const middle_ms = performance.now();
    await each.peer(engine, each.sql);
    // The first two rounds warm up both.
    if (round < 2) continue;
    ours.push(middle_ms - start_ms);
    theirs.push(performance.now() - middle_ms);
  }
  const [http_ms, engine_ms] = [median(ours), median(theirs)];
  return {
    statement: each.name,
    "over HTTP, ms": http_ms.toFixed(2),
    "in process, ms": engine_ms.toFixed(2),
    ratio: (http_ms / engine_ms).toFixed(2),
    "difference, ms": (http_ms - engine_ms).toFixed(2),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

async function register(url: string, name: string, path: string): Promise<void> {
  const file = Bun.file(path);
  const key = `bench/${name}.parquet`;
  await ok(await fetch(`${url}/storage/put/${key}`, { method: "PUT", body: file }));
  const objects = [{ key, size: file.size }];
  const body = JSON.stringify({ name, schema_fingerprint: "bench", objects });
  await ok(await fetch(`${url}/catalog/register`, { method: "POST", body }));
}

async function ok(response: Response): Promise<void> {
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}

async function startServer(folder: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const config_path = join(folder, "lakehouse.toml");
  const root = JSON.stringify(join(folder, "data"));
  const scratch_path = JSON.stringify(join(folder, "scratch"));
  await writeFile(
    config_path,
    `[server]\nbind = "127.0.0.1:0"\nscratch_path = ${scratch_path}\n` +
      `[plugins.storage-fs]\nroot = ${root}\n[plugins.catalog]\n[plugins.query]\n`,
  );
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "../core/main.ts"), "serve", "--config", config_path],
    { stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  );
  const stop = async (): Promise<void> => {
    child.kill();
    await child.exited;
  };
  let log = "";
  for await (const chunk of child.stderr) {
    log += new TextDecoder().decode(chunk);
    const line = log.split("\n").find((each) => each.includes('"listening"') && each.endsWith("}"));
    if (line === undefined) continue;
    const entry: unknown = JSON.parse(line);
    if (isRecord(entry) && typeof entry["url"] === "string") return { url: entry["url"], stop };
  }
  throw new Error(`the server did not start:\n${log}`);
}
