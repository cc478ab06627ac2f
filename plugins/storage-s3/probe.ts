import { idempotent } from "./attempt.ts";
import { digestOf } from "./body-digest.ts";
import { type Condition, deleteObject, putObject } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { faultOf } from "./failure.ts";
import { newPutId } from "./lineage.ts";

/** What this server does, found out by trying: version strings do not tell. */
export interface ServerFacts {
  /** If-None-Match and If-Match are kept on PUT. Some servers accept and ignore them. */
  readonly conditional_put: boolean;
  /** If-Match wants the etag with its quotes (RFC 9110 §13.1.1); AWS takes both, Ceph only without. */
  readonly quoted_etags: boolean;
  /** False where the bucket encrypts with KMS keys, or the server names etags in its own way. */
  readonly etag_is_md5: boolean;
}

/** No object has this MD5 by accident. */
const WRONG_ETAG = "00000000000000000000000000000000";
const TRIAL = Buffer.from("lakehouse");
const TRIAL_MD5 = new Bun.CryptoHasher("md5").update(TRIAL).digest("hex");

/** Puts, conditionally replaces and deletes one small object. Throws with a hint if it cannot. */
export async function probe(connection: Connection): Promise<ServerFacts> {
  const key = `${connection.prefix}_lakehouse/probe-${crypto.randomUUID()}`;
  const put = await trialPut(connection, key);
  const { etag } = await put({});
  try {
    const creates_only = (await put({ if_none_match: "*" })).refused;
    const compares = (await put({ if_match: WRONG_ETAG })).refused;
    const swaps = (await put({ if_match: etag })).stored;
    const swaps_quoted = !swaps && (await put({ if_match: `"${etag}"` })).stored;
    return {
      conditional_put: creates_only && compares && (swaps || swaps_quoted),
      quoted_etags: swaps_quoted,
      etag_is_md5: etag === TRIAL_MD5,
    };
  } finally {
    await idempotent(connection, { what: "delete the trial object" }, (signal) =>
      deleteObject(connection, key, signal),
    );
  }
}

interface Outcome {
  readonly etag: string;
  readonly stored: boolean;
  /** By the condition; a server that does not know conditions answers 400 or 501 instead. */
  readonly refused: boolean;
}

async function trialPut(
  connection: Connection,
  key: string,
): Promise<(condition: Condition) => Promise<Outcome>> {
  const { sha256 } = await digestOf(TRIAL);
  return (condition) =>
    idempotent(connection, { what: "take a small object as a trial" }, async (signal) => {
      const lineage = { ids: [newPutId()], whole: false };
      const put = { key, body: TRIAL, size_bytes: TRIAL.length, sha256, lineage, condition };
      try {
        const etag = await putObject(connection, put, signal);
        return { etag, stored: true, refused: false };
      } catch (error) {
        const { status } = faultOf(error);
        const conditional = Object.keys(condition).length > 0;
        if (conditional && (status === 412 || status === 400 || status === 501)) {
          return { etag: "", stored: false, refused: status === 412 };
        }
        throw error;
      }
    });
}
