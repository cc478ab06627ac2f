import type { Manifest } from "../../core/services.ts";
import type { ObjectStore } from "../../core/storage.ts";

/** Calls sent to the storage at once. */
const CONCURRENCY = 16;

/**
 * The data objects of these versions of a dataset that are the lakehouse's own: those under
 * `datasets/<name>/`. Objects elsewhere were registered by hand and belong to the client.
 */
export function ownKeys(name: string, manifests: readonly Manifest[]): Set<string> {
  const prefix = `datasets/${name}/`;
  const keys = manifests.flatMap(({ objects }) => objects.map(({ key }) => key));
  return new Set(keys.filter((key) => key.startsWith(prefix)));
}

export async function deleteObjects(store: ObjectStore, keys: Iterable<string>): Promise<void> {
  await inTurns([...keys], (key) => store.delete(key));
}

/** The results in order; a few calls at once. */
export async function inTurns<Item, Result>(
  items: readonly Item[],
  perform: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let i = 0; i < items.length; i += CONCURRENCY) {
    results.push(...(await Promise.all(items.slice(i, i + CONCURRENCY).map(perform))));
  }
  return results;
}
