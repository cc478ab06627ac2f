import { LakehouseError } from "./error.ts";

/** What a backend promises beyond the base contract; the conformance suite proves each claim. */
export interface StorageTraits {
  /** `if_absent` and `if_match` are atomic, also between processes. */
  readonly conditional_put: boolean;
  /** Objects have a path that other programs of this machine can open (`localPath`). */
  readonly local_path: boolean;
}

export interface ObjectInfo {
  readonly key: string;
  readonly size_bytes: number;
  /** Opaque, without quotes; changes whenever the bytes change. Compare only for equality. */
  readonly etag: string;
  readonly last_modified: Date;
}

export interface PutOptions {
  /** Create only: `precondition_failed` if the key exists (RFC 9110 §13.1.2, `If-None-Match: *`). */
  readonly if_absent?: boolean;
  /** Replace only if the stored etag is this one: `precondition_failed` otherwise (`If-Match`). */
  readonly if_match?: string;
  readonly signal?: AbortSignal;
}

/** Bytes to store. A stream is read once, in bounded memory. A file is read from its path. */
export type PutBody =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "stream"; readonly stream: AsyncIterable<Uint8Array> }
  | {
      readonly kind: "file";
      readonly path: string;
      /**
       * The file is the caller's own, and nobody writes to it any more: a store may then keep the
       * very file rather than a copy. The path stays, to be put again or removed; times and mode of
       * the file may change.
       */
      readonly frozen?: boolean;
    };

/** `offset` in bytes from the start; without `length` to the end (RFC 9110 §14.1.2). */
export interface ByteRange {
  readonly offset: number;
  readonly length?: number;
}

export interface GetOptions {
  readonly range?: ByteRange;
  readonly signal?: AbortSignal;
}

export interface StoredObject {
  readonly info: ObjectInfo;
  /**
   * The bytes, once. An error in mid-read throws from the iterator: a short read is never silent.
   * Leaving the loop early releases the file or the connection.
   */
  readonly stream: AsyncIterable<Uint8Array>;
}

export interface ListOptions {
  readonly prefix?: string;
  /** Only keys strictly after this one, in UTF-8 byte order. */
  readonly after?: string;
  /** At most this many; a backend may clamp it to 1,000 and set `next`. */
  readonly limit?: number;
}

export interface ListPage {
  readonly objects: readonly ObjectInfo[];
  /** Pass as `after` to go on; absent on the last page. */
  readonly next?: string;
}

/**
 * A place for immutable bytes under keys. Every method may throw `storage_failed`,
 * `storage_timeout` or `storage_full`; keys are checked by the implementation with `checkKey`.
 */
export interface ObjectStore {
  /** `file` or `s3`: what the backend calls itself in `/health` and in logs. */
  readonly scheme: string;
  readonly traits: StorageTraits;
  /**
   * Stores all the bytes or none: when it returns, they survive a power cut; when it throws
   * anything but `commit_unknown`, the key holds what it held before. `commit_unknown` means that
   * the answer of a remote store was lost: read back to decide.
   */
  put(key: string, body: PutBody, options?: PutOptions): Promise<ObjectInfo>;
  /** Undefined if there is no such object; `range_not_satisfiable` for an offset at or past the end. */
  get(key: string, options?: GetOptions): Promise<StoredObject | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** True if it was there. Deleting what is absent is no error. */
  delete(key: string): Promise<boolean>;
  /** One page, sorted by key in UTF-8 byte order. */
  list(options?: ListOptions): Promise<ListPage>;
  /** With the trait `local_path`: the path of an existing object, or undefined. */
  localPath?(key: string): Promise<string | undefined>;
}

export const KEY_LIMIT_BYTES = 1024;
export const SEGMENT_LIMIT_BYTES = 255;

const encoder = new TextEncoder();

/** U+0000–U+001F, U+007F–U+009F, and `\`, which some systems take for a separator. */
// oxlint-disable-next-line no-control-regex -- control characters are what this rejects
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\\]/u;

/**
 * The key rules, the same for every backend: 1 to 1,024 bytes of well-formed UTF-8 in normal form
 * NFC, segments of 1 to 255 bytes divided by `/`, none of them `.` or `..`, no control characters
 * and no backslash. Throws `invalid_key`; returns the key.
 */
export function checkKey(key: string): string {
  const fail = (why: string, hint: string): never => {
    throw new LakehouseError("invalid_key", `The key ${why}.`, {
      hint,
      extra: { key: key.toWellFormed().slice(0, 256) },
    });
  };
  if (key.length === 0) fail("is empty", "Put the key after /storage/put/.");
  if (!key.isWellFormed()) fail("is not well-formed Unicode", "Encode the key as UTF-8.");
  if (FORBIDDEN.test(key))
    fail("holds a control character or a backslash", "Use printable characters.");
  if (key.normalize("NFC") !== key)
    fail("is not in Unicode normal form NFC", "Normalise it to NFC.");
  if (encoder.encode(key).length > KEY_LIMIT_BYTES) {
    fail(`is longer than ${KEY_LIMIT_BYTES} bytes`, "Shorten the key.");
  }
  for (const segment of key.split("/")) {
    if (segment === "")
      fail("has an empty segment", "No slash at the start, at the end or twice in a row.");
    if (segment === "." || segment === "..")
      fail("has a `.` or `..` segment", "Keys are not paths.");
    if (encoder.encode(segment).length > SEGMENT_LIMIT_BYTES) {
      fail(
        `has a segment longer than ${SEGMENT_LIMIT_BYTES} bytes`,
        "Shorten it, or divide it with slashes.",
      );
    }
  }
  return key;
}

/** Compares two keys in UTF-8 byte order, which is code point order (RFC 3629 §1). */
export function compareKeys(left: string, right: string): number {
  const a = left[Symbol.iterator]();
  const b = right[Symbol.iterator]();
  for (;;) {
    const x = a.next();
    const y = b.next();
    if (x.done === true) return y.done === true ? 0 : -1;
    if (y.done === true) return 1;
    const difference = (x.value.codePointAt(0) ?? 0) - (y.value.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
}

/** Reads a whole object into memory; for small objects such as manifests. */
export async function readAll(object: StoredObject, limit_bytes: number): Promise<Uint8Array> {
  if (object.info.size_bytes > limit_bytes) {
    // A stream that is never read would keep its file or connection.
    await object.stream[Symbol.asyncIterator]().return?.();
    throw new LakehouseError(
      "limit_exceeded",
      `${object.info.key} has ${object.info.size_bytes} bytes, more than ${limit_bytes}.`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of object.stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
