import { LakehouseError } from "../../core/error.ts";
import { baseKey, type Identity } from "./base.ts";
import { BaseStore, type StoredBase } from "./base-store.ts";
import { CommitLog } from "./commit-log.ts";
import type { Environment } from "./environment.ts";
import { foldIsDue, foldIsWorthwhile, tailIsFull } from "./fold-policy.ts";
import type { Metric, Quantization } from "./parameters.ts";
import type { Outcome, Stats } from "./open-index.ts";
import { deleteSegments } from "./stored-objects.ts";
import type { Handle } from "./thread-calls.ts";
import { movable } from "./movable.ts";
import type { VectorThread } from "./vector-thread.ts";

/** An index as GET answers it. */
export type Description = {
  readonly name: string;
  readonly dimension: number;
  readonly metric: Metric;
  readonly quantization: Quantization;
  readonly connectivity: number;
  readonly ef_construction: number;
  readonly ef_search: number;
  readonly count: number;
  readonly persist: boolean;
  readonly created_at: string;
  readonly updated_at: string;
  /** Of what is stored, log included; of the graph and the log for an index in memory. */
  readonly size_bytes: number;
};

export interface StoredIndexOptions {
  readonly environment: Environment;
  readonly reader: { readonly thread: VectorThread; release(): void };
  readonly handle: Handle;
  readonly identity: Identity;
  readonly stats: Stats;
  /** Undefined for an index that lives in memory only. */
  readonly stored: StoredBase | undefined;
  readonly folder: string | undefined;
}

/** How long the log must be quiet for a small part of it to be folded. */
const QUIET_MS = 1000;

/** How long after a failed fold the next one is tried. */
const FOLD_RETRY_MS = 10_000;

/** One index on the main thread: it moves bytes between the wire, the threads and the store. */
export class StoredIndex {
  readonly #options: StoredIndexOptions;
  readonly #log: CommitLog;
  readonly #base: BaseStore;
  #stats: Stats;
  #folding: Promise<void> | undefined;
  #fold_failed_at_ms: number | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #removing: Promise<void> | undefined;
  #closed = false;

