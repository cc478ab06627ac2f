import { rm } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "../../core/error.ts";
import { baseKey, type Identity } from "./base.ts";
import type { Environment } from "./environment.ts";
import type { Folded } from "./fold.ts";
import type { Stats } from "./open-index.ts";
import { segmentKey } from "./segment.ts";
import type { Handle } from "./thread-calls.ts";
import { movable } from "./movable.ts";
import type { VectorThread } from "./vector-thread.ts";

export interface BaseStoreOptions {
  readonly environment: Environment;
  readonly thread: VectorThread;
  readonly handle: Handle;
  readonly identity: Identity;
  /** The base object as it is stored; undefined for an index that lives in memory only. */
  readonly stored: StoredBase | undefined;
  /** Local files of the base so far; undefined if it has no rows. */
  readonly folder: string | undefined;
  /** The thread has moved on to the new base. */
  readonly onRebase: (stats: Stats) => void;
}

export interface StoredBase {
  readonly etag: string;
  readonly size_bytes: number;
  readonly folded_seq: number;
}

/**
 * Folds the log into a new base: build, put, move on, clean up. The commit point is the put of
 * `_vectors/<name>.lhv1`. Before it the old base and the whole log stand; after it the new base
 * says which log pieces it holds, and those are ignored from then on, deleted or not.
 */
export class BaseStore {
  readonly #options: BaseStoreOptions;
  #stored: StoredBase | undefined;
  #folder: string | undefined;
  #size_bytes: number;
  #folds = 0;
  #replacing: Promise<void> | undefined;

  constructor(options: BaseStoreOptions) {
    this.#options = options;
    this.#stored = options.stored;
    this.#folder = options.folder;
    this.#size_bytes = options.stored?.size_bytes ?? 0;
  }

  /** Of the base object, or of the graph of an index that lives in memory only. */
  get size_bytes(): number {
    return this.#size_bytes;
  }

  /** Resolves when no put of the base is under way. */
  async settled(): Promise<void> {
    await this.#replacing?.catch(() => undefined);
  }

  /** False if `abandoned` says so before the commit point. */
  async fold(updated_at: string, abandoned: () => boolean): Promise<boolean> {
    const { environment, thread, handle, identity } = this.#options;
    const path = join(environment.scratch_path, `${handle}-${++this.#folds}`);
    const frame_path = `${path}.lhv1`;
    try {
      const segments = await thread.call("tail", { handle });
      const folded = await environment.threads.builder.call(
        "fold",
        {
          identity,
          previous: this.#folder,
          updated_at,
          segments,
          folder: path,
          frame_path: this.#stored === undefined ? undefined : frame_path,
          threads: environment.build_threads,
        },
        movable(segments),
      );
      if (folded === null || abandoned()) {
        await rm(path, { recursive: true, force: true });
        return false;
      }
      this.#replacing = this.#replace(frame_path, path, folded);
      await this.#replacing;
      return true;
    } catch (error) {
      if (this.#folder !== path) await rm(path, { recursive: true, force: true });
      throw error;
    } finally {
      await rm(frame_path, { force: true });
    }
  }

  async #replace(frame_path: string, folder: string, folded: Folded): Promise<void> {
    const { thread, handle, onRebase } = this.#options;
    const before = this.#stored;
    if (before === undefined) this.#size_bytes = folded.graph_bytes;
    else await this.#put(frame_path, before, folded);
    const stats = await thread.call("rebase", { handle, folder });
    this.#folder = folder;
    onRebase(stats);
    if (before !== undefined) await this.#clean(before.folded_seq + 1, folded.folded_seq);
  }

  async #put(frame_path: string, before: StoredBase, { folded_seq }: Folded): Promise<void> {
    const { environment, identity } = this.#options;
    const key = baseKey(identity.name);
    try {
      // The condition also stops a put that was given up for lost from landing over a later one.
      const info = await environment.store.put(
        key,
        { kind: "file", path: frame_path },
        { if_match: before.etag },
      );
      this.#stored = { etag: info.etag, size_bytes: info.size_bytes, folded_seq };
      this.#size_bytes = info.size_bytes;
    } catch (error) {
      await this.#findOut(key, before, error);
      throw error;
    }
  }

  /** After a put of unknown outcome: an earlier fold of ours may have landed, and that is as good. */
  async #findOut(key: string, before: StoredBase, error: unknown): Promise<void> {
    if (!hasCode(error, "commit_unknown") && !hasCode(error, "precondition_failed")) return;
    const info = await this.#options.environment.store.head(key);
    if (info !== undefined) this.#stored = { ...before, etag: info.etag };
  }

  /** What is left here is ignored at the next start and deleted then. */
  async #clean(first_seq: number, last_seq: number): Promise<void> {
    const { environment, identity } = this.#options;
    const { store, log } = environment;
    try {
      for (let seq = first_seq; seq <= last_seq; seq++) {
        await store.delete(segmentKey(identity.name, identity.index_id, seq));
      }
    } catch (error) {
      log.warn({ err: error, index: identity.name }, "folded log pieces could not be deleted");
    }
  }
}
