import type { LakehouseError } from "./error.ts";
import { abortedError } from "./worker-call.ts";

interface Waiting<T> {
  readonly take: (value: T) => void;
  readonly refuse: (error: LakehouseError) => void;
}

/** Calls that wait for something free, served in order of arrival; an aborted one leaves at once. */
export class WaitingCalls<T> {
  /** A set keeps the order of arrival and lets an aborted call leave from the middle. */
  readonly #waiting = new Set<Waiting<T>>();

  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves with what `give` hands over; rejects with `request_aborted`, or as `refuseAll` says. */
  wait(signal: AbortSignal | undefined): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const leave = (): void => {
      this.#waiting.delete(waiting);
      signal?.removeEventListener("abort", abort);
    };
    const waiting: Waiting<T> = {
      take(value) {
        leave();
        resolve(value);
      },
      refuse(error) {
        leave();
        reject(error);
      },
    };
    const abort = (): void => waiting.refuse(abortedError());
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiting.add(waiting);
    return promise;
  }

  /** Hands the value to the first in line; false if nobody waits. */
  give(value: T): boolean {
    const [first] = this.#waiting;
    first?.take(value);
    return first !== undefined;
  }

  refuseAll(error: () => LakehouseError): void {
    for (const waiting of this.#waiting) waiting.refuse(error());
  }
}
