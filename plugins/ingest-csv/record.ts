import { CR, LF } from "./bytes.ts";
import type { FieldSyntax } from "./kernel/field-syntax.ts";

export type RecordFault = "text_behind_quote" | "unclosed_quote" | "unknown_escape";

export interface ParsedRecord {
  readonly cells: readonly Uint8Array[];
  /** Offset after the record and its terminator. */
  readonly end: number;
  /** Physical lines it takes. */
  readonly lines: number;
  /** False if the bytes end before the record does: read more, unless this is the whole file. */
  readonly complete: boolean;
  readonly fault: RecordFault | undefined;
}

/**
 * Parses one record, by the kernel's rules, cell by cell: for the header, where clarity counts more
 * than speed. Pure; no I/O.
 */
export function parseRecord(bytes: Uint8Array, offset: number, syntax: FieldSyntax): ParsedRecord {
  const [delimiter, quote] = [codeOf(syntax.delimiter), codeOf(syntax.quote)];
  const escape = syntax.escape === syntax.quote ? undefined : codeOf(syntax.escape);
  const isEnd = (byte: number | undefined): boolean =>
    byte === undefined || byte === delimiter || byte === LF || byte === CR;
  const cells: Uint8Array[] = [];
  let cell: number[] = [];
  let lines = 1;
  let fault: RecordFault | undefined;
  let i = offset;
  let at_start = true;
  const result = (end: number, complete: boolean): ParsedRecord => {
    cells.push(Uint8Array.from(cell));
    return { cells, end, lines, complete, fault };
  };
  while (i < bytes.length) {
    const byte = bytes[i] ?? 0;
    if (byte === LF || byte === CR) {
      const crlf = byte === CR && bytes[i + 1] === LF;
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
    if (byte === quote && at_start) {
      const quoted = parseQuoted(bytes, i + 1, { quote: byte, escape });
      cell = quoted.content;
      i = quoted.end;
      lines += quoted.line_breaks;
      if (quoted.has_unknown_escape) fault ??= "unknown_escape";
      if (!quoted.closed) {
        fault ??= "unclosed_quote";
        return result(i, false);
      }
      if (!isEnd(bytes[i])) fault ??= "text_behind_quote";
    } else {
      const next = bytes[i + 1];
      if (byte === escape && (isEnd(next) || next === quote || next === escape)) {
        fault ??= "unknown_escape";
      }
      cell.push(byte);
      i += 1;
    }
    at_start = false;
  }
  return result(i, false);
}

const codeOf = (character: string): number | undefined =>
  character === "" ? undefined : character.charCodeAt(0);

interface Quoted {
  readonly content: number[];
  readonly end: number;
  readonly line_breaks: number;
  readonly closed: boolean;
  readonly has_unknown_escape: boolean;
}

/** `escape` is undefined where a quote inside quotes is written twice. */
function parseQuoted(
  bytes: Uint8Array,
  start: number,
  { quote, escape }: { readonly quote: number; readonly escape: number | undefined },
): Quoted {
  const content: number[] = [];
  let line_breaks = 0;
  let has_unknown_escape = false;
  let i = start;
  for (; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    const next = bytes[i + 1];
    if (byte === escape && next !== undefined) {
      if (next === quote || next === escape) {
        content.push(next);
        i += 1;
        continue;
      }
      has_unknown_escape = true;
    } else if (byte === quote) {
      if (escape !== undefined || next !== quote) {
        return { content, end: i + 1, line_breaks, closed: true, has_unknown_escape };
      }
      i += 1;
    }
    if (byte === LF || (byte === CR && next !== LF)) line_breaks += 1;
    content.push(byte);
  }
  return { content, end: bytes.length, line_breaks, closed: false, has_unknown_escape };
}
