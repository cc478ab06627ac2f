import { LakehouseError } from "../../core/error.ts";
import { LockFile } from "./lock-file.ts";

const RETRY_MIN_MS = 0.5;
const RETRY_MAX_MS = 8;
/** How long one process may keep the lock for work that keeps coming, before others get a turn. */
const HOLD_MS = 4;

interface Waiter {
  readonly alone: boolean;
  readonly start: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * The lock of a root. Between processes it is exclusive. Within one it is a queue, first come,
 * first served, of work that runs alone or together: what changes folders runs alone; what changes
 * different keys in folders that stay runs together, because each rename may wait for a commit of
 * the file system's journal, and many can wait for the same one.
 *
 * Other processes are waited for with jittered retries that never block the event loop.
 */
export class RootLock {
  readonly #file: LockFile;
  readonly #timeout_ms: number;
  readonly #queue: Waiter[] = [];
  /** The last work on each key, settled without a result. */
  readonly #keys = new Map<string, Promise<void>>();
  #running = 0;
  #alone = false;
  #held_since_ms: number | undefined;
  #acquiring = false;

  /** `timeout_ms` of waiting for other processes, before calls fail with `storage_timeout`. */
  constructor(path: string, timeout_ms = 30_000) {
    this.#file = new LockFile(path);
    this.#timeout_ms = timeout_ms;
  }

  /** Runs the work while nothing else, here or in another process, runs under this lock. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ alone: true, start: resolve, fail: reject });
      this.#pump();
    });
    try {
      return await work();
    } finally {
      this.#alone = false;
      this.#done();
    }
  }

  /** Runs the work together with other such work of this process. */
  async together<T>(work: () => Promise<T>): Promise<T> {
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ alone: false, start: resolve, fail: reject });
      this.#pump();
    });
    try {
      return await work();
    } finally {
      this.#done();
    }
  }

  /** Runs works on one key of this process one after the other; takes no lock by itself. */
  async inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#keys.get(key);
    const turn = Promise.withResolvers<void>();
    this.#keys.set(key, turn.promise);
    await before;
    try {
      return await work();
    } finally {
      if (this.#keys.get(key) === turn.promise) this.#keys.delete(key);
      turn.resolve();
    }
  }

  /** After everything that waits or runs. */
  async close(): Promise<void> {
    try {
      await this.alone(async () => {});
    } finally {
      this.#file.close();
    }
  }

  #pump(): void {
    for (;;) {
      const [next] = this.#queue;
      if (next === undefined || this.#alone || (next.alone && this.#running > 0)) return;
      if (this.#held_since_ms === undefined) {
        void this.#acquire();
        return;
      }
      if (this.#running > 0 && this.#isOverdue()) return;
      this.#queue.shift();
      this.#running++;
      this.#alone = next.alone;
      next.start();
    }
  }

  #done(): void {
    this.#running--;
    if (this.#running === 0 && (this.#queue.length === 0 || this.#isOverdue())) {
      this.#held_since_ms = undefined;
      this.#file.release();
    }
    this.#pump();
  }

  #isOverdue(): boolean {
    return performance.now() - (this.#held_since_ms ?? 0) > HOLD_MS;
  }

  async #acquire(): Promise<void> {
    if (this.#acquiring) return;
    this.#acquiring = true;
    try {
      const give_up_ms = performance.now() + this.#timeout_ms;
      for (let pause_ms = RETRY_MIN_MS; !this.#file.tryAcquire();) {
        if (performance.now() > give_up_ms) throw timedOut(this.#timeout_ms);
        await Bun.sleep(pause_ms * (0.5 + Math.random()));
        pause_ms = Math.min(pause_ms * 1.5, RETRY_MAX_MS);
      }
      this.#held_since_ms = performance.now();
    } catch (error) {
      for (const waiter of this.#queue.splice(0)) waiter.fail(error);
    } finally {
      this.#acquiring = false;
    }
    this.#pump();
  }
}

function timedOut(timeout_ms: number): LakehouseError {
  return new LakehouseError(
    "storage_timeout",
    `Another process held the storage folder for ${timeout_ms} ms.`,
    { hint: "Look for a stopped or very busy process that uses the same root." },
  );
}
