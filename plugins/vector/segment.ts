import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type Batch, decodeBatch } from "./batch.ts";
import { corrupt, decodeFrame, encodeFrame } from "./frame.ts";
import type { IndexParameters } from "./parameters.ts";

/**
 * One piece of the log: the batches of one commit. It belongs to the index with this id and to no
 * other of the same name, and comes right after the piece with the number before.
 */
export interface Segment {
  readonly index_id: string;
  readonly seq: number;
  /** RFC 3339, UTC. */
  readonly committed_at: string;
  readonly batches: readonly Batch[];
}

const envelopeSchema = Type.Object({
  format: Type.Literal(1),
  index_id: Type.String(),
  seq: Type.Integer({ minimum: 1 }),
  committed_at: Type.String(),
  batch_bytes: Type.Array(Type.Integer({ minimum: 0 })),
});

export interface SealOptions {
  readonly index_id: string;
  readonly seq: number;
  readonly committed_at: string;
  /** From `encodeBatch`. */
  readonly batches: readonly Uint8Array[];
}

export function encodeSegment({ batches, ...head }: SealOptions): Uint8Array<ArrayBuffer> {
  const batch_bytes = batches.map((batch) => batch.length);
  return encodeFrame("LHVL", { format: 1, ...head, batch_bytes }, batches);
}

/** Throws `data_corrupt`. */
export function decodeSegment(bytes: Uint8Array, parameters: IndexParameters): Segment {
  const { envelope, payload } = decodeFrame("LHVL", bytes);
  if (!Value.Check(envelopeSchema, envelope)) throw corrupt("has an unknown log format");
  const { index_id, seq, committed_at, batch_bytes } = envelope;
  const batches: Batch[] = [];
  let at = 0;
  for (const length of batch_bytes) {
    batches.push(decodeBatch(payload.subarray(at, at + length), parameters));
    at += length;
  }
  if (at !== payload.length) throw corrupt("is a log piece of another length than it says");
  return { index_id, seq, committed_at, batches };
}

const KEY = /^_vectors\/([^/]+)\.log\/([0-9a-f-]{36})-(\d{12})\.lhvl$/;

/**
 * The number has a fixed width, so that keys sort as numbers do. The folder ends in `.log` and base
 * objects in `.lhv1`: no index name can make one the prefix of the other.
 */
export const segmentKey = (name: string, index_id: string, seq: number): string =>
  `${segmentPrefix(name)}${index_id}-${String(seq).padStart(12, "0")}.lhvl`;

export const segmentPrefix = (name: string): string => `_vectors/${name}.log/`;

export interface SegmentKey {
  readonly key: string;
  readonly name: string;
  readonly index_id: string;
  readonly seq: number;
}

export function parseSegmentKey(key: string): SegmentKey | undefined {
  const [, name, index_id, seq] = KEY.exec(key) ?? [];
  if (name === undefined || index_id === undefined || seq === undefined) return undefined;
  return { key, name, index_id, seq: Number(seq) };
}
