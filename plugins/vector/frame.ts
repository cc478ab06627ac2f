import { LakehouseError } from "../../core/error.ts";
import { isRecord } from "../../core/json.ts";

/**
 * The framing of everything this plugin stores: 4 bytes of magic, the length of the envelope as
 * uint32 big-endian, the envelope (JSON, UTF-8), the payload, and the SHA-256 of all bytes before.
 * `LHV1` frames the folded index with its graph, `LHVL` one piece of the log beside it.
 */
export type Magic = "LHV1" | "LHVL";

export const HEADER_BYTES = 8;
export const DIGEST_BYTES = 32;

export interface Frame {
  readonly envelope: Readonly<Record<string, unknown>>;
  readonly payload: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Magic, length and envelope: what stands before the payload. */
export function encodeHead(magic: Magic, envelope: unknown): Uint8Array {
  const json = encoder.encode(JSON.stringify(envelope));
  if (json.length > 0xffffffff) {
    throw new LakehouseError("limit_exceeded", "The envelope is larger than 4 GiB.");
  }
  const head = new Uint8Array(HEADER_BYTES + json.length);
  head.set(encoder.encode(magic));
  new DataView(head.buffer).setUint32(4, json.length);
  head.set(json, HEADER_BYTES);
  return head;
}

export function encodeFrame(
  magic: Magic,
  envelope: unknown,
  payload: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const parts = [encodeHead(magic, envelope), ...payload];
  const body_bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const frame = new Uint8Array(body_bytes + DIGEST_BYTES);
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  frame.set(new Bun.CryptoHasher("sha256").update(frame.subarray(0, at)).digest(), at);
  return frame;
}

/** Verifies the digest before anything else is believed. Throws `data_corrupt`. */
export function decodeFrame(magic: Magic, frame: Uint8Array): Frame {
  const body_bytes = frame.length - DIGEST_BYTES;
  if (body_bytes < HEADER_BYTES) throw corrupt("is too short");
  const digest = new Bun.CryptoHasher("sha256").update(frame.subarray(0, body_bytes)).digest();
  if (!Buffer.from(digest).equals(frame.subarray(body_bytes))) {
    throw corrupt("does not match its SHA-256");
  }
  const envelope_end = envelopeEnd(magic, frame.subarray(0, HEADER_BYTES), body_bytes);
  return {
    envelope: decodeEnvelope(frame.subarray(HEADER_BYTES, envelope_end)),
    payload: frame.subarray(envelope_end, body_bytes),
  };
}

/** Where the envelope ends, in bytes from the start of the frame. */
export function envelopeEnd(magic: Magic, header: Uint8Array, body_bytes: number): number {
  if (Buffer.from(header.subarray(0, 4)).toString("latin1") !== magic) {
    throw corrupt(`does not start with ${magic}`);
  }
  const end = HEADER_BYTES + new DataView(header.buffer, header.byteOffset).getUint32(4);
  if (end > body_bytes) throw corrupt("is shorter than its envelope");
  return end;
}

export function decodeEnvelope(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let envelope: unknown;
  try {
    envelope = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw corrupt("has an envelope that is not JSON", error);
  }
  if (!isRecord(envelope)) throw corrupt("has an envelope that is not a JSON object");
  return envelope;
}

export function corrupt(what: string, cause?: unknown): LakehouseError {
  return new LakehouseError("data_corrupt", `The stored object ${what}.`, {
    hint: "Restore it from a backup, or delete the index and build it again.",
    ...(cause === undefined ? {} : { cause }),
  });
}
