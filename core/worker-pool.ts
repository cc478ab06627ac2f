import { existsSync } from "node:fs";
import { join } from "node:path";
import { LakehouseError } from "./error.ts";
import type { Json } from "./json.ts";
import type { Logger } from "./log.ts";
import { abortedError, type WorkerCall } from "./worker-call.ts";
import { encodeFrame, encodeJson } from "./worker-frames.ts";
import { startError, WorkerProcess } from "./worker-process.ts";
import { WaitingCalls } from "./worker-queue.ts";
import type { CallOptions, PoolOptions, WorkerPool, Workers, WorkerStream } from "./workers.ts";

/** Failed starts in a row after which calls fail at once instead of waiting for the next try. */
const START_ATTEMPTS = 3;
/** The pause after a failed start; doubles with each. */
const PAUSE_FIRST_MS = 100;
const PAUSE_LIMIT_MS = 10_000;

export interface WorkersOptions {
  /** The program and arguments for a role; by default this program's own `worker <role>`. */
  readonly command?: (role: string) => readonly string[];
  readonly worker_start_timeout_ms: number;
  readonly log: Logger;
}

export interface StoppableWorkers extends Workers {
  /** Stops every pool; when it resolves, no worker process is left. */
  stop(): Promise<void>;
}

export function createWorkers(options: WorkersOptions): StoppableWorkers {
  const pools = new Set<Pool>();
  return {
    pool(pool_options) {
      const pool = new Pool(pool_options, options);
      pools.add(pool);
      return pool;
    },
    async stop() {
      await Promise.all([...pools].map((pool) => pool.stop()));
    },
  };
}

/**
 * The running file itself, also after an upgrade has put another in its place: parent and worker
 * speak one protocol only if they are of one version (proc(5), /proc/pid/exe).
 */
const OWN_FILE = "/proc/self/exe";

/** How this very program is started as a worker, from source or compiled. */
export function ownCommand(role: string): readonly string[] {
  if (Bun.isStandaloneExecutable) {
    return [existsSync(OWN_FILE) ? OWN_FILE : process.execPath, "worker", role];
  }
  // Bun would fill the empty environment from `.env` files of the working directory.
  return [process.execPath, "--no-env-file", join(import.meta.dir, "main.ts"), "worker", role];
}

/**
 * Workers of one role. Calls wait in order of arrival; each free worker takes the next. A worker
 * that ends is replaced at once if no other is free, so that the next call does not pay for it.
 */
