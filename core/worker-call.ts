import { LakehouseError } from "./error.ts";
import { decodeJson } from "./worker-frames.ts";
import type { WorkerProcess } from "./worker-process.ts";
import type { CallOptions } from "./workers.ts";

/**
 * One request on one worker, from the moment the worker takes it until its answer is read, the
 * caller leaves, or the worker dies. Bytes are read from the pipe only when the caller asks for
 * them, so that a slow caller slows the worker and nothing piles up between them.
 */
export class WorkerCall {
  /** Settles when the call ends; a rejection is never unhandled. */
  readonly result: Promise<unknown>;
  readonly #worker: WorkerProcess;
  readonly #onProgress: CallOptions["onProgress"];
  readonly #settle: PromiseWithResolvers<unknown> = Promise.withResolvers();
  #ended = false;

  constructor(worker: WorkerProcess, onProgress: CallOptions["onProgress"]) {
    this.#worker = worker;
    this.#onProgress = onProgress;
    this.result = this.#settle.promise;
    this.result.catch(() => {
      // Whoever reads the bytes gets the same error; the promise itself may have no reader.
    });
  }

  /** The next bytes; undefined at the end of the answer. Throws what ended the call otherwise. */
  async next(): Promise<Uint8Array | undefined> {
    try {
      return await this.#read();
    } catch (error) {
      // An answered error ended the call already; anything else leaves the worker in mid-answer.
      if (!this.#ended) this.leave(error);
      throw error;
    }
  }

  /** What is left of the answer, `first` before it, once. Leaving the loop kills the worker. */
  bytes(first: Uint8Array | undefined): AsyncIterable<Uint8Array> {
    let upcoming = first;
    let open = first !== undefined;
    let left = false;
    let turn: Promise<unknown> = Promise.resolve();
    const pull = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      let value: Uint8Array | undefined;
      try {
        if (open) value = upcoming ?? (await this.next());
      } catch (error) {
        open = false;
        if (!left) throw error;
      }
      upcoming = undefined;
      if (value !== undefined && !left) return { done: false, value };
      open = false;
      return { done: true, value: undefined };
    };
    // By hand, because a generator runs no `finally` before its first `next`, and queues `return`
    // behind a `next` that waits for a silent worker.
    const iterator: AsyncIterableIterator<Uint8Array, undefined> = {
      next: () => {
        const result = turn.then(pull, pull);
        turn = result;
        return result;
      },
      return: async () => {
        left = true;
        this.leave(abortedError());
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Ends the call from the caller's side. The worker may be anywhere in its answer: it goes. */
  leave(reason: unknown): void {
    if (this.#ended) return;
    this.fail(reason);
    this.#worker.kill(abortedError());
  }

  /** Rejects `result`, for a worker that was killed. */
  fail(reason: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#settle.reject(reason);
  }

  async #read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = await this.#worker.nextFrame();
      switch (frame.type) {
        case "bytes":
          return frame.payload;
        case "progress":
          this.#onProgress?.(decodeJson(frame.payload));
          break;
        case "result": {
          const value = decodeJson(frame.payload);
          this.#ended = true;
          this.#settle.resolve(value);
          return undefined;
        }
        case "error": {
          const error = this.#worker.errorOf(frame);
          this.fail(error);
          throw error;
        }
        case "init":
        case "call":
        case "ready":
          throw this.#worker.violation(`it sent a ${frame.type} frame`);
        default:
          return frame.type satisfies never;
      }
    }
  }
}

/** setTimeout fires at once beyond this (24.8 days). */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What work is stopped with that takes longer than it may. */
function deadlineExceeded(deadline_ms: number): LakehouseError {
  return new LakehouseError(
    "deadline_exceeded",
    `The work was stopped at its deadline of ${deadline_ms} ms.`,
    { hint: "Ask for less at once, or raise the timeout in the configuration." },
  );
}

/** Calls back with `deadline_exceeded` after so long. */
export function startDeadline(deadline_ms: number, stop: (reason: LakehouseError) => void): Timer {
  return setTimeout(() => stop(deadlineExceeded(deadline_ms)), Math.min(deadline_ms, TIMER_MS_MAX));
}

export function abortedError(): LakehouseError {
  return new LakehouseError("request_aborted", "The request was given up before its answer.");
}
