import { LakehouseError } from "../../core/error.ts";
import { ATTEMPTS, backOff, idempotent, requestAborted, withDeadline } from "./attempt.ts";
import { type Condition, headObject, type ObjectHead } from "./calls.ts";
import type { Connection } from "./connection.ts";
import {
  isAbsent,
  isPreconditionFailed,
  isTransient,
  mayHaveLanded,
  toFailure,
} from "./failure.ts";
import { judge, type Lineage, type Verdict } from "./lineage.ts";

/**
 * The request that makes an object appear: a PUT, or the completion of a multipart upload. Before
 * it nothing is stored, after it everything is. Its answer can be lost although the store carried
 * it out; then the object itself is asked, by the lineage it carries.
 */
export interface Commit {
  /** The key in the bucket. */
  readonly key: string;
  readonly condition: Condition;
  /** Its first id is this put's own. */
  readonly lineage: Lineage;
  /** Etag and lineage of the object to be replaced, under `if_match`. */
  readonly base?: { readonly etag: string; readonly lineage: Lineage } | undefined;
  readonly deadline_ms: number;
  readonly signal?: AbortSignal | undefined;
  /** Returns the etag, or an empty string if the server told none. */
  send(signal: AbortSignal): Promise<string>;
}

/**
 * Returns the etag, as `send` does. Throws `precondition_failed` or `commit_unknown` where they
 * apply; after anything else the key holds what it held before.
 */
export async function commit(connection: Connection, work: Commit): Promise<string> {
  if (work.signal?.aborted === true) throw requestAborted();
  let unanswered: unknown;
  for (let attempt = 1; ; attempt += 1) {
    let error: unknown;
    try {
      return await withDeadline(work.deadline_ms, work.signal, (signal) => work.send(signal));
    } catch (caught) {
      error = caught;
    }
    if (mayHaveLanded(error)) unanswered = error;
    const refused = isRefused(error, work);
    if (unanswered === undefined && !refused && !isTransient(error)) {
      throw toFailure(error, "store the object");
    }
    if (unanswered !== undefined || refused) {
      const { verdict, etag } = await look(connection, work, unanswered ?? error);
      if (verdict === "landed") return etag;
      if (verdict === "lost" || unanswered === undefined) throw preconditionFailed();
      if (verdict === "unknown" && refused) throw commitUnknown(unanswered);
    }
    if (attempt === ATTEMPTS || !isTransient(error)) {
      throw unanswered === undefined
        ? toFailure(error, "store the object")
        : commitUnknown(unanswered);
    }
    await backOff(attempt, undefined);
  }
}

/** By its condition. AWS answers 404 to If-Match on a key that is absent. */
function isRefused(error: unknown, { condition }: Commit): boolean {
  return isPreconditionFailed(error) || (condition.if_match !== undefined && isAbsent(error));
}

/** Reads back what is stored now; also after a plain 412, since a proxy may send a put twice. */
async function look(
  connection: Connection,
  work: Commit,
  reason: unknown,
): Promise<{ readonly verdict: Verdict; readonly etag: string }> {
  let found: ObjectHead | undefined;
  try {
    found = await findObject(connection, work.key);
  } catch {
    throw commitUnknown(reason);
  }
  const { condition, lineage, base } = work;
  const put = { own: lineage.ids[0] ?? "", condition, base_etag: base?.etag, base: base?.lineage };
  const verdict = judge(found, put);
  // A later object built upon ours has another etag: ours is told only while it is the one there.
  const current = found?.lineage.ids[0] === put.own;
  return { verdict, etag: current ? (found?.etag ?? "") : "" };
}

/** HEAD, with undefined for an object that is absent. */
export async function findObject(
  connection: Connection,
  key: string,
): Promise<ObjectHead | undefined> {
  return idempotent(connection, { what: "look up the object" }, async (signal) => {
    try {
      const found = await headObject(connection, key, signal);
      connection.lineages.remember(key, found.etag, found.lineage);
      return found;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  });
}

export function preconditionFailed(): LakehouseError {
  return new LakehouseError("precondition_failed", "The object is not in the expected state.", {
    hint: "Read it again and decide anew.",
  });
}

export function commitUnknown(reason: unknown): LakehouseError {
  return new LakehouseError(
    "commit_unknown",
    "The S3 store did not confirm the write, and it cannot be told whether it was made.",
    { hint: "Read the object back to decide.", cause: toFailure(reason, "store the object") },
  );
}
