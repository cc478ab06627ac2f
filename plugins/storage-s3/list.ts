import type { _Object } from "@aws-sdk/client-s3";
import { LakehouseError } from "../../core/error.ts";
import {
  checkKey,
  compareKeys,
  type ListOptions,
  type ListPage,
  type ObjectInfo,
} from "../../core/storage.ts";
import { idempotent } from "./attempt.ts";
import { listObjects, unquoted } from "./calls.ts";
import type { Connection } from "./connection.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html#API_ListObjectsV2_RequestSyntax */
const PAGE_MAX = 1000;

/** One page. Objects of others whose keys break our rules are left out: nothing could read them. */
export async function listPage(connection: Connection, options: ListOptions): Promise<ListPage> {
  const { prefix = "", limit = PAGE_MAX } = options;
  // Such a prefix begins no key, and cannot be sent either.
  if (!prefix.isWellFormed()) return { objects: [] };
  let after = options.after ?? "";
  for (;;) {
    const page = await oneCall(connection, { prefix, after, limit: Math.min(limit, PAGE_MAX) });
    const { objects, next } = page;
    if (next === undefined) return { objects };
    if (objects.length > 0) return { objects, next };
    after = next;
  }
}

async function oneCall(
  connection: Connection,
  { prefix, after, limit }: { prefix: string; after: string; limit: number },
): Promise<ListPage> {
  const page = {
    prefix: connection.prefix + prefix,
    after: after === "" ? "" : connection.prefix + after.toWellFormed(),
    limit,
  };
  const answer = await idempotent(connection, { what: "list its objects" }, (signal) =>
    listObjects(connection, page, signal),
  );
  const url_encoded = answer.EncodingType === "url";
  const found = (answer.Contents ?? []).map((object) => listed(object, url_encoded));
  let last = page.after;
  for (const { key } of found) {
    if (last !== "" && compareKeys(last, key) >= 0) throw unsorted();
    last = key;
  }
  const own = connection.prefix.length;
  const objects = found
    .map((object) => ({ ...object, key: object.key.slice(own) }))
    .filter(({ key }) => isKey(key));
  return answer.IsTruncated === true && found.length > 0
    ? { objects, next: last.slice(own) }
    : { objects };
}

function listed(object: _Object, url_encoded: boolean): ObjectInfo {
  const key = object.Key ?? "";
  return {
    key: url_encoded ? decodeKey(key) : key,
    size_bytes: object.Size ?? 0,
    etag: unquoted(object.ETag),
    last_modified: object.LastModified ?? new Date(0),
  };
}

/** AWS writes a space as `+`, Ceph as `%20`; both write `+` as `%2B`. */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch (error) {
    throw new LakehouseError("storage_failed", "The S3 store lists a key that is not UTF-8.", {
      hint: "Give the server a bucket, or a prefix, of its own.",
      extra: { key: key.slice(0, 256) },
      cause: error,
    });
  }
}

function isKey(key: string): boolean {
  try {
    checkKey(key);
    return true;
  } catch {
    return false;
  }
}

/** Pages are continued from the last key, so an unordered listing would lose objects. */
function unsorted(): LakehouseError {
  return new LakehouseError(
    "storage_failed",
    "The S3 store does not list its objects in the order of their keys.",
    { hint: "S3 directory buckets (S3 Express) do this; use a general purpose bucket." },
  );
}
