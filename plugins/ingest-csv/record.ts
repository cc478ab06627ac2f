import { CR, LF, QUOTE } from "./bytes.ts";

export interface ParsedRecord {
  readonly cells: readonly Uint8Array[];
  /** Offset after the record and its terminator. */
  readonly end: number;
  /** Physical lines it takes. */
  readonly lines: number;
  /** False if the bytes end before the record does: read more, unless this is the whole file. */
  readonly complete: boolean;
  /** It is written so that any reader of CSV sees the same: one line, quotes around whole cells. */
  readonly plain: boolean;
  readonly fault: "text_behind_quote" | "unclosed_quote" | undefined;
}

/**
 * Parses one record, by the kernel's rules, cell by cell: for the header and for
 * messages, where clarity counts more than speed. Pure; no I/O.
 */
export function parseRecord(bytes: Uint8Array, offset: number, delimiter: number): ParsedRecord {
  const cells: Uint8Array[] = [];
  let cell: number[] = [];
  let plain = true;
  let lines = 1;
  let fault: ParsedRecord["fault"];
  let i = offset;
  let at_start = true;
  const result = (end: number, complete: boolean): ParsedRecord => {
    cells.push(Uint8Array.from(cell));
    return { cells, end, lines, complete, plain, fault };
  };
  while (i < bytes.length) {
    const byte = bytes[i] ?? 0;
    if (byte === LF || byte === CR) {
      const crlf = byte === CR && bytes[i + 1] === LF;
      if (byte === CR) plain = false;
      const more_may_follow = byte === CR && i + 1 === bytes.length;
      return result(i + (crlf ? 2 : 1), !more_may_follow);
    }
    if (byte === delimiter) {
      cells.push(Uint8Array.from(cell));
      cell = [];
      at_start = true;
      i += 1;
      continue;
    }
    if (byte === QUOTE && at_start) {
      const quoted = parseQuoted(bytes, i + 1);
      cell = quoted.content;
      i = quoted.end;
      lines += quoted.newlines;
      if (quoted.newlines > 0 || quoted.holds_cr) plain = false;
      if (!quoted.closed) {
        fault ??= "unclosed_quote";
        return result(i, false);
      }
      const next = bytes[i] ?? LF;
      const ends = next === delimiter || next === LF || next === CR;
      if (!ends) fault ??= "text_behind_quote";
    } else {
      if (byte === QUOTE) plain = false;
      cell.push(byte);
      i += 1;
    }
    at_start = false;
  }
  return result(i, false);
}

interface Quoted {
  readonly content: number[];
  readonly end: number;
  readonly newlines: number;
  readonly holds_cr: boolean;
  readonly closed: boolean;
}

function parseQuoted(bytes: Uint8Array, start: number): Quoted {
  const content: number[] = [];
  let newlines = 0;
  let holds_cr = false;
  for (let i = start; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === QUOTE) {
      if (bytes[i + 1] !== QUOTE) {
        return { content, end: i + 1, newlines, holds_cr, closed: true };
      }
      i += 1;
    }
    if (byte === LF) newlines += 1;
    if (byte === CR) holds_cr = true;
    content.push(byte);
  }
  return { content, end: bytes.length, newlines, holds_cr, closed: false };
}
