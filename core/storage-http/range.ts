import type { ByteRange } from "../storage.ts";

/** One range of a `Range` header: from a position, or the last bytes. */
export type RangeRequest =
  | { readonly kind: "from"; readonly range: ByteRange }
  | { readonly kind: "last"; readonly length: number };

/**
 * `Range: bytes=…` with one range (RFC 9110 §14.2). Undefined for anything else, which a server
 * answers as if there were no such header: another unit, a malformed value, several ranges.
 */
export function parseRange(header: string | null): RangeRequest | undefined {
  const match = /^bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") return last === "" ? undefined : { kind: "last", length: position(last) };
  const offset = position(first);
  if (last === "") return { kind: "from", range: { offset } };
  const end = position(last);
  if (end < offset) return undefined;
  return { kind: "from", range: { offset, length: end - offset + 1 } };
}

/** Positions beyond what a number holds exactly lie past the end of every object. */
function position(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER - 1);
}
