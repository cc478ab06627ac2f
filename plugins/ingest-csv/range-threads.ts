import type { RangeJob, RangeResult } from "./range-convert.ts";
import type { ThreadReply } from "./thread.ts";

/** A compiled binary keeps its entry points by their path from the root of the repository. */
const PROGRAM = /\$bunfs|~BUN/.test(import.meta.url)
  ? "./plugins/ingest-csv/thread.ts"
  : new URL("./thread.ts", import.meta.url).href;

/** Threads hold on to their memory; those that nobody needs are let go after so long. */
const IDLE_MS = 10_000;

/** The threads of one worker process, begun when they are needed. */
export class RangeThreads {
  readonly #size: number;
  readonly #idle: RangeThread[] = [];
  readonly #waiting: (() => void)[] = [];
  #count = 0;
  #rest: Timer | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  /** Converts a range in a thread that is free, or as soon as one is. */
  async convert(job: RangeJob): Promise<RangeResult> {
    // Between finding a thread and taking it nobody else may find it.
    while (!this.#isFree()) await this.#woken();
    const thread = this.#take();
    try {
      return await thread.convert(job);
    } finally {
      this.#giveBack(thread);
    }
  }

  /** Threads that there are. */
  get count(): number {
    return this.#count;
  }

  /** Resolves when a range would begin at once. */
  async free(): Promise<void> {
    while (!this.#isFree()) await this.#woken();
  }

  #isFree(): boolean {
    return this.#idle.length > 0 || this.#count < this.#size;
  }

  async #woken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }

  #take(): RangeThread {
    clearTimeout(this.#rest);
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (!idle.has_failed) return idle;
      this.#count -= 1;
    }
    this.#count += 1;
    return new RangeThread();
  }

  #giveBack(thread: RangeThread): void {
    if (thread.has_failed) {
      this.#count -= 1;
      thread.stop();
    } else this.#idle.push(thread);
    // All of them: who is woken may no longer want it.
    for (const wake of this.#waiting.splice(0)) wake();
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.#stopIdle(), IDLE_MS);
    this.#rest.unref();
  }

  #stopIdle(): void {
    for (const thread of this.#idle.splice(0)) {
      this.#count -= 1;
      thread.stop();
    }
  }
}

class RangeThread {
  readonly #worker = new Worker(PROGRAM);
  #asked: PromiseWithResolvers<RangeResult> | undefined;
  #failure: Error | undefined;

  constructor() {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<ThreadReply>) => {
      // What a library has left behind it when it failed is not known: the thread is not used again.
      if (data.ok) this.#asked?.resolve(data.result);
      else this.#fail(threadError(data));
    });
    this.#worker.addEventListener("error", ({ message }) => this.#fail(new Error(message)));
    this.#worker.addEventListener("close", () => this.#fail(new Error("A thread has ended.")));
  }

  get has_failed(): boolean {
    return this.#failure !== undefined;
  }

  async convert(job: RangeJob): Promise<RangeResult> {
    if (this.#failure !== undefined) throw this.#failure;
    const asked = Promise.withResolvers<RangeResult>();
    this.#asked = asked;
    this.#worker.postMessage(job, []);
    return asked.promise;
  }

  /** Nothing may be under way. */
  stop(): void {
    this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#asked?.reject(this.#failure);
  }
}

/** As it was thrown there, as far as the caller can tell. */
function threadError({ stack, code }: Extract<ThreadReply, { ok: false }>): Error {
  return code === undefined ? new Error(stack) : Object.assign(new Error(stack), { code });
}
