import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { LakehouseError } from "../../core/error.ts";
import type { Logger } from "../../core/log.ts";
import type { PutBody, PutOptions } from "../../core/storage.ts";
import { requestAborted } from "./attempt.ts";
import { BodyDigest, type Digest, digestOf, fileChunks } from "./body-digest.ts";
import { type Condition, putObject, unquoted } from "./calls.ts";
import { commit, type Commit, commitUnknown, findObject, preconditionFailed } from "./commit.ts";
import { type Connection, deadline_ms } from "./connection.ts";
import { descend, newPutId } from "./lineage.ts";
import { PART_BYTES, partBytes, putMultipart, type Stored } from "./multipart.ts";
import { BytesSource, type Part, type PartSource, StreamSource } from "./part-source.ts";
import type { ServerFacts } from "./probe.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const SINGLE_PUT_BYTES_MAX = 5 * 1024 ** 3;

/** Where puts go, and what they need on the way. */
export interface PutTarget {
  readonly connection: Connection;
  readonly facts: ServerFacts;
  readonly log: Logger;
  /** A folder for streams that must be known whole before they are sent. */
  readonly scratch_path: string;
}

/**
 * Stores a body. Small ones take one PUT and large ones go in parts; but a conditional put is
 * always one PUT, since servers ignore conditions at the end of a multipart upload (Ceph) while
 * they keep them on a PUT.
 */
export async function put(
  target: PutTarget,
  key: string,
  body: PutBody,
  options: PutOptions,
): Promise<Stored> {
  if (options.signal?.aborted === true) throw requestAborted();
  const condition = conditionOf(options, target.facts);
  const conditional = condition.if_none_match !== undefined || condition.if_match !== undefined;
  if (conditional && !target.facts.conditional_put) throw unconditional();
  if (conditional && body.kind === "bytes") {
    return putWhole(target, key, await wholeBytes(body.bytes), condition, options.signal);
  }
  if (conditional && body.kind === "file") {
    return putWhole(target, key, await wholeFile(body.path), condition, options.signal);
  }
  const size_bytes = await knownSize(body);
  const source = sourceOf(body);
  try {
    const first = await source.take(partBytes(1, size_bytes), options.signal);
    if (first === undefined || first.bytes.length < PART_BYTES) {
      const whole = first === undefined ? await wholeBytes(new Uint8Array()) : wholeOf(first);
      return await putWhole(target, key, whole, condition, options.signal);
    }
    if (conditional) {
      return await putSpooled(target, key, { source, first }, condition, options.signal);
    }
    const { signal } = options;
    return await putMultipart(target, { key, first, source, size_bytes, signal });
  } finally {
    await source.close();
  }
}

function conditionOf({ if_absent, if_match }: PutOptions, facts: ServerFacts): Condition {
  // No object is absent and has an etag.
  if (if_absent === true && if_match !== undefined) throw preconditionFailed();
  return {
    ...(if_absent === true ? { if_none_match: "*" } : {}),
    ...(if_match === undefined
      ? {}
      : { if_match: facts.quoted_etags ? `"${if_match}"` : if_match }),
  };
}

async function knownSize(body: PutBody): Promise<number | undefined> {
  if (body.kind === "bytes") return body.bytes.length;
  return body.kind === "file" ? (await stat(body.path)).size : undefined;
}

function sourceOf(body: PutBody): PartSource {
  if (body.kind === "bytes") return new BytesSource(body.bytes);
  return new StreamSource(body.kind === "file" ? fileChunks(body.path) : body.stream);
}

/** A body that can be sent more than once, and its digest. */
interface Whole {
  open(): Uint8Array | Readable;
  readonly digest: Digest;
}

const wholeOf = ({ bytes, digest }: Part): Whole => ({
  open: () => bytes,
  digest,
});

async function wholeBytes(bytes: Uint8Array): Promise<Whole> {
  return wholeOf({ bytes, digest: await digestOf(bytes) });
}

async function wholeFile(path: string): Promise<Whole> {
  const digest = new BodyDigest();
  for await (const chunk of fileChunks(path)) await digest.update(chunk);
  return { open: () => fileChunks(path), digest: digest.digest() };
}

/** Commit point: the one PUT. */
async function putWhole(
  target: PutTarget,
  key: string,
  whole: Whole,
  condition: Condition,
  signal: AbortSignal | undefined,
): Promise<Stored> {
  const { connection, facts } = target;
  const { size_bytes, sha256, md5 } = whole.digest;
  if (size_bytes > SINGLE_PUT_BYTES_MAX) throw tooLarge();
  const base = await baseOf(target, key, condition);
  const lineage = descend(newPutId(), condition, base?.lineage);
  const told = await commit(connection, {
    key,
    condition,
    lineage,
    base,
    deadline_ms: deadline_ms(connection, size_bytes),
    // A small one is over before its outcome could be looked up.
    signal: size_bytes > PART_BYTES ? signal : undefined,
    send: (signal) => {
      const body = whole.open();
      return putObject(connection, { key, body, size_bytes, sha256, lineage, condition }, signal);
    },
  });
  const etag = told === "" ? md5 : told;
  if (facts.etag_is_md5 && etag !== md5) {
    throw commitUnknown(new Error("the etag is not the MD5 of what was sent"));
  }
  connection.lineages.remember(key, etag, lineage);
  return { etag, size_bytes };
}

/** The object a swap replaces, as last seen, or else as it is now. Throws `precondition_failed`. */
async function baseOf(
  { connection }: PutTarget,
  key: string,
  { if_match }: Condition,
): Promise<Commit["base"]> {
  if (if_match === undefined) return undefined;
  const etag = unquoted(if_match);
  const seen = connection.lineages.of(key, etag);
  if (seen !== undefined) return { etag, lineage: seen };
  const found = await findObject(connection, key);
  if (found?.etag !== etag) throw preconditionFailed();
  return { etag, lineage: found.lineage };
}

/** A long stream under a condition: to disk first, since one PUT needs its length and digest. */
async function putSpooled(
  target: PutTarget,
  key: string,
  { source, first }: { readonly source: PartSource; readonly first: Part },
  condition: Condition,
  signal: AbortSignal | undefined,
): Promise<Stored> {
  const path = join(target.scratch_path, `put-${crypto.randomUUID()}`);
  const file = await open(path, "wx", 0o600);
  try {
    const digest = new BodyDigest();
    let size_bytes = 0;
    for (let part: Part | undefined = first; part !== undefined;) {
      size_bytes += part.bytes.length;
      if (size_bytes > SINGLE_PUT_BYTES_MAX) throw tooLarge();
      await file.appendFile(part.bytes);
      await digest.update(part.bytes);
      source.release(part);
      part = await source.take(PART_BYTES, signal);
    }
    const whole: Whole = { open: () => fileChunks(path), digest: digest.digest() };
    return await putWhole(target, key, whole, condition, signal);
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

function tooLarge(): LakehouseError {
  return new LakehouseError(
    "limit_exceeded",
    `S3 takes a conditional put of at most ${SINGLE_PUT_BYTES_MAX} bytes.`,
    { hint: "Put it under a key of its own, without a condition." },
  );
}

function unconditional(): LakehouseError {
  return new LakehouseError(
    "storage_failed",
    "This S3 server ignores conditions on puts, so the put was not sent.",
    { hint: "Use a server with conditional writes; docs/storage-s3.md lists what is needed." },
  );
}
