import { LakehouseError } from "../error.ts";
import type { Limits } from "../limits.ts";
import type { ObjectInfo, ObjectStore, PutOptions } from "../storage.ts";
import { entityTags, matchesStrongly } from "./etags.ts";

/**
 * Stores the body of a request, in bounded memory. `body_too_large`, `precondition_failed`,
 * `deadline_exceeded` if the client falls silent, `request_aborted` if it leaves; in each of these
 * cases the key keeps what it had.
 */
export async function putObject(
  store: ObjectStore,
  key: string,
  request: Request,
  limits: Limits,
): Promise<ObjectInfo> {
  const conditions = await conditionsOf(store, key, request.headers);
  const silence = new AbortController();
  const signal = AbortSignal.any([request.signal, silence.signal]);
  const stream = countedBody(request, limits, silence);
  return store.put(key, { kind: "stream", stream }, { ...conditions, signal });
}

/** Refuses by its headers what would be refused later anyway, before a byte of it is read. */
export function checkUpload({ headers }: Request, limits: Limits): void {
  if (declaredBytes(headers) > limits.storage_put_bytes) throw tooLarge(limits.storage_put_bytes);
  // RFC 9110 §14.5: a part of an object must not be taken for the whole.
  if (headers.has("content-range")) {
    throw new LakehouseError("invalid_request", "A PUT of a part of an object is not served.", {
      hint: "Send the whole object, without Content-Range.",
    });
  }
}

async function conditionsOf(
  store: ObjectStore,
  key: string,
  headers: Headers,
): Promise<Pick<PutOptions, "if_absent" | "if_match">> {
  const none_match = entityTags(headers, "if-none-match");
  const match = entityTags(headers, "if-match");
  if (none_match !== undefined && (none_match !== "*" || match !== undefined)) {
    throw new LakehouseError(
      "invalid_request",
      "PUT takes If-None-Match with * alone, and not beside If-Match.",
      { hint: "If-None-Match: * creates only; If-Match with an ETag replaces that version only." },
    );
  }
  if (none_match !== undefined) return { if_absent: true };
  if (match === undefined) return {};
  // Tied to the version that is there now: one that comes in between fails the put, as it should.
  const current = await store.head(key);
  if (current === undefined || !matchesStrongly(match, current.etag)) {
    throw new LakehouseError(
      "precondition_failed",
      current === undefined ? "There is no such object." : "The object has another ETag.",
      { hint: "Read the object again and decide anew.", extra: { key } },
    );
  }
  return { if_match: current.etag };
}

/** The body, counted; it throws rather than end early or late. */
async function* countedBody(
  request: Request,
  limits: Limits,
  silence: AbortController,
): AsyncGenerator<Uint8Array> {
  const declared_bytes = declaredBytes(request.headers);
  let size_bytes = 0;
  const reader = request.body?.getReader();
  try {
    for (;;) {
      // Counted only while we wait for the client, not while the store writes.
      if (reader === undefined) break;
      const timer = setTimeout(() => silence.abort(silent(limits)), limits.storage_idle_ms);
      const step = await reader
        .read()
        .catch(cutOff)
        .finally(() => clearTimeout(timer));
      if (step.done) break;
      size_bytes += step.value.byteLength;
      if (size_bytes > limits.storage_put_bytes) throw tooLarge(limits.storage_put_bytes);
      yield step.value;
    }
  } finally {
    // What is left of the body is of no use to anybody.
    reader?.cancel().catch(() => {});
  }
  if (request.headers.has("content-length") && size_bytes !== declared_bytes) {
    throw new LakehouseError(
      "request_aborted",
      `The body ended at ${size_bytes} of ${declared_bytes} bytes.`,
    );
  }
}

function cutOff(cause: unknown): never {
  throw new LakehouseError("request_aborted", "The connection broke during the upload.", { cause });
}

function declaredBytes(headers: Headers): number {
  return Number(headers.get("content-length") ?? 0);
}

function tooLarge(limit_bytes: number): LakehouseError {
  return new LakehouseError("body_too_large", `The body is larger than ${limit_bytes} bytes.`, {
    hint: "Divide the object, or raise storage_put_bytes under [limits].",
    extra: { limit_bytes },
  });
}

function silent({ storage_idle_ms }: Limits): LakehouseError {
  return new LakehouseError(
    "deadline_exceeded",
    `The client sent nothing for ${storage_idle_ms} ms in the middle of its upload.`,
    { hint: "Send the object again; storage_idle_ms under [limits] sets the time." },
  );
}
