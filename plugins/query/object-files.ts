import { createHash } from "node:crypto";
import { LakehouseError } from "../../core/error.ts";
import type { DataObject } from "../../core/services.ts";
import type { ObjectInfo, ObjectStore } from "../../core/storage.ts";
import type { FileCache } from "./file-cache.ts";
import { readChecked } from "./verified-read.ts";

/** A verified local file of one object. `release` it when nobody reads it any more. */
export interface ObjectFile {
  readonly path: string;
  /** Changes whenever the bytes behind `path` do. */
  readonly version: string;
  readonly release: () => void;
}

/** Verified versions that are remembered; a few bytes each. */
const VERIFIED_LIMIT = 100_000;

/** The engine would take these for a pattern, not for the name of a file. */
const PATTERN = /[*?[\]]/;

const nothing = (): void => {};

/**
 * Data objects as local files that can be trusted: a flipped bit in a Parquet file gives wrong
 * rows without an error in a third of cases, so each version of each object is hashed once before
 * the engine sees it. A store on this disk is read in place, others through the cache.
 */
export class ObjectFiles {
  readonly #store: ObjectStore;
  readonly #cache: FileCache;
  /** Versions in place that were found good. Insertion order is age. */
  readonly #verified = new Set<string>();
  readonly #verifying = new Map<string, Promise<void>>();

  constructor(store: ObjectStore, cache: FileCache) {
    this.#store = store;
    this.#cache = cache;
  }

  /** `data_corrupt` if it is missing, of another size, or of another hash than registered. */
  async open(object: DataObject): Promise<ObjectFile> {
    const path = await this.#store.localPath?.(object.key);
    if (path !== undefined && !PATTERN.test(path)) return this.#inPlace(object, path);
    // Content named by its hash needs no look at the store once it is here.
    if (object.sha256 !== undefined) {
      return this.#cached(object, `sha256-${object.sha256}`, object.sha256);
    }
    const info = await this.#head(object);
    const id = createHash("sha256").update(`${object.key}\0${info.etag}\0${info.size_bytes}`);
    return this.#cached(object, `etag-${id.digest("hex")}`, info.etag);
  }

  async #inPlace(object: DataObject, path: string): Promise<ObjectFile> {
    const { etag } = await this.#head(object);
    const version = `${etag}-${object.size}-${object.sha256 ?? ""}`;
    const id = `${object.key}\0${version}`;
    if (!this.#verified.has(id) && object.sha256 !== undefined) {
      const running = this.#verifying.get(id) ?? this.#verify(object, id);
      await running;
    }
    return { path, version, release: nothing };
  }

  /** Concurrent statements share one reading. */
  #verify(object: DataObject, id: string): Promise<void> {
    const running = (async () => {
      try {
        await readChecked(this.#store, object);
        this.#verified.add(id);
        const [oldest] = this.#verified;
        if (this.#verified.size > VERIFIED_LIMIT && oldest !== undefined) {
          this.#verified.delete(oldest);
        }
      } finally {
        this.#verifying.delete(id);
      }
    })();
    this.#verifying.set(id, running);
    return running;
  }

  async #cached(object: DataObject, id: string, version: string): Promise<ObjectFile> {
    const { path, release } = await this.#cache.acquire(id, object.size, (target) =>
      readChecked(this.#store, object, target),
    );
    return { path, version, release };
  }

  async #head(object: DataObject): Promise<ObjectInfo> {
    const info = await this.#store.head(object.key);
    if (info === undefined) {
      throw new LakehouseError("data_corrupt", `The object ${object.key} is missing.`, {
        hint: "Ingest the dataset again, or restore the object.",
        extra: { key: object.key },
      });
    }
    if (info.size_bytes !== object.size) {
      throw new LakehouseError(
        "data_corrupt",
        `The object ${object.key} has ${info.size_bytes} bytes, but was registered with ${object.size}.`,
        { hint: "Ingest the dataset again, or restore the object.", extra: { key: object.key } },
      );
    }
    return info;
  }
}
