import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "../../core/json.ts";
import type { Logger } from "../../core/log.ts";
import { createWorkers } from "../../core/worker-pool.ts";
import type { PoolOptions, WorkerPool } from "../../core/workers.ts";
import { silentLog } from "./silent-log.ts";

export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly fields: unknown;
  readonly message: string;
}

export interface FixturePool extends WorkerPool, AsyncDisposable {
  readonly lines: readonly LogLine[];
  /** How often a process was to be spawned. */
  readonly spawned: number;
}

interface FixtureOptions extends Partial<Omit<PoolOptions, "log" | "role">> {
  /** A file of test/fixtures. */
  readonly fixture?: string;
  readonly argv?: readonly string[];
  readonly worker_start_timeout_ms?: number;
}

/** A real pool of real processes that run a role of test/fixtures; `await using` stops it. */
export function fixturePool(options: FixtureOptions = {}): FixturePool {
  const { fixture = "worker-role.ts", argv, worker_start_timeout_ms = 20_000, ...rest } = options;
  const lines: LogLine[] = [];
  const log = recorder(lines);
  let spawned = 0;
  const workers = createWorkers({
    worker_start_timeout_ms,
    log,
    command() {
      spawned += 1;
      return argv ?? [process.execPath, join(import.meta.dir, "../fixtures", fixture)];
    },
  });
  const pool = workers.pool({
    role: "test",
    size: 1,
    queue_limit: 16,
    memory_limit_bytes: 1024 ** 3,
    init: null,
    ...rest,
    log,
  });
  return {
    lines,
    get spawned() {
      return spawned;
    },
    call: (request, call_options) => pool.call(request, call_options),
    stream: (request, call_options) => pool.stream(request, call_options),
    stop: () => workers.stop(),
    [Symbol.asyncDispose]: () => workers.stop(),
  };
}

/** A request as test/fixtures/worker-role.ts understands it. */
export function act(action: string, argument: Json = null): Json {
  return { action, argument };
}

/** For calls that are expected to end well before. */
export const patient = { deadline_ms: 60_000 } as const;

/** What a promise rejects with; fails the test if it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`expected a rejection, got ${Bun.inspect(value)}`);
    },
    (error: unknown) => error,
  );
}

/** False too for a zombie: an orphan's remains wait for the init process of the machine. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== "linux") return true;
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Looks again and again until `holds`; the test's own timeout is the limit. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await Bun.sleep(2);
}

function recorder(lines: LogLine[]): Logger {
  const keep =
    (level: LogLine["level"]) =>
    (fields: unknown, message?: string): void => {
      lines.push({ level, fields, message: message ?? "" });
    };
  const log: Logger = {
    ...silentLog,
    child: () => log,
    info: keep("info"),
    warn: keep("warn"),
    error: keep("error"),
  };
  return log;
}
