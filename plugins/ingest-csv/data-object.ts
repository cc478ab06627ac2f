import type { Codec } from "../../core/codec.ts";
import type { Json } from "../../core/json.ts";
import type { ObjectStore } from "../../core/storage.ts";

const CONTENT_ID_DIGITS = 32;

/**
 * Names what an upload becomes: the same bytes, options and converter always give the same id, and
 * a later converter gives another, so that no object is ever overwritten with other bytes. Pure.
 */
export function contentId(
  codec: Pick<Codec, "format" | "version" | "canonicalOptions">,
  options: Readonly<Record<string, string>>,
  upload_sha256: string,
  /** Of the columns in the file, in order: they are written into it. */
  column_ids: readonly number[],
): string {
  const identity: Json[] = [
    codec.format,
    codec.version,
    codec.canonicalOptions(options),
    upload_sha256,
  ];
  // Those of a new dataset are the rule.
  if (column_ids.some((id, index) => id !== index + 1)) identity.push(column_ids);
  return new Bun.CryptoHasher("sha256")
    .update(JSON.stringify(identity))
    .digest("hex")
    .slice(0, CONTENT_ID_DIGITS);
}

/** `datasets/<name>/<fingerprint>/<content id>.parquet`. */
export function dataKey(name: string, schema_fingerprint: string, content_id: string): string {
  return `datasets/${name}/${schema_fingerprint.replace(/^sha256:/, "")}/${content_id}.parquet`;
}

/** What is stored under a key. */
export interface DescribedObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
}

/**
 * Stores a data object, unless exactly these bytes are there already: objects are immutable. One
 * that is damaged or incomplete is written again, so that ingesting a file anew repairs it. Nobody
 * may write to the file at `path` any more: it may become the object.
 */
export async function storeObject(
  store: ObjectStore,
  object: DescribedObject,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  const existing = await store.get(object.key);
  if (existing !== undefined && existing.info.size_bytes === object.size) {
    if ((await sha256Of(existing.stream)) === object.sha256) return;
  } else if (existing !== undefined) {
    await release(existing.stream);
  }
  const body = { kind: "file", path, frozen: true } as const;
  await store.put(object.key, body, signal === undefined ? {} : { signal });
}

async function sha256Of(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of stream) hasher.update(chunk);
  return hasher.digest("hex");
}

/** Leaving the loop closes what is behind the stream. */
async function release(stream: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of stream) break;
}
