import { createHash } from "node:crypto";
import type { CompletedPart } from "@aws-sdk/client-s3";
import { hasCode, LakehouseError } from "../../core/error.ts";
import { idempotent, requestAborted } from "./attempt.ts";
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  type Upload,
  uploadPart,
} from "./calls.ts";
import { commit } from "./commit.ts";
import { deadline_ms } from "./connection.ts";
import { isAbsent, toFailure } from "./failure.ts";
import { type Lineage, newPutId } from "./lineage.ts";
import type { Part, PartSource } from "./part-source.ts";
import type { PutTarget } from "./put.ts";

const MIB = 1024 * 1024;
/** S3 takes parts of 5 MiB to 5 GiB, and the last one of any size. */
export const PART_BYTES = 8 * MIB;
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const PARTS_MAX = 10_000;
/** Parts on their way at once. One more is being filled: so many times a part's size is held. */
const PARTS_IN_FLIGHT = 3;
/** A stream of unknown length doubles its parts each time so many of them are sent. */
const GROWTH_PARTS = 2000;
const PART_BYTES_MAX = 64 * MIB;

/** Size of part `number`, from 1. With a known length all are alike; a stream reaches 359 GiB. */
export function partBytes(number: number, size_bytes: number | undefined): number {
  if (size_bytes !== undefined) {
    return Math.max(PART_BYTES, Math.ceil(size_bytes / PARTS_MAX / MIB) * MIB);
  }
  const doublings = Math.floor((number - 1) / GROWTH_PARTS);
  return Math.min(PART_BYTES * 2 ** doublings, PART_BYTES_MAX);
}

export interface MultipartPut {
  readonly key: string;
  /** Taken from `source` already. */
  readonly first: Part;
  readonly source: PartSource;
  /** Undefined for a stream. */
  readonly size_bytes: number | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface Stored {
  readonly etag: string;
  readonly size_bytes: number;
}

/** Uploads in parts. A failure before the completion leaves neither an object nor parts behind. */
export async function putMultipart(target: PutTarget, put: MultipartPut): Promise<Stored> {
  const { connection } = target;
  const { key, signal } = put;
  const lineage: Lineage = { ids: [newPutId()], whole: false };
  // Not to be given up half way: an upload whose id never came could not be discarded.
  const upload_id = await idempotent(connection, { what: "begin an upload" }, (signal) =>
    createMultipartUpload(connection, key, lineage, signal),
  );
  const upload: Upload = { key, upload_id };
  try {
    const parts = await new PartSender(target, upload, put).sendAll();
    if (signal?.aborted === true) throw requestAborted();
    return await complete(target, upload, parts, lineage);
  } catch (error) {
    if (!hasCode(error, "commit_unknown")) await discard(target, upload);
    throw error;
  }
}

/** Commit point: the completion. */
async function complete(
  { connection }: PutTarget,
  upload: Upload,
  parts: readonly SentPart[],
  lineage: Lineage,
): Promise<Stored> {
  const size_bytes = parts.reduce((sum, part) => sum + part.size_bytes, 0);
  const completed = parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
  const told = await commit(connection, {
    key: upload.key,
    condition: {},
    lineage,
    deadline_ms: deadline_ms(connection, size_bytes),
    send: (signal) => completeMultipartUpload(connection, upload, completed, signal),
  });
  const etag = told === "" ? multipartEtag(parts) : told;
  connection.lineages.remember(upload.key, etag, lineage);
  return { etag, size_bytes };
}

interface SentPart extends CompletedPart {
  readonly PartNumber: number;
  readonly ETag: string;
  readonly md5: string;
  readonly size_bytes: number;
}

/** Sends the parts of one upload, some at once; the first failure stops the source and the rest. */
class PartSender {
  readonly #target: PutTarget;
  readonly #upload: Upload;
  readonly #put: MultipartPut;
  readonly #sent: SentPart[] = [];
  readonly #inFlight = new Map<number, Promise<void>>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #failure: LakehouseError | undefined;

  constructor(target: PutTarget, upload: Upload, put: MultipartPut) {
    this.#target = target;
    this.#upload = upload;
    this.#put = put;
    const { signal } = this.#stop;
    this.#signal = put.signal === undefined ? signal : AbortSignal.any([put.signal, signal]);
  }

  async sendAll(): Promise<readonly SentPart[]> {
    const { source, size_bytes, first } = this.#put;
    try {
      let part: Part | undefined = first;
      for (let number = 1; part !== undefined; number += 1) {
        if (number > PARTS_MAX) throw tooLong();
        this.#inFlight.set(number, this.#run(number, part));
        const width = Math.max(1, Math.floor((PARTS_IN_FLIGHT * PART_BYTES) / part.bytes.length));
        while (this.#inFlight.size >= width) await Promise.race(this.#inFlight.values());
        part = await source.take(partBytes(number + 1, size_bytes), this.#signal);
      }
      await Promise.all(this.#inFlight.values());
    } catch (error) {
      this.#stop.abort(error);
      throw error;
    } finally {
      // No part may arrive after the upload was discarded.
      await Promise.all(this.#inFlight.values());
    }
    if (this.#failure !== undefined) throw this.#failure;
    return this.#sent.toSorted((a, b) => a.PartNumber - b.PartNumber);
  }

  /** Never rejects: a failure stops the source, which is where the sender waits. */
  async #run(number: number, part: Part): Promise<void> {
    try {
      this.#sent.push(await this.#send(number, part));
      this.#put.source.release(part);
    } catch (error) {
      this.#failure ??= toFailure(error, "take a part of the object");
      this.#stop.abort(this.#failure);
    } finally {
      this.#inFlight.delete(number);
    }
  }

  async #send(number: number, { bytes, digest }: Part): Promise<SentPart> {
    const { connection, facts } = this.#target;
    const call = {
      what: "take a part of the object",
      size_bytes: bytes.length,
      signal: this.#signal,
    };
    const etag = await idempotent(connection, call, (signal) =>
      uploadPart(connection, this.#upload, { number, bytes, sha256: digest.sha256 }, signal),
    );
    if (facts.etag_is_md5 && etag !== digest.md5) {
      throw new LakehouseError("storage_failed", "A part was stored with other bytes than sent.", {
        hint: "Look for a proxy or a store that changes what passes through it.",
      });
    }
    return { PartNumber: number, ETag: etag, md5: digest.md5, size_bytes: bytes.length };
  }
}

/** Best effort: the failure that led here is what the caller must hear of. */
async function discard({ connection, log }: PutTarget, upload: Upload): Promise<void> {
  try {
    await idempotent(connection, { what: "discard an upload" }, async (signal) => {
      try {
        await abortMultipartUpload(connection, upload, signal);
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    });
  } catch (error) {
    log.warn({ err: error, ...upload }, "parts of a failed upload were left in the bucket");
  }
}

/** How S3 and Ceph name an object of parts; for the answer of Ceph, which leaves it out. */
function multipartEtag(parts: readonly SentPart[]): string {
  const hash = createHash("md5");
  for (const { md5 } of parts) hash.update(md5, "hex");
  return `${hash.digest("hex")}-${parts.length}`;
}

function tooLong(): LakehouseError {
  return new LakehouseError("limit_exceeded", "The stream is longer than S3 takes in one object.", {
    hint: `Send a file instead, or less than ${PARTS_MAX} parts of ${PART_BYTES_MAX / MIB} MiB.`,
  });
}
