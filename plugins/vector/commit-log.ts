import { errorFromJson, hasCode, LakehouseError } from "../../core/error.ts";
import type { ObjectStore } from "../../core/storage.ts";
import type { Identity } from "./base.ts";
import type { Environment } from "./environment.ts";
import type { Outcome, Stats } from "./open-index.ts";
import { putOnce } from "./put-once.ts";
import { segmentKey } from "./segment.ts";
import type { Handle } from "./thread-calls.ts";
import { movable } from "./movable.ts";
import type { VectorThread } from "./vector-thread.ts";

interface Waiting {
  readonly batch: Uint8Array;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

export interface CommitLogOptions {
  readonly environment: Environment;
  readonly thread: VectorThread;
  readonly handle: Handle;
  readonly identity: Identity;
  /** False for an index that lives in memory only. */
  readonly persist: boolean;
  readonly onCommit: (stats: Stats) => void;
}

/** Batches that wait while a piece is written go together into the next one, up to this size. */
const GROUP_BYTES = 64 * 1024 * 1024;

/**
 * Makes batches durable and then visible, in this order and one piece at a time. The commit point
 * is the put of the piece `_vectors/<name>.log/<index id>-<number>.lhvl`: before it a batch is
 * nowhere, after it a restart replays it. If the put fails, nothing of the piece was ever visible.
 */
export class CommitLog {
  readonly #options: CommitLogOptions;
  #queue: Waiting[] = [];
  #draining: Promise<void> | undefined;
  /** A piece whose put may or may not have landed. Nothing is written after it until that is known. */
  #unsettled: { readonly key: string; readonly bytes: Uint8Array } | undefined;

  constructor(options: CommitLogOptions) {
    this.#options = options;
  }

  /** Resolves when the batch survives a power cut and can be found. */
  commit(batch: Uint8Array): Promise<Outcome> {
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    this.#queue.push({ batch, resolve, reject });
    this.#draining ??= this.#drain();
    return promise;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#commitGroup(group);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#draining = undefined;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let length = 0;
    for (const { batch } of this.#queue) {
      bytes += batch.length;
      if (length > 0 && bytes > GROUP_BYTES) break;
      length++;
    }
    return this.#queue.splice(0, length);
  }

  async #commitGroup(group: readonly Waiting[]): Promise<void> {
    const { thread, handle, identity, environment, persist } = this.#options;
    await this.#settle();
    const batches = group.map(({ batch }) => batch);
    const { limits, clock } = environment;
    const committed_at = clock.now().toISOString();
    const sealed = await thread.call(
      "seal",
      { handle, batches, committed_at, limits },
      movable(batches),
    );
    const accepted = group.filter((_, at) => !Object.hasOwn(sealed.rejected, at));
    for (const [at, { reject }] of group.entries()) {
      const error = sealed.rejected[at];
      if (error !== undefined) reject(errorFromJson(error));
    }
    if (sealed.seq === undefined || sealed.bytes === undefined) return;
    if (persist) {
      const key = segmentKey(identity.name, identity.index_id, sealed.seq);
      await this.#put(key, sealed.bytes);
    }
    const outcomes = await this.#apply();
    for (const [at, { resolve, reject }] of accepted.entries()) {
      const outcome = outcomes[at];
      if (outcome === undefined) reject(new Error("A batch was committed without an outcome."));
      else resolve(outcome);
    }
  }

  async #apply(): Promise<Outcome[]> {
    const { thread, handle, onCommit } = this.#options;
    const { outcomes, stats } = await thread.call("commit", { handle });
    onCommit(stats);
    return outcomes;
  }

  async #put(key: string, bytes: Uint8Array): Promise<void> {
    const { environment, thread, handle } = this.#options;
    try {
      await putPiece(environment.store, key, bytes);
    } catch (error) {
      if (hasCode(error, "commit_unknown")) this.#unsettled = { key, bytes };
      else await thread.call("discard", { handle });
      throw error;
    }
  }

  /** Sends the same bytes to the same key once more: whatever became of the first put, it is known then. */
  async #settle(): Promise<void> {
    if (this.#unsettled === undefined) return;
    const { key, bytes } = this.#unsettled;
    await putPiece(this.#options.environment.store, key, bytes);
    this.#unsettled = undefined;
    await this.#apply();
  }
}

/** Throws `commit_unknown` if it cannot be told whether the piece landed. */
async function putPiece(store: ObjectStore, key: string, bytes: Uint8Array): Promise<void> {
  if ((await putOnce(store, key, bytes)) !== undefined) return;
  throw new LakehouseError("storage_failed", "The log of this index has another writer.", {
    hint: "Let only one server use this storage, and restart it.",
  });
}
