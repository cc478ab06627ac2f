import { hasCode } from "../../core/error.ts";
import { type ObjectInfo, type ObjectStore, readAll } from "../../core/storage.ts";

/**
 * Stores bytes under a key that nothing else may hold; sending them again is harmless. Undefined if
 * the key holds something else. Throws `commit_unknown` if it cannot be told whether they landed;
 * any other error means that they did not.
 */
export async function putOnce(
  store: ObjectStore,
  key: string,
  bytes: Uint8Array,
): Promise<ObjectInfo | undefined> {
  try {
    return await store.put(key, { kind: "bytes", bytes }, { if_absent: true });
  } catch (error) {
    const lost = hasCode(error, "precondition_failed");
    if (!lost && !hasCode(error, "commit_unknown")) throw error;
    const stored = await readBack(store, key, bytes, error);
    if (stored !== undefined || lost) return stored;
    throw error;
  }
}

/** The stored object if it is these bytes. A store that does not answer leaves the first error. */
async function readBack(
  store: ObjectStore,
  key: string,
  bytes: Uint8Array,
  first: unknown,
): Promise<ObjectInfo | undefined> {
  try {
    const stored = await store.get(key);
    if (stored === undefined || stored.info.size_bytes !== bytes.length) return undefined;
    const same = Buffer.from(bytes).equals(await readAll(stored, bytes.length));
    return same ? stored.info : undefined;
  } catch {
    throw first;
  }
}
