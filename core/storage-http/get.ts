import { hasCode, LakehouseError } from "../error.ts";
import type { Logger } from "../log.ts";
import type { ByteRange, ObjectInfo, ObjectStore, StoredObject } from "../storage.ts";
import { entityTags, matchesStrongly, matchesWeakly, quoted } from "./etags.ts";
import { parseRange } from "./range.ts";

/** Objects up to this size are read before they are sent. */
const WHOLE_BYTES = 1024 * 1024;

/** Tries at a range that depends on the size, while the object keeps changing. */
const SUFFIX_ATTEMPTS = 5;

/** Answers HEAD: 200 or 304 with the headers of the object and no bytes. */
export async function headObject(
  store: ObjectStore,
  key: string,
  request: Request,
): Promise<Response> {
  const info = await store.head(key);
  if (info === undefined) throw notFound(key);
  const unchanged = checkConditions(request.headers, info);
  if (unchanged !== undefined) return unchanged;
  return new Response(null, {
    headers: { ...headersOf(info), "content-length": String(info.size_bytes) },
  });
}

/** Answers GET: 200, 206 with one range, or 304 (RFC 9110 §13.2.2 gives the order). */
export async function getObject(
  store: ObjectStore,
  key: string,
  request: Request,
  log: Logger,
): Promise<Response> {
  const { headers, signal } = request;
  if (headers.has("if-match") || headers.has("if-none-match")) {
    const info = await store.head(key);
    if (info === undefined) throw notFound(key);
    const unchanged = checkConditions(headers, info);
    if (unchanged !== undefined) return unchanged;
  }
  const opened = await openRange(store, key, headers, signal);
  if (opened === undefined) {
    const object = await store.get(key, { signal });
    if (object === undefined) throw notFound(key);
    return respond(
      object,
      object.info.size_bytes,
      { status: 200, headers: headersOf(object.info) },
      log,
    );
  }
  const { object, range } = opened;
  const { info } = object;
  const length = Math.min(range.length ?? Number.POSITIVE_INFINITY, info.size_bytes - range.offset);
  const content_range = `bytes ${range.offset}-${range.offset + length - 1}/${info.size_bytes}`;
  return respond(
    object,
    length,
    { status: 206, headers: { ...headersOf(info), "content-range": content_range } },
    log,
  );
}

/** The object at the range that is asked for; undefined if the whole object is. */
async function openRange(
  store: ObjectStore,
  key: string,
  headers: Headers,
  signal: AbortSignal,
): Promise<{ readonly object: StoredObject; readonly range: ByteRange } | undefined> {
  const asked = parseRange(headers.get("range"));
  if (asked === undefined) return undefined;
  const if_range = headers.get("if-range");
  for (let attempt = 0; attempt < SUFFIX_ATTEMPTS; attempt++) {
    const depends = asked.kind === "last" || if_range !== null;
    const info = depends ? await store.head(key) : undefined;
    if (depends && info === undefined) throw notFound(key);
    // A date in If-Range is no strong validator here: HTTP dates have seconds (RFC 9110 §13.1.5).
    if (if_range !== null && if_range !== quoted(info?.etag ?? "")) return undefined;
    const range = asked.kind === "from" ? asked.range : suffix(info?.size_bytes ?? 0, asked.length);
    const object = await openAt(store, key, range, signal);
    if (info === undefined || object.info.etag === info.etag) return { object, range };
    await release(object);
  }
  throw new LakehouseError("storage_failed", "The object kept changing while it was opened.");
}

async function openAt(
  store: ObjectStore,
  key: string,
  range: ByteRange,
  signal: AbortSignal,
): Promise<StoredObject> {
  try {
    const object = await store.get(key, { range, signal });
    if (object === undefined) throw notFound(key);
    return object;
  } catch (error) {
    if (!hasCode(error, "range_not_satisfiable")) throw error;
    const info = await store.head(key);
    if (info === undefined) throw notFound(key);
    // For `Content-Range: bytes */<size>` (RFC 9110 §15.5.17); not every backend knows it.
    throw new LakehouseError(error.code, error.message, { extra: { size_bytes: info.size_bytes } });
  }
}

/** The last bytes; of none, or of an empty object, there is nothing to send. */
function suffix(size_bytes: number, length: number): ByteRange {
  return { offset: length === 0 ? size_bytes : Math.max(0, size_bytes - length) };
}

/** Throws `precondition_failed`; returns the 304 if the client has this version already. */
function checkConditions(headers: Headers, info: ObjectInfo): Response | undefined {
  const match = entityTags(headers, "if-match");
  if (match !== undefined && !matchesStrongly(match, info.etag)) {
    throw new LakehouseError("precondition_failed", "The object has another ETag.");
  }
  const none_match = entityTags(headers, "if-none-match");
  if (none_match === undefined || !matchesWeakly(none_match, info.etag)) return undefined;
  const { etag, "last-modified": last_modified } = headersOf(info);
  return new Response(null, { status: 304, headers: { etag, "last-modified": last_modified } });
}

function headersOf(info: ObjectInfo) {
  return {
    etag: quoted(info.etag),
    "last-modified": info.last_modified.toUTCString(),
    "accept-ranges": "bytes",
    "content-type": "application/octet-stream",
    "x-content-type-options": "nosniff",
    // A browser would otherwise guess how long an object stays the same.
    "cache-control": "no-cache",
  };
}

/**
 * Sends an object. A small one is sent as such, with its length. A large one goes out chunked, which
 * is all Bun does with a stream: an error in mid-stream resets the connection before the last chunk,
 * so a cut body is never a valid one (RFC 9112 §7.1, §8).
 */
async function respond(
  object: StoredObject,
  length: number,
  init: { readonly status: number; readonly headers: Record<string, string> },
  log: Logger,
): Promise<Response> {
  if (length <= WHOLE_BYTES) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of object.stream) chunks.push(chunk);
    return new Response(Buffer.concat(chunks), init);
  }
  const source = object.stream[Symbol.asyncIterator]();
  // Before the status is sent, so that a failure to read is still a problem of its own.
  const first = await source.next();
  const chunk = first.done === true ? new Uint8Array() : first.value;
  return new Response(resumed(chunk, source, object.info.key, log), init);
}

/** Not a generator: one that is left before it starts would never release the object. */
function resumed(
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
  key: string,
  log: Logger,
): AsyncIterable<Uint8Array> {
  let pending: Uint8Array | undefined = first;
  const iterator: AsyncIterator<Uint8Array> = {
    async next() {
      if (pending !== undefined) {
        const value = pending;
        pending = undefined;
        return { done: false, value };
      }
      try {
        return await rest.next();
      } catch (error) {
        log.warn({ err: error, key }, "a download was cut off");
        throw error;
      }
    },
    async return() {
      await rest.return?.();
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

async function release(object: StoredObject): Promise<void> {
  await object.stream[Symbol.asyncIterator]().return?.();
}

export function notFound(key: string): LakehouseError {
  return new LakehouseError("object_not_found", "There is no object with this key.", {
    hint: "GET /storage/list?prefix= lists the keys.",
    extra: { key },
  });
}
