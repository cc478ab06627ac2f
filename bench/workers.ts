import { writeSync } from "node:fs";
import { isRecord } from "../core/json.ts";
import { createLogger } from "../core/log.ts";
import { runWorker } from "../core/worker-main.ts";
import { createWorkers } from "../core/worker-pool.ts";
import type { WorkerPool, WorkerRole } from "../core/workers.ts";

const CALLS = 5000;
const STREAM_BYTES = 1_000_000_000;
const PIECES_BYTES = [4096, 65_536, 1_048_576];
const ROUNDS = 3;
const deadline_ms = 600_000;

/** What the worker pool costs over a bare pipe to a child process, best of three rounds. */
export async function run(): Promise<void> {
  const log = createLogger("error", { readable: false });
  const workers = createWorkers({
    log,
    worker_start_timeout_ms: 20_000,
    command: () => [process.execPath, import.meta.path, "worker"],
  });
  const pool = workers.pool({
    role: "bench",
    size: 1,
    queue_limit: 1,
    memory_limit_bytes: 1024 ** 3,
    init: null,
    log,
  });
  try {
    await report("small call", "ms", () => callMs(pool), pipePingMs, false);
    for (const piece of PIECES_BYTES) {
      const name = `stream, ${piece / 1024} KiB pieces`;
      const ours = () => poolStreamMbPerSecond(pool, piece);
      await report(name, "MB/s", ours, () => pipeStreamMbPerSecond(piece), true);
    }
  } finally {
    await workers.stop();
  }
}

async function report(
  name: string,
  unit: string,
  ours: () => Promise<number>,
  peer: () => Promise<number>,
  more_is_better: boolean,
): Promise<void> {
  const best = more_is_better ? Math.max : Math.min;
  let our_best: number | undefined;
  let peer_best: number | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const our_round = await ours();
    const peer_round = await peer();
    our_best = best(our_best ?? our_round, our_round);
    peer_best = best(peer_best ?? peer_round, peer_round);
  }
  const [a, b] = [our_best ?? 0, peer_best ?? 0];
  const digits = unit === "ms" ? 4 : 0;
  console.log(
    `${name}: worker ${a.toFixed(digits)} ${unit}, raw pipe ${b.toFixed(digits)} ${unit}, ratio ${(a / b).toFixed(2)}`,
  );
}

async function callMs(pool: WorkerPool): Promise<number> {
  const start_ms = performance.now();
  for (let i = 0; i < CALLS; i++) await pool.call({ i }, { deadline_ms });
  return (performance.now() - start_ms) / CALLS;
}

async function poolStreamMbPerSecond(pool: WorkerPool, piece: number): Promise<number> {
  const start_ms = performance.now();
  const stream = await pool.stream({ total: STREAM_BYTES, piece }, { deadline_ms });
  let received = 0;
  for await (const chunk of stream.bytes) received += chunk.length;
  await stream.result;
  return received / 1000 / (performance.now() - start_ms);
}

async function pipePingMs(): Promise<number> {
  const child = peer("echo");
  const reader = child.stdout.getReader();
  const message = new TextEncoder().encode(JSON.stringify({ i: 1 }));
  const ping = async (): Promise<void> => {
    void child.stdin.write(message);
    void child.stdin.flush();
    let received = 0;
    while (received < message.length) received += (await reader.read()).value?.length ?? 0;
  };
  await ping();
  const start_ms = performance.now();
  for (let i = 0; i < CALLS; i++) await ping();
  const elapsed_ms = performance.now() - start_ms;
  child.kill("SIGKILL");
  await child.exited;
  return elapsed_ms / CALLS;
}

async function pipeStreamMbPerSecond(piece: number): Promise<number> {
  const child = peer("flood", String(STREAM_BYTES), String(piece));
  const reader = child.stdout.getReader();
  let received = (await reader.read()).value?.length ?? 0;
  const start_ms = performance.now();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    received += value.length;
  }
  const elapsed_ms = performance.now() - start_ms;
  await child.exited;
  return received / 1000 / elapsed_ms;
}

function peer(...args: readonly string[]) {
  return Bun.spawn({
    cmd: [process.execPath, import.meta.path, ...args],
    env: {},
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
}

const role: WorkerRole = {
  async start() {
    return async (request, io) => {
      const { total = 0, piece = 0 } = isRecord(request) ? request : {};
      const bytes = new Uint8Array(Number(piece)).fill(7);
      for (let sent = 0; sent < Number(total); sent += bytes.length) await io.write(bytes);
      return null;
    };
  },
};

/** The other end: a worker, or the raw pipe it is compared with. */
async function runChild(mode: string, total: number, piece: number): Promise<void> {
  if (mode === "worker") {
    await runWorker(async () => role);
  } else if (mode === "echo") {
    for await (const chunk of Bun.stdin.stream()) writeSync(1, chunk);
  } else {
    const bytes = new Uint8Array(piece).fill(7);
    for (let sent = 0; sent < total; sent += bytes.length) writeSync(1, bytes);
  }
}

if (import.meta.main) {
  const [mode = "", total, piece] = process.argv.slice(2);
  await runChild(mode, Number(total), Number(piece));
}
