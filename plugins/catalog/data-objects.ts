import type { Logger } from "../../core/log.ts";
import type { Manifest } from "../../core/services.ts";
import type { ObjectStore } from "../../core/storage.ts";
import { manifestKey } from "./manifest-files.ts";
import type { Registry } from "./registry.ts";

/** Deletes sent to the storage at once. */
const CONCURRENCY = 16;

interface Parts {
  readonly store: ObjectStore;
  readonly registry: Registry;
  readonly log: Logger;
}

/**
 * Removes the data objects of a dataset whose manifest is gone, as far as they are the lakehouse's
 * own: under `datasets/<name>/`, and listed by no other dataset. Objects elsewhere were registered
 * by hand and belong to the client. Best effort: what stays is lost space, and is logged.
 */
export async function deleteOwnObjects(manifest: Manifest, parts: Parts): Promise<void> {
  const { store, registry, log } = parts;
  const { name, objects } = manifest;
  const own = new Set(
    objects.map(({ key }) => key).filter((key) => key.startsWith(`datasets/${name}/`)),
  );
  const shared = registry.sharedKeys(own, name);
  const keys = [...own].filter((key) => !shared.has(key));
  try {
    // Another process may have registered the name again, over these same objects.
    if (keys.length > 0 && (await store.head(manifestKey(name))) !== undefined) return;
    for (let i = 0; i < keys.length; i += CONCURRENCY) {
      await Promise.all(keys.slice(i, i + CONCURRENCY).map((key) => store.delete(key)));
    }
  } catch (error) {
    log.warn(
      { err: error, name, objects: keys.length },
      "catalog: data objects of a deleted dataset may be left over",
    );
  }
}
