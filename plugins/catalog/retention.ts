import type { Logger } from "../../core/log.ts";
import type { Manifest } from "../../core/services.ts";
import type { ObjectStore } from "../../core/storage.ts";
import { deleteObjects, inTurns, ownKeys } from "./data-objects.ts";
import type { History } from "./history.ts";
import { manifestKey, type ManifestFiles } from "./manifest-files.ts";
import type { Registry } from "./registry.ts";

interface Parts {
  readonly store: ObjectStore;
  readonly files: ManifestFiles;
  readonly history: History;
  readonly registry: Registry;
  readonly log: Logger;
  /** How many versions of a dataset are kept, the current one among them. */
  readonly retention: number;
}

/**
 * What becomes of versions that are no longer kept, and of their data. Runs inside the critical
 * section of the name. Best effort: what it fails to remove is lost space, is logged, and is tried
 * again after the next commit; the file of a version goes last, so that nothing is forgotten.
 */
export class Retention {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** True if this version of a dataset is kept while `current` is the current one. */
  keeps(version: number, current: number): boolean {
    return version <= current && version > current - this.#parts.retention;
  }

  /** Removes the versions that are too old, and the data objects that none of the others lists. */
  async prune(name: string): Promise<void> {
    const { history, log } = this.#parts;
    const current = this.#parts.registry.get(name);
    if (current?.state !== "live") return;
    const { manifest } = current.stored;
    try {
      const versions = await history.versions(name);
      const old = versions.filter((each) => each <= manifest.version - this.#parts.retention);
      if (old.length === 0) return;
      const kept = versions.filter((each) => !old.includes(each));
      const keys = ownKeys(name, await this.#read(name, old, "skip"));
      for (const { key } of manifest.objects) keys.delete(key);
      if (keys.size > 0) {
        const others = await this.#read(name, kept, "throw");
        for (const key of ownKeys(name, others)) keys.delete(key);
      }
      // Another process may have committed: what it lists is not known here.
      if (!(await this.#parts.files.isCurrent(name, current))) return;
      await this.#deleteUnshared(name, keys);
      await inTurns(old, (version) => history.delete(name, version));
    } catch (error) {
      log.warn({ err: error, name }, "catalog: versions past their retention may be left over");
    }
  }

  /**
   * Removes what a dataset leaves whose manifest is gone: its past versions, and every data object
   * of its own that any version lists. `last` is the last manifest, unless it cannot be trusted:
   * then the data stays.
   */
  async purge(name: string, last: Manifest | undefined): Promise<void> {
    const { store, history, log } = this.#parts;
    try {
      const versions = await history.versions(name);
      const past = last === undefined ? [] : await this.#read(name, versions, "skip");
      const keys = last === undefined ? new Set<string>() : ownKeys(name, [last, ...past]);
      // Another process may have registered the name again, over these same objects.
      if ((await store.head(manifestKey(name))) !== undefined) return;
      await this.#deleteUnshared(name, keys);
      await inTurns(versions, (version) => history.delete(name, version));
    } catch (error) {
      log.warn(
        { err: error, name },
        "catalog: data objects or past versions of a deleted dataset may be left over",
      );
    }
  }

  async #deleteUnshared(name: string, keys: ReadonlySet<string>): Promise<void> {
    const { store, registry } = this.#parts;
    if (keys.size === 0) return;
    const shared = registry.sharedKeys(keys, name);
    await deleteObjects(
      store,
      [...keys].filter((key) => !shared.has(key)),
    );
  }

  /** A damaged file of a version that goes is skipped; of one that stays, nobody knows its objects. */
  async #read(
    name: string,
    versions: readonly number[],
    damaged: "skip" | "throw",
  ): Promise<Manifest[]> {
    const found = await inTurns(versions, (version) => this.#parts.history.read(name, version));
    return found.flatMap((each, i) => {
      if (each?.state === "live") return [each.stored.manifest];
      if (each === undefined || damaged === "skip") return [];
      throw new Error(`version ${versions[i]} of ${name} is damaged: ${each.reason}`);
    });
  }
}
