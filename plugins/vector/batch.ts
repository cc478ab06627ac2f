import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { IndexParameters } from "./parameters.ts";
import { corrupt, decodeEnvelope, envelopeEnd, encodeHead, HEADER_BYTES } from "./frame.ts";
import { bytesPerScalar } from "./scalars.ts";

/**
 * One validated request, as the log keeps it: either rows to put or ids to delete. Encoded as a
 * head (magic, length, envelope) and the rows in storage form; the log's frame holds the digest.
 */
export interface Batch {
  readonly put: readonly string[];
  /** As long as `put`: the metadata of each as JSON text, or null. */
  readonly metadata: readonly (string | null)[];
  readonly deleted: readonly string[];
  /** Scalars of `put` in storage form, row after row. */
  readonly rows: Uint8Array;
}

const envelopeSchema = Type.Object(
  {
    put: Type.Array(Type.String()),
    metadata: Type.Array(Type.Union([Type.String(), Type.Null()])),
    deleted: Type.Array(Type.String()),
  },
  { additionalProperties: false },
);

export function encodeBatch({ put, metadata, deleted, rows }: Batch): Uint8Array<ArrayBuffer> {
  const head = encodeHead("LHVL", { put, metadata, deleted });
  const bytes = new Uint8Array(head.length + rows.length);
  bytes.set(head);
  bytes.set(rows, head.length);
  return bytes;
}

/** Throws `data_corrupt`. The digest was verified with the frame around it. */
export function decodeBatch(bytes: Uint8Array, parameters: IndexParameters): Batch {
  if (bytes.length < HEADER_BYTES) throw corrupt("holds a batch that is too short");
  const end = envelopeEnd("LHVL", bytes.subarray(0, HEADER_BYTES), bytes.length);
  const envelope = decodeEnvelope(bytes.subarray(HEADER_BYTES, end));
  if (!Value.Check(envelopeSchema, envelope)) throw corrupt("holds a batch of another shape");
  const rows = bytes.subarray(end);
  const row_bytes = parameters.dimension * bytesPerScalar(parameters.quantization);
  const { put, metadata, deleted } = envelope;
  if (metadata.length !== put.length || rows.length !== put.length * row_bytes) {
    throw corrupt("holds a batch whose parts differ in length");
  }
  return { put, metadata, deleted, rows };
}