class Pool implements WorkerPool {
  readonly #options: PoolOptions;
  readonly #workers_options: WorkersOptions;
  readonly #waiting = new WaitingCalls<WorkerProcess>();
  /** Starting, idle and busy ones. */
  readonly #workers = new Set<WorkerProcess>();
  readonly #idle: WorkerProcess[] = [];
  /** Ended for us, but the process may not be gone yet. */
  readonly #leaving = new Set<WorkerProcess>();
  #starting = 0;
  #stopped = false;
  #told_missing = false;
  /** Starts that failed in a row, and what came of it. */
  #failures = 0;
  #last_failure: LakehouseError | undefined;
  #retry_at_ms = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PoolOptions, workers_options: WorkersOptions) {
    this.#options = options;
    this.#workers_options = workers_options;
  }

  async call(request: Json, options: CallOptions): Promise<unknown> {
    const call = await this.#begin(request, options);
    if ((await call.next()) !== undefined) {
      const error = new LakehouseError("internal", "The worker sent bytes where none belong.");
      call.leave(error);
      throw error;
    }
    return call.result;
  }

  async stream(request: Json, options: CallOptions): Promise<WorkerStream> {
    const call = await this.#begin(request, options);
    const first = await call.next();
    return { bytes: call.bytes(first), result: call.result };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#waiting.refuseAll(stoppingError);
    const leaving = [...this.#workers, ...this.#leaving];
    const reason = startError(this.#options.role, "was stopped with the server");
    for (const worker of this.#workers) worker.kill(reason);
    await Promise.all(leaving.map((worker) => worker.exited));
  }

  async #begin(request: Json, options: CallOptions): Promise<WorkerCall> {
    const call_frame = encodeFrame("call", encodeJson(request));
    const worker = await this.#acquire(options.signal);
    this.#failures = 0;
    const call = worker.begin(call_frame, options);
    const release = (): void => this.#release(worker);
    call.result.then(release, release);
    return call;
  }

  async #acquire(signal: AbortSignal | undefined): Promise<WorkerProcess> {
    if (signal?.aborted === true) throw abortedError();
    if (this.#stopped) throw stoppingError();
    if (this.#last_failure !== undefined && this.#givenUp()) throw again(this.#last_failure);
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;

    const { role, size, queue_limit } = this.#options;
    const busy = this.#workers.size - this.#starting;
    if (this.#waiting.size >= size - busy + queue_limit) {
      throw new LakehouseError(
        "overloaded",
        `Of ${size} ${role} workers none is free, and ${queue_limit} requests wait already.`,
        { hint: "Try again in a moment, or raise the number of workers or the queue limit." },
      );
    }
    const worker = this.#waiting.wait(signal);
    this.#grow();
    return worker;
  }

  #release(worker: WorkerProcess): void {
    if (worker.alive && !this.#waiting.give(worker)) this.#idle.push(worker);
  }

  /** Starts workers for calls that wait and have none starting for them, as far as `size` goes. */
  #grow(): void {
    while (this.#starting < this.#waiting.size && this.#canStart()) this.#start();
  }

  /** False during the pause after a failed start; who waits is taken up when it is over. */
  #canStart(): boolean {
    if (this.#stopped || this.#workers.size >= this.#options.size) return false;
    const pause_ms = this.#retry_at_ms - performance.now();
    if (pause_ms <= 0) return true;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#grow();
    }, pause_ms);
    return false;
  }

  #start(): void {
    const { role, init, memory_limit_bytes, log } = this.#options;
    const { command = ownCommand, worker_start_timeout_ms } = this.#workers_options;
    try {
      const worker = new WorkerProcess({
        role,
        argv: command(role),
        init,
        memory_limit_bytes,
        start_timeout_ms: worker_start_timeout_ms,
        log,
      });
      this.#workers.add(worker);
      this.#starting += 1;
      void this.#follow(worker);
    } catch (cause) {
      log.error({ role, err: cause }, "a worker process could not be started");
      this.#startFailed(startError(role, "could not be started"));
    }
  }

  /** The life of one worker as the pool sees it. Never rejects. */
  async #follow(worker: WorkerProcess): Promise<void> {
    let started = false;
    try {
      this.#tellMissing(await worker.ready);
      started = true;
    } catch {
      // `ended` tells the reason.
    }
    this.#starting -= 1;
    if (started) this.#release(worker);

    const reason = await worker.ended;
    this.#workers.delete(worker);
    const at = this.#idle.indexOf(worker);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#leaving.add(worker);
    void worker.exited.then(() => this.#leaving.delete(worker));
    if (this.#stopped) return;

    const { role, log } = this.#options;
    const bindings = { role, worker_pid: worker.pid, code: reason.code };
    log[worker.crashed ? "warn" : "info"](bindings, reason.message);
    // One that dies idle before its first call would be replaced for ever, at full speed.
    if (!started || (worker.crashed && !worker.used)) this.#startFailed(reason);
    else if (this.#idle.length === 0 && this.#starting === 0 && this.#canStart()) this.#start();
    this.#grow();
  }

  #startFailed(failure: LakehouseError): void {
    this.#failures += 1;
    this.#last_failure = failure;
    const pause_ms = Math.min(PAUSE_FIRST_MS * 2 ** (this.#failures - 1), PAUSE_LIMIT_MS);
    this.#retry_at_ms = performance.now() + pause_ms;
    if (this.#givenUp()) this.#waiting.refuseAll(() => again(failure));
    this.#grow();
  }

  /** True while no worker lives and the last starts failed too often to make calls wait for more. */
  #givenUp(): boolean {
    return (
      this.#failures >= START_ATTEMPTS &&
      this.#workers.size === 0 &&
      performance.now() < this.#retry_at_ms
    );
  }

  #tellMissing(missing: readonly string[]): void {
    if (this.#told_missing || missing.length === 0) return;
    this.#told_missing = true;
    const { role, log } = this.#options;
    log.warn({ role, missing }, "workers run without safeguards that this platform does not have");
  }
}

function stoppingError(): LakehouseError {
  return new LakehouseError("not_ready", "The server is stopping.", {
    hint: "Try again when it is back.",
  });
}

/** The same failure for another caller, with a stack of its own. */
function again(failure: LakehouseError): LakehouseError {
  const { code, message, hint, extra } = failure;
  return new LakehouseError(code, message, { hint, extra, cause: failure });
}