  constructor(options: StoredIndexOptions) {
    this.#options = options;
    this.#stats = options.stats;
    const { environment, handle, identity } = options;
    const { thread } = options.reader;
    this.#base = new BaseStore({
      ...options,
      thread,
      onRebase: (stats) => {
        this.#stats = stats;
      },
    });
    this.#log = new CommitLog({
      environment,
      thread,
      handle,
      identity,
      persist: options.stored !== undefined,
      onCommit: (stats) => {
        this.#stats = stats;
        this.#foldIfDue();
        this.#foldWhenQuiet();
      },
    });
    this.#foldIfDue();
    this.#foldWhenQuiet();
  }

  describe(): Description {
    const { identity, stored } = this.#options;
    const { count, updated_at, tail_bytes } = this.#stats;
    return {
      name: identity.name,
      ...identity.parameters,
      count,
      persist: stored !== undefined,
      created_at: identity.created_at,
      updated_at,
      size_bytes: this.#base.size_bytes + tail_bytes,
    };
  }

  /** The body of POST …/add, in chunks. Nothing of it is stored unless all of it is valid. */
  async add(body: readonly Uint8Array[]): Promise<Outcome> {
    this.#checkOpen();
    const { environment, identity } = this.#options;
    const { parameters } = identity;
    const { limits, threads } = environment;
    const request = { body, parameters, limits };
    const batch = await threads.intake.call("prepareAdd", request, movable(body));
    await this.#waitForRoom();
    this.#checkOpen();
    return this.#log.commit(batch);
  }

  /** The body of POST …/delete, in chunks. */
  async delete(body: readonly Uint8Array[]): Promise<Outcome> {
    this.#checkOpen();
    const { limits, threads } = this.#options.environment;
    const batch = await threads.intake.call("prepareDelete", { body, limits }, movable(body));
    this.#checkOpen();
    return this.#log.commit(batch);
  }

  /** The body of POST …/search; returns the body of the answer. */
  search(body: Uint8Array): Promise<Uint8Array> {
    this.#checkOpen();
    const { environment, handle, reader } = this.#options;
    const { limits } = environment;
    return reader.thread.call("search", { handle, body, limits }, movable([body]));
  }

  /**
   * Removes the index. The commit point is the deletion of the base object: log pieces without
   * their base are nothing, and are swept at the next start if they could not be deleted here.
   */
  remove(): Promise<void> {
    this.#removing ??= this.#remove().finally(() => {
      this.#removing = undefined;
    });
    return this.#removing;
  }

  /** Resolves when no write and no fold is under way; used at stop. */
  async idle(): Promise<void> {
    clearTimeout(this.#quiet);
    await this.#log.idle();
    await this.#folding;
  }

  async #remove(): Promise<void> {
    const { environment, identity, stored, handle, reader } = this.#options;
    const { store, log } = environment;
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#quiet);
    await this.#log.idle();
    await this.#base.settled();
    if (stored !== undefined) await this.#deleteBase();
    await reader.thread.call("close", { handle });
    reader.release();
    if (stored === undefined) return;
    await deleteSegments(store, identity.name).catch((error: unknown) => {
      log.warn({ err: error, index: identity.name }, "log pieces of a deleted index remain");
    });
  }

  /** If it fails, the index stands as before, unless the store says that the object is gone. */
  async #deleteBase(): Promise<void> {
    const { store } = this.#options.environment;
    const key = baseKey(this.#options.identity.name);
    try {
      await store.delete(key);
    } catch (error) {
      if (await stillThere(store.head(key))) {
        this.#closed = false;
        throw error;
      }
    }
  }

  #checkOpen(): void {
    if (!this.#closed) return;
    const { name } = this.#options.identity;
    throw new LakehouseError("index_not_found", `The vector index ${name} is being deleted.`);
  }

  /** Holds writers back while they are faster than the graph can be built. */
  async #waitForRoom(): Promise<void> {
    const { dimension } = this.#options.identity.parameters;
    while (tailIsFull(this.#stats, dimension)) {
      if (this.#folding === undefined) {
        throw new LakehouseError("overloaded", "The index cannot take more before it is folded.", {
          hint: "Try again in a few seconds; the log of the server says what is wrong.",
        });
      }
      await this.#folding;
    }
  }

  #foldWhenQuiet(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#foldIfDue(foldIsWorthwhile), QUIET_MS);
    this.#quiet.unref();
  }

  #foldIfDue(isDue: typeof foldIsDue = foldIsDue): void {
    const { clock } = this.#options.environment;
    const { dimension } = this.#options.identity.parameters;
    const failed_at_ms = this.#fold_failed_at_ms ?? -Infinity;
    if (
      this.#folding !== undefined ||
      this.#isAbandoned() ||
      clock.monotonic_ms() - failed_at_ms < FOLD_RETRY_MS ||
      !isDue(this.#stats, dimension)
    ) {
      return;
    }
    this.#folding = this.#fold().finally(() => {
      this.#folding = undefined;
      this.#foldIfDue();
      this.#foldWhenQuiet();
    });
  }

  #isAbandoned(): boolean {
    return this.#closed || this.#options.environment.threads.stopping;
  }

  async #fold(): Promise<void> {
    const { log, clock } = this.#options.environment;
    const started_ms = clock.monotonic_ms();
    const { name } = this.#options.identity;
    try {
      if (!(await this.#base.fold(this.#stats.updated_at, () => this.#isAbandoned()))) return;
      this.#fold_failed_at_ms = undefined;
      const rows = this.#stats.base_rows;
      const duration_ms = Math.round(clock.monotonic_ms() - started_ms);
      log.info({ index: name, rows, duration_ms }, "folded the log of an index");
    } catch (error) {
      this.#fold_failed_at_ms = clock.monotonic_ms();
      if (!this.#isAbandoned()) log.error({ err: error, index: name }, "folding an index failed");
    }
  }
}

/** False only if the store says so; a store that does not answer leaves the object in place. */
async function stillThere(head: Promise<unknown>): Promise<boolean> {
  try {
    return (await head) !== undefined;
  } catch {
    return true;
  }
}
