import { isUtf8 } from "node:buffer";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { LakehouseError } from "../../core/error.ts";
import { windows1252ToUtf8 } from "./windows-1252.ts";

export const ENCODINGS = ["utf-8", "utf-16le", "utf-16be", "windows-1252"] as const;
export type Encoding = (typeof ENCODINGS)[number];

export interface DecodedFile {
  /** UTF-8, without NUL. */
  readonly path: string;
  /** Where the text begins, after a byte order mark. */
  readonly offset: number;
  readonly encoding: Encoding;
  readonly bom: boolean;
  /** Why it was read in this encoding. */
  readonly chosen_by: "option" | "byte order mark" | "content";
}

const CHUNK_BYTES = 1024 * 1024;

/**
 * Makes UTF-8 of an upload. The encoding is the one asked for; else that of the byte order mark;
 * else UTF-8 if every byte of the file is, and Windows-1252 if not (WHATWG Encoding §9.1).
 * Transcodes into `transcoded_path` where needed. Throws `invalid_csv` if a byte sequence has no
 * character in the encoding, or for NUL, which no text file holds.
 */
export function decodeFile(
  path: string,
  transcoded_path: string,
  asked: Encoding | undefined,
): DecodedFile {
  const mark = byteOrderMark(path);
  const offset = mark !== undefined && (asked ?? mark.encoding) === mark.encoding ? mark.bytes : 0;
  const bom = offset > 0;
  const given = asked ?? mark?.encoding;
  const chosen_by = asked === undefined ? (bom ? "byte order mark" : "content") : "option";
  if (given === undefined || given === "utf-8") {
    const fault = firstFault(path);
    if (fault === undefined) return { path, offset, encoding: "utf-8", bom, chosen_by };
    if (fault.kind === "nul") throw nulError(fault.offset);
    if (given === "utf-8") {
      throw new LakehouseError("invalid_csv", "The file is not valid UTF-8.", {
        hint: "Save it as UTF-8, or name its encoding, for example encoding=windows-1252.",
        extra: { offset: fault.offset, reason: "invalid_utf8" },
      });
    }
  }
  const encoding = given ?? "windows-1252";
  const convert = encoding === "windows-1252" ? windows1252ToUtf8() : utf16ToUtf8(encoding);
  transcode(path, transcoded_path, offset, convert);
  return { path: transcoded_path, offset: 0, encoding, bom, chosen_by };
}

function byteOrderMark(path: string): { encoding: Encoding; bytes: number } | undefined {
  const head = new Uint8Array(3);
  const file = openSync(path, "r");
  try {
    readSync(file, head, 0, 3, 0);
  } finally {
    closeSync(file);
  }
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) {
    return { encoding: "utf-8", bytes: 3 };
  }
  if (head[0] === 0xff && head[1] === 0xfe) return { encoding: "utf-16le", bytes: 2 };
  if (head[0] === 0xfe && head[1] === 0xff) return { encoding: "utf-16be", bytes: 2 };
  return undefined;
}

/** The first NUL, or the chunk in which the bytes stop being UTF-8. */
function firstFault(path: string): { kind: "nul" | "utf8"; offset: number } | undefined {
  let utf8: { kind: "utf8"; offset: number } | undefined;
  let nul: { kind: "nul"; offset: number } | undefined;
  let carried = new Uint8Array(0);
  let position = 0;
  forEachChunk(path, 0, (chunk) => {
    const at = chunk.indexOf(0);
    if (at >= 0) nul = { kind: "nul", offset: position + at };
    const start = position - carried.length;
    position += chunk.length;
    const joined = carried.length === 0 ? chunk : Buffer.concat([carried, chunk]);
    const whole = joined.length - unfinishedTail(joined);
    if (!isUtf8(joined.subarray(0, whole))) utf8 = { kind: "utf8", offset: start };
    carried = joined.slice(whole);
    return nul === undefined && utf8 === undefined;
  });
  if (nul === undefined && utf8 === undefined && carried.length > 0) {
    utf8 = { kind: "utf8", offset: position - carried.length };
  }
  return nul ?? utf8;
}

/** Bytes at the end that begin a character without finishing it (RFC 3629 §3). */
function unfinishedTail(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back ? back : 0;
    }
    if (byte < 0x80) return 0;
  }
  return 0;
}

/** Turns chunks into UTF-8; called without a chunk at the end. Throws `invalid_csv`. */
type Transcoder = (chunk: Uint8Array | undefined) => Uint8Array;

function utf16ToUtf8(encoding: "utf-16le" | "utf-16be"): Transcoder {
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  const encoder = new TextEncoder();
  return (chunk) => {
    try {
      return encoder.encode(
        chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true }),
      );
    } catch (error) {
      throw new LakehouseError("invalid_csv", `The file is not valid ${encoding.toUpperCase()}.`, {
        hint: "Save it as UTF-8, or name its encoding with encoding=.",
        extra: { reason: `invalid_${encoding.replaceAll("-", "")}` },
        cause: error,
      });
    }
  };
}

function transcode(from: string, to: string, offset: number, convert: Transcoder): void {
  const output = openSync(to, "wx", 0o600);
  let written = 0;
  const write = (bytes: Uint8Array): void => {
    const nul = bytes.indexOf(0);
    if (nul >= 0) throw nulError(written + nul);
    for (let done = 0; done < bytes.length;) done += writeSync(output, bytes, done);
    written += bytes.length;
  };
  try {
    forEachChunk(from, offset, (chunk) => {
      write(convert(chunk));
      return true;
    });
    write(convert(undefined));
  } finally {
    closeSync(output);
  }
}

function nulError(offset: number): LakehouseError {
  return new LakehouseError("invalid_csv", "The file holds a NUL character: it is not text.", {
    hint: "If it is UTF-16 without a byte order mark, say encoding=utf-16le or utf-16be.",
    extra: { offset, reason: "nul" },
  });
}

/** Hands the file over in chunks that are reused, until the callback returns false. */
function forEachChunk(path: string, offset: number, onChunk: (chunk: Uint8Array) => boolean): void {
  const buffer = new Uint8Array(CHUNK_BYTES);
  const file = openSync(path, "r");
  try {
    for (let position = offset; ;) {
      const count = readSync(file, buffer, 0, CHUNK_BYTES, position);
      if (count === 0 || !onChunk(buffer.subarray(0, count))) return;
      position += count;
    }
  } finally {
    closeSync(file);
  }
}
