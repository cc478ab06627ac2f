import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { LakehouseError } from "../../core/error.ts";
import type { TextFault } from "./text-check.ts";
import { windows1252ToUtf8 } from "./windows-1252.ts";

export const ENCODINGS = ["utf-8", "utf-16le", "utf-16be", "windows-1252"] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** Text of an upload as UTF-8, and how it came to be read so. */
export interface TextFile {
  readonly path: string;
  /** Where the text begins, after a byte order mark. */
  readonly offset: number;
  readonly encoding: Encoding;
  readonly bom: boolean;
  /** Why it was read in this encoding. `content`: nothing said so, and the bytes had to fit. */
  readonly chosen_by: "option" | "byte order mark" | "content";
}

const CHUNK_BYTES = 1024 * 1024;

/**
 * The encoding of an upload by its first bytes: the one asked for; else that of the byte order mark;
 * else UTF-8, unless a later byte proves otherwise. Pure.
 */
export function encodingOf(path: string, head: Uint8Array, asked: Encoding | undefined): TextFile {
  const mark = byteOrderMark(head);
  const encoding = asked ?? mark?.encoding ?? "utf-8";
  const offset = mark?.encoding === encoding ? mark.bytes : 0;
  const chosen_by = asked === undefined ? (offset > 0 ? "byte order mark" : "content") : "option";
  return { path, offset, encoding, bom: offset > 0, chosen_by };
}

/**
 * What becomes of a fault in bytes that were read as UTF-8: another encoding, if none was named and
 * no mark says UTF-8 (WHATWG Encoding §9.1 falls back to Windows-1252 too). Throws `invalid_csv`.
 */
export function afterFault(text: TextFile, fault: TextFault): TextFile {
  if (fault.kind === "nul") throw nulError(fault.offset);
  if (text.chosen_by === "content") return { ...text, encoding: "windows-1252", offset: 0 };
  throw new LakehouseError("invalid_csv", "The file is not valid UTF-8.", {
    hint: "Save it as UTF-8, or name its encoding, for example encoding=windows-1252.",
    extra: { offset: fault.offset, reason: "invalid_utf8" },
  });
}

/** Writes the text as UTF-8. Throws `invalid_csv` for bytes without a character, and for NUL. */
export function transcodeFile(text: TextFile, output_path: string): TextFile {
  const { encoding, path, offset } = text;
  if (encoding === "utf-8") throw new Error("UTF-8 needs no transcoding");
  const convert = encoding === "windows-1252" ? windows1252ToUtf8() : utf16ToUtf8(encoding);
  transcode(path, output_path, offset, convert);
  return { ...text, path: output_path, offset: 0 };
}

function byteOrderMark(head: Uint8Array): { encoding: Encoding; bytes: number } | undefined {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) {
    return { encoding: "utf-8", bytes: 3 };
  }
  if (head[0] === 0xff && head[1] === 0xfe) return { encoding: "utf-16le", bytes: 2 };
  if (head[0] === 0xfe && head[1] === 0xff) return { encoding: "utf-16be", bytes: 2 };
  return undefined;
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
