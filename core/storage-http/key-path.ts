import { LakehouseError } from "../error.ts";
import { checkKey } from "../storage.ts";

/**
 * The key in the path of a request, decoded exactly once, each segment by itself (RFC 3986 §2.4).
 * Taken from the request line, since a router's own parameter may be decoded already. Throws
 * `invalid_key`.
 *
 * The URL itself is normalised before anybody sees it, as in every client and proxy (RFC 3986
 * §6.2.2.3): `a/../b` is `b`, and a raw backslash is a slash.
 */
export function keyOfPath(url: string, verb: "put" | "get" | "delete"): string {
  const marker = `/storage/${verb}/`;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const path = url.slice(start).split(/[?#]/, 1)[0] ?? "";
  const encoded = path.slice(path.indexOf(marker) + marker.length);
  return checkKey(encoded.split("/").map(decodeSegment).join("/"));
}

function decodeSegment(encoded: string): string {
  let segment: string;
  try {
    // Strict: a lone `%` and bytes that are no UTF-8 throw; `+` stays a plus.
    segment = decodeURIComponent(encoded);
  } catch (error) {
    throw invalidKey("is not percent-encoded UTF-8", error);
  }
  if (segment.includes("/")) {
    throw invalidKey("has an encoded slash inside a segment, where no key can have one");
  }
  // What the server puts in the place of raw bytes that are no UTF-8: not the key that was meant.
  if (segment.includes("\ufffd")) throw invalidKey("holds U+FFFD, which stands for lost bytes");
  return segment;
}

function invalidKey(why: string, cause?: unknown): LakehouseError {
  return new LakehouseError("invalid_key", `The key in the path ${why}.`, {
    hint: "Encode each segment of the key as UTF-8 with percent escapes, and leave the slashes.",
    cause,
  });
}

/** Where the server keeps what it answers for: readable by everybody, written only by itself. */
const RESERVED_PREFIXES = ["_catalog/", "_vectors/", "datasets/"] as const;

/**
 * Throws `reserved_key` for a key whose object belongs to the catalog, the ingest or the vectors:
 * one stray PUT or DELETE there would change or lose data behind their back.
 */
export function checkNotReserved(key: string): string {
  const prefix = RESERVED_PREFIXES.find((each) => key.startsWith(each));
  if (prefix === undefined) return key;
  throw new LakehouseError("reserved_key", `Objects under ${prefix} are written by the server.`, {
    hint: "Put your own objects under another prefix; datasets are written through /ingest.",
    extra: { key },
  });
}
