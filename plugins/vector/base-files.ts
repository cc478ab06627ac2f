import { closeSync, openSync, readFileSync, readSync, statSync, writeSync } from "node:fs";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type BaseEnvelope, checkBase } from "./base.ts";
import {
  corrupt,
  decodeEnvelope,
  DIGEST_BYTES,
  encodeHead,
  envelopeEnd,
  HEADER_BYTES,
} from "./frame.ts";

/**
 * A folded index on local disk: `graph.usearch`, because the library reads only whole files, and
 * `envelope.json`. Files are written once and never changed: a graph that is viewed is mapped into
 * memory. Used in threads only, hence the synchronous calls.
 */
export const graphPath = (folder: string): string => join(folder, "graph.usearch");
const envelopePath = (folder: string): string => join(folder, "envelope.json");

const CHUNK_BYTES = 4 * 1024 * 1024;

/** Verifies a frame file and takes it apart into `folder`. Throws `data_corrupt`. */
export function unpackFrame(frame_path: string, folder: string): BaseEnvelope {
  const body_bytes = statSync(frame_path).size - DIGEST_BYTES;
  if (body_bytes < HEADER_BYTES) throw corrupt("is too short");
  const file = openSync(frame_path, "r");
  try {
    verifyDigest(file, body_bytes);
    const envelope_end = envelopeEnd("LHV1", readExactly(file, 0, HEADER_BYTES), body_bytes);
    const json = readExactly(file, HEADER_BYTES, envelope_end - HEADER_BYTES);
    const base = checkBase(decodeEnvelope(json), body_bytes - envelope_end);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFile(envelopePath(folder), [json]);
    writeFile(graphPath(folder), chunksOf(file, envelope_end, body_bytes));
    return base;
  } finally {
    closeSync(file);
  }
}

/** Reads back what `unpackFrame` or `packFrame` left in the folder. */
export function readBase(folder: string): BaseEnvelope {
  const { size } = statSync(graphPath(folder));
  return checkBase(decodeEnvelope(readFileSync(envelopePath(folder))), size);
}

/**
 * Writes the envelope beside a graph that is there already, and if `frame_path` is given both as
 * one frame; returns the size of that frame in bytes.
 */
export function packFrame(folder: string, base: BaseEnvelope, frame_path?: string): number {
  const head = encodeHead("LHV1", base);
  writeFile(envelopePath(folder), [head.subarray(HEADER_BYTES)]);
  if (frame_path === undefined) return 0;
  const graph = openSync(graphPath(folder), "r");
  const hasher = new Bun.CryptoHasher("sha256");
  try {
    return writeFile(frame_path, hashed([head], chunksOf(graph, 0, base.graph_bytes), hasher));
  } finally {
    closeSync(graph);
  }
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** The parts, and after them their digest. */
function* hashed(
  head: readonly Uint8Array[],
  rest: Iterable<Uint8Array>,
  hasher: Bun.CryptoHasher,
): Iterable<Uint8Array> {
  for (const parts of [head, rest]) {
    for (const part of parts) {
      hasher.update(part);
      yield part;
    }
  }
  yield hasher.digest();
}

function verifyDigest(file: number, body_bytes: number): void {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const chunk of chunksOf(file, 0, body_bytes)) hasher.update(chunk);
  const stored = readExactly(file, body_bytes, DIGEST_BYTES);
  if (!Buffer.from(hasher.digest()).equals(stored)) throw corrupt("does not match its SHA-256");
}

/** One buffer is used for all chunks: take what you need before asking for the next. */
function* chunksOf(file: number, start: number, end: number): Iterable<Uint8Array> {
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(0, end - start)));
  for (let at = start; at < end;) {
    const read = readSync(file, buffer, 0, Math.min(buffer.length, end - at), at);
    if (read === 0) throw corrupt("ends before its end");
    yield buffer.subarray(0, read);
    at += read;
  }
}

function readExactly(file: number, start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunksOf(file, start, start + length)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** A short write (a full disk) is an error, never a short file. Returns the bytes written. */
function writeFile(path: string, parts: Iterable<Uint8Array>): number {
  const file = openSync(path, "w", 0o600);
  let total_bytes = 0;
  try {
    for (const part of parts) {
      for (let at = 0; at < part.length;) at += writeSync(file, part, at);
      total_bytes += part.length;
    }
  } finally {
    closeSync(file);
  }
  return total_bytes;
}
