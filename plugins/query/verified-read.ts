import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { LakehouseError } from "../../core/error.ts";
import type { DataObject } from "../../core/services.ts";
import type { ObjectStore } from "../../core/storage.ts";

/**
 * Reads an object to its end, in bounded memory, and checks its size and, if registered, its
 * SHA-256; with `target_path` the bytes are written there as well. Throws `data_corrupt`.
 */
export async function readChecked(
  store: ObjectStore,
  { key, size, sha256 }: DataObject,
  target_path?: string,
): Promise<void> {
  const stored = await store.get(key);
  if (stored === undefined) throw corrupt(key, "is missing");
  const hash = createHash("sha256");
  let size_bytes = 0;
  const file = target_path === undefined ? undefined : await open(target_path, "wx", 0o600);
  try {
    for await (const chunk of stored.stream) {
      hash.update(chunk);
      size_bytes += chunk.byteLength;
      if (size_bytes > size) throw corrupt(key, `has more than the registered ${size} bytes`);
      if (file !== undefined) await file.writeFile(chunk);
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") {
      throw new LakehouseError("storage_full", "The local cache of data objects is out of space.", {
        hint: "Lower limits.cache_bytes, or move scratch_path to a larger disk.",
        cause: error,
      });
    }
    throw error;
  } finally {
    await file?.close();
  }
  if (size_bytes !== size) {
    throw corrupt(key, `has ${size_bytes} bytes, but was registered with ${size}`);
  }
  if (sha256 !== undefined && hash.digest("hex") !== sha256.toLowerCase()) {
    throw corrupt(key, "does not have the SHA-256 it was registered with");
  }
}

function corrupt(key: string, what: string): LakehouseError {
  return new LakehouseError("data_corrupt", `The object ${key} ${what}.`, {
    hint: "Ingest the dataset again, or restore the object.",
    extra: { key },
  });
}
