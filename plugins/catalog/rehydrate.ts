import type { ListPage, ObjectStore } from "../../core/storage.ts";
import { MANIFEST_PREFIX, type ManifestFiles, nameOfKey } from "./manifest-files.ts";
import type { Entry } from "./registry.ts";

/** What a start found in storage. */
export interface Rehydrated {
  readonly entries: Map<string, Entry>;
  /** Keys beside the manifests that are none. */
  readonly ignored_keys: readonly string[];
}

/**
 * Reads every manifest, `concurrency` at once. One that is damaged is quarantined and keeps nobody
 * from starting; a fault of the storage is thrown, for a start without some datasets would tell
 * clients that they do not exist.
 */
export async function rehydrate(
  store: ObjectStore,
  files: ManifestFiles,
  concurrency: number,
): Promise<Rehydrated> {
  const entries = new Map<string, Entry>();
  const ignored_keys: string[] = [];
  const keys = listKeys(store);
  const worker = async (): Promise<void> => {
    // The workers share one generator, so that listing goes on while manifests are read.
    for (let next = await keys.next(); next.done !== true; next = await keys.next()) {
      const name = nameOfKey(next.value);
      if (name === undefined) {
        ignored_keys.push(next.value);
        continue;
      }
      const found = await files.read(name);
      // Gone since it was listed: another process deleted it.
      if (found !== undefined) entries.set(name, found);
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, worker));
  } finally {
    // After a fault the other workers find nothing more to do.
    await keys.return();
  }
  return { entries, ignored_keys };
}

/** The next page is asked for while the keys of this one are worked on. */
async function* listKeys(store: ObjectStore): AsyncGenerator<string, void> {
  let coming: Promise<ListPage> | undefined = store.list({ prefix: MANIFEST_PREFIX });
  while (coming !== undefined) {
    const { objects, next }: ListPage = await coming;
    coming = next === undefined ? undefined : store.list({ prefix: MANIFEST_PREFIX, after: next });
    // If the reading of this page fails, nobody waits for the next one.
    coming?.catch(() => {});
    for (const { key } of objects) yield key;
  }
}
