import { hasCode, LakehouseError } from "../../core/error.ts";
import type { ObjectStore, PutOptions } from "../../core/storage.ts";
import type { StoredManifest } from "./manifest.ts";
import type { Found, ManifestFiles } from "./manifest-files.ts";

export const HISTORY_PREFIX = "_catalog/history/";
const SUFFIX = ".parquet";
/** Zeros in front keep the order of the keys the order of the versions. */
const VERSION_DIGITS = 10;

/** Writes of one copy before giving up. */
const ATTEMPTS = 3;

const folder = (name: string): string => `${HISTORY_PREFIX}${name}/`;

export function historyKey(name: string, version: number): string {
  return `${folder(name)}${String(version).padStart(VERSION_DIGITS, "0")}${SUFFIX}`;
}

/** The manifests of past versions, each a sealed file of its own, as it was when it was current. */
export class History {
  readonly #store: ObjectStore;
  readonly #files: ManifestFiles;

  constructor(store: ObjectStore, files: ManifestFiles) {
    this.#store = store;
    this.#files = files;
  }

  /**
   * Stores a copy of the current manifest, before another one takes its place. A copy that is there
   * already is left; what an earlier dataset of the name left there is replaced. Whatever it throws,
   * nothing has been committed.
   */
  async keep(stored: StoredManifest): Promise<void> {
    const { name, version } = stored.manifest;
    const key = historyKey(name, version);
    const body = { kind: "bytes", bytes: this.#files.encode(stored) } as const;
    let failure: unknown;
    let there: Found;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      try {
        await this.#store.put(key, body, this.#condition(there));
        return;
      } catch (error) {
        const lost = hasCode(error, "commit_unknown") || hasCode(error, "precondition_failed");
        if (!lost) throw error;
        failure = error;
      }
      there = await this.#files.readAt(key, name);
      if (there?.state === "live" && there.stored.incarnation === stored.incarnation) return;
    }
    throw new LakehouseError(
      "storage_failed",
      `The storage did not take the copy of version ${version} of ${name} that is to be kept; nothing was committed.`,
      { hint: "Send the request again.", cause: failure },
    );
  }

  /** The file of this version, of whichever dataset of the name left it. */
  read(name: string, version: number): Promise<Found> {
    return this.#files.readAt(historyKey(name, version), name);
  }

  /** The versions there are files of, in order. */
  async versions(name: string): Promise<number[]> {
    const prefix = folder(name);
    const found: number[] = [];
    let after: string | undefined;
    do {
      const page = await this.#store.list(after === undefined ? { prefix } : { prefix, after });
      for (const { key } of page.objects) {
        const version = Number(key.slice(prefix.length, -SUFFIX.length));
        if (key === historyKey(name, version)) found.push(version);
      }
      after = page.next;
    } while (after !== undefined);
    return found.sort((a, b) => a - b);
  }

  async delete(name: string, version: number): Promise<void> {
    await this.#store.delete(historyKey(name, version));
  }

  /** Storage that knows no conditions has a single writer: this process. */
  #condition(there: Found): PutOptions {
    if (!this.#store.traits.conditional_put) return {};
    return there === undefined ? { if_absent: true } : { if_match: there.etag };
  }
}
