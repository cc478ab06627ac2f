import { LakehouseError } from "../error.ts";
import type { Json } from "../json.ts";
import type { ObjectInfo, ObjectStore } from "../storage.ts";
import { quoted } from "./etags.ts";

const PARAMETERS = new Set(["prefix", "after", "limit"]);

/** Answers GET /storage/list: one page, sorted by key in UTF-8 byte order. */
export async function listObjects(
  store: ObjectStore,
  url: string,
  list_page: number,
): Promise<Json> {
  const query = queryOf(url);
  const prefix = query.get("prefix") ?? "";
  const after = query.get("after");
  const limit = limitOf(query.get("limit"), list_page);
  const page = await store.list({ prefix, limit, ...(after === undefined ? {} : { after }) });
  return {
    prefix,
    objects: page.objects.map(objectJson),
    ...(page.next === undefined ? {} : { next: page.next }),
  };
}

/** The members S3 gives an object in a listing, times as RFC 3339. */
export function objectJson({ key, size_bytes, etag, last_modified }: ObjectInfo): Json {
  return {
    Key: key,
    Size: size_bytes,
    ETag: quoted(etag),
    LastModified: last_modified.toISOString(),
  };
}

/**
 * The query, strictly: what is unknown, given twice or no UTF-8 is refused rather than answered with
 * another listing than the one that was meant. `+` is a space, as forms send it.
 */
function queryOf(url: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  const start = url.indexOf("?");
  const text = start < 0 ? "" : (url.slice(start + 1).split("#", 1)[0] ?? "");
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const [name = "", ...value] = pair.split("=").map(decode);
    if (!PARAMETERS.has(name)) throw invalid(`There is no parameter ${name.slice(0, 64)}.`);
    if (query.has(name)) throw invalid(`The parameter ${name} is given twice.`);
    query.set(name, value.join("="));
  }
  return query;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw invalid("The query is not percent-encoded UTF-8.");
  }
}

function limitOf(text: string | undefined, list_page: number): number {
  if (text === undefined) return list_page;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= list_page) return limit;
  throw invalid(`limit must be a whole number from 1 to ${list_page}.`);
}

function invalid(detail: string): LakehouseError {
  return new LakehouseError("invalid_request", detail, {
    hint: "GET /storage/list takes prefix, after and limit, each once and percent-encoded.",
  });
}
