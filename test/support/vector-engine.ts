import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Value } from "@sinclair/typebox/value";
import { limitsSchema, type Limits } from "../../core/limits.ts";
import { emptyBase, type Identity } from "../../plugins/vector/base.ts";
import { readBase, unpackFrame } from "../../plugins/vector/base-files.ts";
import { fold } from "../../plugins/vector/fold.ts";
import { prepareAdd, prepareDelete } from "../../plugins/vector/intake.ts";
import { type Neighbour, nearest } from "../../plugins/vector/nearest.ts";
import { OpenIndex, type Outcome } from "../../plugins/vector/open-index.ts";
import type { IndexParameters } from "../../plugins/vector/parameters.ts";
import { readVector } from "../../plugins/vector/vector-input.ts";

export const standardLimits: Limits = Value.Create(limitsSchema);

export interface Item {
  readonly id: string;
  readonly vector: readonly number[];
  readonly metadata?: unknown;
}

export const jsonBytes = (value: unknown): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(value));

/** An index as its thread holds it, without the thread: the engine and its files. */
export class Engine implements AsyncDisposable {
  readonly parameters: IndexParameters;
  readonly folder: string;
  readonly #identity: Identity;
  #index: OpenIndex;
  #base: string | undefined;
  #folds = 0;

  static async open(parameters: IndexParameters): Promise<Engine> {
    return new Engine(parameters, await mkdtemp(join(tmpdir(), "lakehouse-vector-")));
  }

  private constructor(parameters: IndexParameters, folder: string) {
    this.parameters = parameters;
    this.folder = folder;
    this.#identity = {
      index_id: "01890000-0000-7000-8000-000000000000",
      name: "engine",
      created_at: "2030-01-01T00:00:00.000Z",
      parameters,
    };
    this.#index = new OpenIndex(emptyBase(this.#identity), "");
  }

  get index(): OpenIndex {
    return this.#index;
  }

  put(items: readonly Item[]): Outcome {
    return this.#commit(prepareAdd(jsonBytes({ items }), this.parameters, standardLimits));
  }

  delete(ids: readonly string[]): Outcome {
    return this.#commit(prepareDelete(jsonBytes({ ids }), standardLimits));
  }

  nearest(vector: readonly number[], k: number, ef = this.parameters.ef_search): Neighbour[] {
    const stored = new Float32Array(this.parameters.dimension);
    readVector([...vector], this.parameters, {}, stored);
    return nearest(this.#index.rows, { vector: stored, k, ef });
  }

  /** Folds the log into a new base and moves on to it, as the server does. */
  async fold(): Promise<void> {
    const folder = join(this.folder, String(++this.#folds));
    const folded = await fold(
      {
        identity: this.#identity,
        previous: this.#base,
        updated_at: this.#index.stats().updated_at,
        segments: this.#index.tail(),
        folder,
        frame_path: this.framePath,
        threads: 2,
        scratch_path: this.folder,
      },
      () => false,
    );
    if (folded === undefined) throw new Error("the fold was stopped");
    const next = new OpenIndex(readBase(folder), folder);
    next.takeOver(this.#index);
    this.#replace(next);
    this.#base = folder;
  }

  /** Starts again from what is stored: the frame of the last fold, and the log after it. */
  reopen(): void {
    const log = this.#index.tail();
    const folder = join(this.folder, String(++this.#folds));
    const next =
      this.#base === undefined
        ? new OpenIndex(emptyBase(this.#identity), "")
        : new OpenIndex(unpackFrame(this.framePath, folder), folder);
    for (const segment of log) next.replay(segment);
    this.#replace(next);
    if (this.#base !== undefined) this.#base = folder;
  }

  get framePath(): string {
    return join(this.folder, "base.lhv1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#index.release(this.folder);
    await rm(this.folder, { recursive: true, force: true });
  }

  #replace(next: OpenIndex): void {
    this.#index.release(this.folder);
    this.#index = next;
  }

  #commit(batch: Uint8Array): Outcome {
    this.#index.seal([batch], "2030-01-01T00:00:01.000Z", standardLimits);
    const [outcome] = this.#index.commit();
    if (outcome === undefined) throw new Error("the batch had no outcome");
    return outcome;
  }
}
