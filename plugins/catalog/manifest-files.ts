import { setImmediate } from "node:timers/promises";
import { hasCode, LakehouseError } from "../../core/error.ts";
import { DATASET_NAME } from "../../core/services.ts";
import { type ObjectStore, type PutOptions, readAll } from "../../core/storage.ts";
import type { StoredManifest } from "./manifest.ts";
import type { ManifestCodec } from "./manifest-file.ts";

export const MANIFEST_PREFIX = "_catalog/manifests/";
const SUFFIX = ".parquet";

export function manifestKey(name: string): string {
  return `${MANIFEST_PREFIX}${name}${SUFFIX}`;
}

/** The inverse of `manifestKey`; undefined if the key is no manifest's. */
export function nameOfKey(key: string): string | undefined {
  if (!key.startsWith(MANIFEST_PREFIX) || !key.endsWith(SUFFIX)) return undefined;
  const name = key.slice(MANIFEST_PREFIX.length, -SUFFIX.length);
  return DATASET_NAME.test(name) ? name : undefined;
}

/** A manifest as storage held it when it was read. */
export interface Live {
  readonly state: "live";
  readonly stored: StoredManifest;
  readonly etag: string;
}

/** A manifest that is there and cannot be trusted. */
export interface Quarantined {
  readonly state: "quarantined";
  readonly reason: string;
  readonly etag: string;
}

/** What storage holds under a name; undefined is nothing. */
export type Found = Live | Quarantined | undefined;

/** How a put ended. `lost` comes with what another writer left there. */
export type PutOutcome =
  | { readonly landed: true; readonly live: Live }
  | { readonly landed: false; readonly found: Found };

/** Sends of one candidate whose answers were all lost, before the outcome is called unknown. */
const SENDS = 3;

/** Decoding holds the thread for a fraction of a millisecond; after this long others get a turn. */
const TURN_MS = 4;

/** Reads and writes single manifests; takes turns on the thread with whatever else runs. */
export class ManifestFiles {
  readonly #store: ObjectStore;
  readonly #codec: ManifestCodec;
  readonly #limit_bytes: number;
  /** Time spent decoding since others last had a turn. */
  #held_ms = 0;
  #next_turn: Promise<void> | undefined;

  constructor(store: ObjectStore, codec: ManifestCodec, limit_bytes: number) {
    this.#store = store;
    this.#codec = codec;
    this.#limit_bytes = limit_bytes;
  }

  /** Damage is an answer (`quarantined`), a fault of the storage is thrown. */
  read(name: string): Promise<Found> {
    return this.readAt(manifestKey(name), name);
  }

