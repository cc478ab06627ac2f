import { isUtf8 } from "node:buffer";
import { closeSync, openSync, readSync } from "node:fs";
import { LakehouseError } from "../../core/error.ts";

const LF = 0x0a;
const CHUNK_BYTES = 1024 * 1024;

/** One line without its line feed: `bytes[start, end)`, valid during the call. */
export interface Line {
  bytes: Uint8Array;
  start: number;
  end: number;
  /** From 1. */
  number: number;
  /** Of its first byte in the file. */
  offset: number;
}

/**
 * Hands over every line of a UTF-8 file, in bounded memory; a byte order mark is skipped. The `Line`
 * is one object that changes. Throws `limit_exceeded` for a line that is too long and
 * `invalid_json_lines` for bytes that are no UTF-8. For worker processes: it blocks.
 */
export function forEachLine(path: string, limit_bytes: number, onLine: (line: Line) => void): void {
  const file = openSync(path, "r");
  try {
    let buffer = new Uint8Array(Math.min(CHUNK_BYTES, limit_bytes + 1));
    let held = 0;
    const line: Line = { bytes: buffer, start: 0, end: 0, number: 0, offset: 0 };
    for (let position = 0; ;) {
      const count = readSync(file, buffer, held, buffer.length - held, position);
      position += count;
      held += count;
      const whole = count === 0 ? held : buffer.subarray(0, held).lastIndexOf(LF) + 1;
      line.bytes = buffer;
      handOver(line, whole, position - held, onLine);
      buffer.copyWithin(0, whole, held);
      held -= whole;
      if (count === 0) return;
      if (held === buffer.length) {
        if (held > limit_bytes) throw tooLong(line.number + 1, limit_bytes);
        const grown = new Uint8Array(Math.min(2 * held, limit_bytes + 1));
        grown.set(buffer);
        buffer = grown;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** The whole lines at the front of the buffer; the last of a file may lack its line feed. */
function handOver(line: Line, length: number, offset: number, onLine: (line: Line) => void): void {
  const { bytes } = line;
  const valid = isUtf8(bytes.subarray(0, length));
  let start = offset === 0 ? byteOrderMark(bytes, length) : 0;
  while (start < length) {
    const found = bytes.indexOf(LF, start);
    const end = found === -1 || found >= length ? length : found;
    line.number += 1;
    if (!valid && !isUtf8(bytes.subarray(start, end))) throw notUtf8(line.number);
    line.start = start;
    line.end = end;
    line.offset = offset + start;
    onLine(line);
    start = end + 1;
  }
}

const byteOrderMark = (bytes: Uint8Array, length: number): number =>
  length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;

function tooLong(line: number, limit_bytes: number): LakehouseError {
  return new LakehouseError("limit_exceeded", `Line ${line} is longer than ${limit_bytes} bytes.`, {
    hint: "JSON Lines has one object per line, with no line break inside; or raise cell_bytes under [limits].",
    extra: { line, limit_bytes },
  });
}

function notUtf8(line: number): LakehouseError {
  return new LakehouseError("invalid_json_lines", `Line ${line} is not valid UTF-8.`, {
    hint: "JSON is UTF-8 (RFC 8259 §8.1): save the file as that.",
    extra: { line, reason: "invalid_utf8" },
  });
}
