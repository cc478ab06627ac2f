import { errorFromJson } from "../../core/error.ts";
import type { CallName, ThreadCalls, ThreadReply, ThreadRequest } from "./thread-calls.ts";

/**
 * Where the thread's program is. A compiled binary keeps its entry points below its own root, by
 * their path from the root of the repository; `thread.ts` must be given to the build as one.
 */
const PROGRAM = /\$bunfs|~BUN/.test(import.meta.url)
  ? "./plugins/vector/thread.ts"
  : new URL("./thread.ts", import.meta.url).href;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** One thread, and the calls that wait for it. Calls are answered one after another. */
export class VectorThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #closed = Promise.withResolvers<void>();
  #next_id = 1;
  #failure: Error | undefined;

  constructor(scratch_path: string) {
    this.#worker = new Worker(PROGRAM);
    this.#worker.addEventListener("message", (event: MessageEvent<ThreadReply>) => {
      this.#settle(event.data);
    });
    this.#worker.addEventListener("error", (event) => {
      this.#fail(new Error(`A vector thread failed: ${event.message}`));
    });
    this.#worker.addEventListener("close", () => {
      this.#fail(new Error("The vector thread has ended."));
      this.#closed.resolve();
    });
    this.#post({ kind: "start", scratch_path }, []);
  }

  /** Buffers in `transfer` move to the thread and are empty here afterwards. */
  call<Name extends CallName>(
    name: Name,
    request: ThreadCalls[Name]["request"],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<ThreadCalls[Name]["response"]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#next_id++;
    const { promise, resolve, reject } = Promise.withResolvers<ThreadCalls[Name]["response"]>();
    // The thread answers a call by the handler of its name, whose response has this type.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
    this.#post({ kind: "call", id, name, request }, transfer);
    return promise;
  }

  /** Resolves when the thread has finished what it was asked and left. */
  async stop(): Promise<void> {
    if (this.#failure === undefined) this.#post({ kind: "stop" }, []);
    await this.#closed.promise;
  }

  #post(message: ThreadRequest, transfer: readonly ArrayBuffer[]): void {
    this.#worker.postMessage(message, [...transfer]);
  }

  #settle(reply: ThreadReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.ok) waiting?.resolve(reply.response);
    else waiting?.reject(errorFromJson(reply.error) ?? untagged(reply.stack));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function untagged(stack: string): Error {
  return new Error(stack);
}