  /** A manifest of `name` at another key. */
  async readAt(key: string, name: string): Promise<Found> {
    const object = await this.#store.get(key);
    if (object === undefined) return undefined;
    const { etag } = object.info;
    try {
      const bytes = await readAll(object, this.#limit_bytes);
      // Asked again right before the decoding: all waiters wake up together.
      while (this.#held_ms >= TURN_MS) await this.#nextTurn();
      return { state: "live", stored: this.#decode(bytes, name), etag };
    } catch (error) {
      const damage = hasCode(error, "data_corrupt") || hasCode(error, "limit_exceeded");
      if (!damage) throw error;
      return { state: "quarantined", reason: error.message, etag };
    }
  }

  encode(stored: StoredManifest): Uint8Array {
    return this.#codec.encode(stored);
  }

  /** True if storage still holds what `known` was read from; costs no read of the bytes. */
  async isCurrent(name: string, known: Found): Promise<boolean> {
    const info = await this.#store.head(manifestKey(name));
    return info?.etag === known?.etag;
  }

  /**
   * Puts a candidate in the place of `known` by compare-and-swap, and finds out what became of it.
   *
   * A lost answer does not say whether the bytes landed, nor whether they still will. So the same
   * bytes are sent again under the same condition: once any send is answered with success, or the
   * stored ring holds our commit id, it landed; once another manifest stands there without our id,
   * no earlier send can land any more, because its condition can never hold again.
   *
   * Throws `commit_unknown` if it cannot tell; any other error means that nothing was stored.
   */
  async put(name: string, candidate: StoredManifest, known: Live | undefined): Promise<PutOutcome> {
    const bytes = this.encode(candidate);
    if (bytes.length > this.#limit_bytes) throw this.#tooLarge(name, bytes.length);
    let lost_answer: unknown;
    for (let send = 1; send <= SENDS; send += 1) {
      try {
        // COMMIT POINT: from here on the candidate is the dataset, for every process.
        const body = { kind: "bytes", bytes } as const;
        const { etag } = await this.#store.put(manifestKey(name), body, this.#condition(known));
        return { landed: true, live: { state: "live", stored: candidate, etag } };
      } catch (error) {
        const lost_race = hasCode(error, "precondition_failed");
        if (!lost_race && !isUnknown(error) && lost_answer === undefined) throw error;
        if (!lost_race) lost_answer = error;
        const found = await this.#readBack(name, error);
        if (holds(found, candidate)) return { landed: true, live: found };
        if (lost_race || found?.etag !== known?.etag) return { landed: false, found };
      }
    }
    throw commitUnknown(name, lost_answer);
  }

  /**
   * Removes the manifest file. A lost answer is asked after, and the call sent again. Throws
   * `commit_unknown` if the file may or may not be there still; after any other error it is.
   */
  async delete(name: string): Promise<void> {
    const key = manifestKey(name);
    let lost_answer: unknown;
    for (let send = 1; send <= SENDS; send += 1) {
      try {
        // COMMIT POINT of a removal: from here on there is no such dataset.
        await this.#store.delete(key);
        return;
      } catch (error) {
        if (!isUnknown(error) && lost_answer === undefined) throw error;
        lost_answer = error;
      }
      try {
        if ((await this.#store.head(key)) === undefined) return;
      } catch (error) {
        throw commitUnknown(name, new AggregateError([lost_answer, error]));
      }
    }
    throw commitUnknown(name, lost_answer);
  }

  /** Storage that knows no conditions has a single writer: this process. */
  #condition(known: Live | undefined): PutOptions {
    if (!this.#store.traits.conditional_put) return {};
    return known === undefined ? { if_absent: true } : { if_match: known.etag };
  }

  async #readBack(name: string, put_error: unknown): Promise<Found> {
    try {
      return await this.read(name);
    } catch (error) {
      throw commitUnknown(name, new AggregateError([put_error, error]));
    }
  }

  #decode(bytes: Uint8Array, name: string): StoredManifest {
    const started_ms = performance.now();
    try {
      return this.#codec.decode(bytes, name);
    } finally {
      this.#held_ms += performance.now() - started_ms;
    }
  }

  /** A burst of reads that are answered at once would hold the thread for seconds. */
  #nextTurn(): Promise<void> {
    this.#next_turn ??= setImmediate().then(() => {
      this.#held_ms = 0;
      this.#next_turn = undefined;
      return undefined;
    });
    return this.#next_turn;
  }

  #tooLarge(name: string, size_bytes: number): LakehouseError {
    return new LakehouseError(
      "limit_exceeded",
      `The manifest of ${name} would have ${size_bytes} bytes, more than ${this.#limit_bytes}.`,
      {
        hint: "Register fewer objects or columns, or raise limits.manifest_bytes.",
        extra: { limit_bytes: this.#limit_bytes },
      },
    );
  }
}

/** Errors after which the bytes may or may not be stored; what is not ours is not trusted either. */
function isUnknown(error: unknown): boolean {
  return (
    !(error instanceof LakehouseError) ||
    error.code === "commit_unknown" ||
    error.code === "storage_timeout"
  );
}

function commitUnknown(name: string, cause: unknown): LakehouseError {
  return new LakehouseError(
    "commit_unknown",
    `The storage did not say whether the change of ${name} took place, and could not be asked.`,
    {
      hint: `Read GET /catalog/manifest/${name} before trying again; sending the same request again is safe.`,
      cause,
    },
  );
}

function holds(found: Found, candidate: StoredManifest): found is Live {
  const commit_id = candidate.recent_commits.at(-1);
  return (
    found?.state === "live" &&
    commit_id !== undefined &&
    found.stored.recent_commits.includes(commit_id)
  );
}
