import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Index, MetricKind, ScalarKind } from "usearch";
import { isRecord } from "../core/json.ts";
import { startServer, type TestServer } from "../test/support/server.ts";
import { clusteredVectors } from "../test/support/vector-data.ts";

const SHAPES = [
  { dimension: 128, count: 50_000 },
  { dimension: 768, count: 10_000 },
] as const;
const BATCH = 5000;
const QUERIES = 1000;
const K = 10;
const EF = 128;
const THREADS = Math.max(1, availableParallelism() - 1);

interface Shape {
  readonly dimension: number;
  readonly count: number;
}

interface Data extends Shape {
  readonly vectors: readonly Float32Array[];
  readonly queries: readonly Float32Array[];
  /** Row numbers of the K nearest, by full scan. */
  readonly truth: readonly ReadonlySet<number>[];
}

/**
 * The server over HTTP against raw usearch in this process: the same bf16 graph parameters, the
 * same vectors, searches one after another. No other peer: hnswlib-node compiles at install.
 */
export async function run(): Promise<void> {
  for (const shape of SHAPES) {
    const data = makeData(shape);
    console.log(`${shape.count} × ${shape.dimension}, cosine, bf16, ef ${EF}`);
    const raw = rawIndex(data);
    await using server = await startServer({ plugins: { storage: {}, vector: {} } });
    await using idle = await startServer({ plugins: { storage: {} } });
    const ours = await serverIndex(server, idle, data);
    line("load until the graph is built", "s", ours.load_ms / 1000, raw.build_ms / 1000);
    const encodings = { JSON: jsonVector, base64: base64Vector };
    for (const [name, encode] of Object.entries(encodings)) {
      const searched = await serverSearch(server, data, encode);
      const peer = rawSearch(raw.index, data);
      line(`search, vector as ${name}, median`, "ms", searched.median_ms, peer.median_ms);
      line(`recall@${K}`, "", searched.recall, peer.recall);
    }
    for (const key of ["median_ms", "p99_ms", "max_ms"] as const) {
      const name = `GET /health while loading, ${key.slice(0, -3)}`;
      line(name, "ms", ours.busy[key], ours.idle[key], "an idle server");
    }
  }
}

function line(name: string, unit: string, ours: number, peer: number, against = "usearch"): void {
  const ratio = (ours / peer).toFixed(2);
  console.log(
    `  ${name}: ${ours.toFixed(3)} ${unit}, ${against} ${peer.toFixed(3)}, ratio ${ratio}`,
  );
}

function makeData({ dimension, count }: Shape): Data {
  const all = clusteredVectors(count + QUERIES, dimension, 500, 1).map(unit);
  const vectors = all.slice(0, count);
  const queries = all.slice(count);
  const truth = queries.slice(0, 200).map((query) => {
    const dots = vectors.map((vector, row) => ({ row, dot: dot(query, vector) }));
    return new Set(
      dots
        .sort((a, b) => b.dot - a.dot)
        .slice(0, K)
        .map(({ row }) => row),
    );
  });
  return { dimension, count, vectors, queries, truth };
}

function unit(vector: readonly number[]): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, component) => sum + component * component, 0));
  return Float32Array.from(vector, (component) => component / length);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}

function rawIndex({ dimension, count, vectors }: Data): { index: Index; build_ms: number } {
  const index = new Index({
    dimensions: dimension,
    metric: MetricKind.IP,
    quantization: ScalarKind.BF16,
    connectivity: 16,
    expansion_add: 128,
    expansion_search: EF,
    multi: false,
  });
  const matrix = new Float32Array(count * dimension);
  for (const [row, vector] of vectors.entries()) matrix.set(vector, row * dimension);
  const keys = BigUint64Array.from({ length: count }, (_, row) => BigInt(row));
  const started_ms = performance.now();
  index.add(keys, matrix, THREADS);
  return { index, build_ms: performance.now() - started_ms };
}

