import { LakehouseError } from "../error.ts";

/** `*`, or entity tags as they were sent, quotes and `W/` included (RFC 9110 §8.8.3). */
export type EntityTags = "*" | readonly string[];

const LIST = /^(?:\s*(?:W\/)?"[\u0021\u0023-\u007e\u0080-\u00ff]*"\s*(?:,|$))+$/;
const TAG = /(?:W\/)?"[^"]*"/g;

/** `If-Match` or `If-None-Match`; undefined if absent. Throws `invalid_request`. */
export function entityTags(
  headers: Headers,
  name: "if-match" | "if-none-match",
): EntityTags | undefined {
  const value = headers.get(name)?.trim();
  if (value === undefined) return undefined;
  if (value === "*") return "*";
  if (LIST.test(value)) return value.match(TAG) ?? [];
  throw new LakehouseError("invalid_request", `${name} is not a list of quoted entity tags.`, {
    hint: 'Send the ETag as the server gave it, with its quotes: "…".',
  });
}

/** The etag of an object as a header, and as `ETag` in JSON: the same string everywhere. */
export function quoted(etag: string): string {
  return `"${etag}"`;
}

/** Strong comparison, for `If-Match`: a weak tag matches nothing (RFC 9110 §8.8.3.2). */
export function matchesStrongly(tags: EntityTags, etag: string): boolean {
  return tags === "*" || tags.includes(quoted(etag));
}

/** Weak comparison, for `If-None-Match`. */
export function matchesWeakly(tags: EntityTags, etag: string): boolean {
  return tags === "*" || tags.some((tag) => tag.replace(/^W\//, "") === quoted(etag));
}
