import { setImmediate as nextTurn } from "node:timers/promises";
import { LakehouseError } from "../../core/error.ts";
import { requestAborted } from "./attempt.ts";
import { BodyDigest, type Digest, digestOf } from "./body-digest.ts";

/** A stretch of a body, held in memory until it is released. */
export interface Part {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

/** A body as parts, read once from front to back. */
export interface PartSource {
  /**
   * The next `size_bytes`, fewer only at the end, undefined after it. Throws what the source
   * throws, or the signal's reason.
   */
  take(size_bytes: number, signal: AbortSignal | undefined): Promise<Part | undefined>;
  /** The part's memory may be used for another. */
  release(part: Part): void;
  /** Lets go of the source, finished or not. */
  close(): Promise<void>;
}

/** Views of the caller's bytes: nothing is copied. */
export class BytesSource implements PartSource {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  async take(size_bytes: number, signal: AbortSignal | undefined): Promise<Part | undefined> {
    if (isAborted(signal)) throw reasonOf(signal);
    if (this.#at >= this.#bytes.length) return undefined;
    const bytes = this.#bytes.subarray(this.#at, this.#at + size_bytes);
    this.#at += bytes.length;
    return { bytes, digest: await digestOf(bytes) };
  }

  release(): void {}

  async close(): Promise<void> {}
}

/** Collects the chunks of a stream into parts, in buffers that are used again and again. */
export class StreamSource implements PartSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  /** What the last chunk had more than its part could take. */
  #rest: Uint8Array = new Uint8Array();
  #state: "idle" | "reading" | "ended" = "idle";

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async take(size_bytes: number, signal: AbortSignal | undefined): Promise<Part | undefined> {
    const buffer = this.#buffer(size_bytes);
    const digest = new BodyDigest();
    let filled_bytes = 0;
    while (filled_bytes < size_bytes) {
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#next(signal);
      if (chunk === undefined) break;
      const bytes = chunk.subarray(0, size_bytes - filled_bytes);
      this.#rest = chunk.subarray(bytes.length);
      buffer.set(bytes, filled_bytes);
      filled_bytes += bytes.length;
      await digest.update(bytes);
    }
    if (filled_bytes > 0) {
      return { bytes: buffer.subarray(0, filled_bytes), digest: digest.digest() };
    }
    this.#free.push(buffer);
    return undefined;
  }

  release({ bytes }: Part): void {
    if (bytes.buffer instanceof ArrayBuffer) this.#free.push(new Uint8Array(bytes.buffer));
  }

  async close(): Promise<void> {
    if (this.#state === "ended") return;
    const pending = this.#state === "reading";
    this.#state = "ended";
    const closed = Promise.resolve(this.#chunks.return?.()).catch(() => {
      // The put has failed or is done: what the source says to that changes nothing.
    });
    // A generator that waits for its own data answers `return` only when they come, perhaps never:
    // a live one gets a turn of the event loop to close in.
    await (pending ? nextTurn() : closed);
  }

  async #next(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    if (isAborted(signal)) throw reasonOf(signal);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(reasonOf(signal));
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#state = "reading";
    try {
      const step = await Promise.race([this.#chunks.next(), aborted]);
      this.#state = step.done === true ? "ended" : "idle";
      return step.done === true ? undefined : step.value;
    } catch (error) {
      // A generator that threw has ended; one that was given up is still at it.
      if (!isAborted(signal)) this.#state = "ended";
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #buffer(size_bytes: number): Uint8Array<ArrayBuffer> {
    const free = this.#free.pop();
    return free?.length === size_bytes ? free : new Uint8Array(size_bytes);
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

/** A failure of ours travels as the reason; any other reason is the caller giving up. */
function reasonOf(signal: AbortSignal | undefined): LakehouseError {
  return signal?.reason instanceof LakehouseError ? signal.reason : requestAborted();
}