function rawSearch(index: Index, data: Data): Searched {
  const times_ms: number[] = [];
  const found = data.queries.map((query) => {
    const started_ms = performance.now();
    const { keys } = index.search(query, K, 1);
    times_ms.push(performance.now() - started_ms);
    return Array.from(keys, Number);
  });
  return { median_ms: median(times_ms), recall: recallOf(found, data.truth) };
}

interface Searched {
  readonly median_ms: number;
  readonly recall: number;
}

interface Health {
  readonly median_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
}

interface Loaded {
  readonly load_ms: number;
  readonly busy: Health;
  /** Of a server with nothing to do, asked in the same seconds: what the machine itself costs. */
  readonly idle: Health;
}

async function serverIndex(
  server: TestServer,
  idle_server: TestServer,
  data: Data,
): Promise<Loaded> {
  const { dimension, count } = data;
  await post(server, "", JSON.stringify({ name: "b", dimension, ef_search: EF }));
  const bodies: string[] = [];
  for (let first = 0; first < count; first += BATCH) {
    const items = data.vectors
      .slice(first, first + BATCH)
      .map((vector, at) => ({ id: String(first + at), vector: base64Vector(vector) }));
    bodies.push(JSON.stringify({ items }));
  }
  const started_ms = performance.now();
  const loading = load(server, bodies, data);
  const [busy, idle] = await Promise.all([
    healthWhile(server, loading),
    healthWhile(idle_server, loading),
  ]);
  return { load_ms: (await loading) - started_ms, busy, idle };
}

/** Until the log of the server says that every row is in the graph. */
async function load(server: TestServer, bodies: readonly string[], data: Data): Promise<number> {
  for (const body of bodies) await post(server, "/b/add", body);
  const rowsInGraph = (): number =>
    Math.max(0, ...server.log.map((each) => Number(/"rows":(\d+)/.exec(each)?.[1] ?? 0)));
  while (rowsInGraph() < data.count) await Bun.sleep(20);
  return performance.now();
}

async function serverSearch(
  server: TestServer,
  data: Data,
  encode: (vector: Float32Array) => unknown,
): Promise<Searched> {
  const times_ms: number[] = [];
  const found: number[][] = [];
  for (const query of data.queries) {
    const body = JSON.stringify({ vector: encode(query), k: K });
    const started_ms = performance.now();
    const text = await post(server, "/b/search", body);
    times_ms.push(performance.now() - started_ms);
    found.push([...text.matchAll(/"id":"(\d+)"/g)].map(([, id]) => Number(id)));
  }
  return { median_ms: median(times_ms), recall: recallOf(found, data.truth) };
}

/** How long the server takes to answer something trivial while a promise is pending. */
async function healthWhile(server: TestServer, pending: Promise<unknown>): Promise<Health> {
  const probe = Bun.spawn(
    [process.execPath, join(import.meta.dir, "health-probe.ts"), server.url],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  await pending;
  await probe.stdin.end();
  const answer: unknown = JSON.parse(await new Response(probe.stdout).text());
  if (!isRecord(answer)) throw new Error("the probe gave no answer");
  const { median_ms, p99_ms, max_ms } = answer;
  return { median_ms: Number(median_ms), p99_ms: Number(p99_ms), max_ms: Number(max_ms) };
}

async function post(server: TestServer, path: string, body: string): Promise<string> {
  const response = await server.fetch(`/vectors/index${path}`, { method: "POST", body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return text;
}

const jsonVector = (vector: Float32Array): number[] => Array.from(vector);

const base64Vector = (vector: Float32Array): string =>
  Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function recallOf(
  found: readonly (readonly number[])[],
  truth: readonly ReadonlySet<number>[],
): number {
  const hits = truth.map((rows, at) => (found[at] ?? []).filter((row) => rows.has(row)).length);
  return hits.reduce((sum, each) => sum + each, 0) / (truth.length * K);
}
