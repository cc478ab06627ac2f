import { open } from "node:fs/promises";
import type { ObjectStore } from "../../core/storage.ts";
import { parseBaseKey } from "./base.ts";
import { parseSegmentKey, type SegmentKey, segmentPrefix } from "./segment.ts";

/** What lies under `_vectors/`. */
export interface StoredObjects {
  /** Names with a base object. */
  readonly names: readonly string[];
  /** By index name, in order of key. */
  readonly segments: ReadonlyMap<string, readonly SegmentKey[]>;
}

export async function listObjects(store: ObjectStore): Promise<StoredObjects> {
  const names: string[] = [];
  const segments = new Map<string, SegmentKey[]>();
  for await (const key of keysBelow(store, "_vectors/")) {
    const name = parseBaseKey(key);
    if (name !== undefined) names.push(name);
    const segment = parseSegmentKey(key);
    if (segment !== undefined) {
      const others = segments.get(segment.name);
      if (others === undefined) segments.set(segment.name, [segment]);
      else others.push(segment);
    }
  }
  return { names, segments };
}

/** Deletes every log piece under an index name. */
export async function deleteSegments(store: ObjectStore, name: string): Promise<void> {
  for await (const key of keysBelow(store, segmentPrefix(name))) await store.delete(key);
}

async function* keysBelow(store: ObjectStore, prefix: string): AsyncIterable<string> {
  let after: string | undefined;
  do {
    const page = await store.list({ prefix, ...(after === undefined ? {} : { after }) });
    for (const { key } of page.objects) yield key;
    after = page.next;
  } while (after !== undefined);
}

/** Writes a stream of bytes to a local file; a short write is an error. */
export async function writeStream(path: string, stream: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    for await (const chunk of stream) {
      for (let at = 0; at < chunk.length;) {
        at += (await file.write(chunk, at)).bytesWritten;
      }
    }
  } finally {
    await file.close();
  }
}
