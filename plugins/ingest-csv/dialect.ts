import { LakehouseError } from "../../core/error.ts";
import { CR, LF } from "./bytes.ts";
import { uniqueNames } from "./header.ts";
import type { FieldSyntax } from "./kernel/field-syntax.ts";
import { type ParsedRecord, parseRecord, type RecordFault } from "./record.ts";
import { TextCheck, type TextFault } from "./text-check.ts";

/** Candidates, the preferred first. */
export const DELIMITERS = [",", "\t", ";", "|"] as const;

/** How a file is written: never guessed from its data, only from its first record. */
export interface Dialect extends FieldSyntax {
  /** The first record names the columns. */
  readonly header: boolean;
  /** Unique names, in order. */
  readonly names: readonly string[];
  /** Where the first record of data begins. */
  readonly data_offset: number;
  readonly data_line: number;
}

/** Reads the first `size` bytes of a file, or all of a smaller one. */
export type ReadHead = (
  size: number,
) => Promise<{ readonly bytes: Buffer; readonly at_end: boolean }>;

export interface DialectOptions extends Omit<FieldSyntax, "delimiter"> {
  /** Where the text begins, in bytes. */
  readonly offset: number;
  /** Undefined: chosen among `DELIMITERS`. */
  readonly delimiter: string | undefined;
  readonly header: boolean;
  readonly columns_limit: number;
  readonly header_limit_bytes: number;
  readonly name_limit_bytes: number;
}

const FIRST_READ_BYTES = 64 * 1024;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads the header, or the first record for its width. The delimiter is the candidate that cuts it
 * into the most cells, the earlier one of equals; the first record is the first line that is not
 * empty. Gives back the fault of a record that is no UTF-8 text. Throws `invalid_csv` if there is
 * none or its quotes are broken, `limit_exceeded` if it is too wide or too long.
 */
export async function readDialect(
  readHead: ReadHead,
  options: DialectOptions,
): Promise<Dialect | TextFault> {
  const { quote, escape, header_limit_bytes } = options;
  const candidates = options.delimiter === undefined ? DELIMITERS : [options.delimiter];
  for (let size = FIRST_READ_BYTES; ; size *= 4) {
    const head = await readHead(Math.min(size, options.offset + header_limit_bytes));
    const bytes = head.bytes.subarray(options.offset);
    const { at_end } = head;
    const start = skipBlankLines(bytes);
    if (start.index === bytes.length && at_end) throw noHeader();
    const parsed = candidates.map((delimiter) => {
      const syntax = { delimiter, quote, escape };
      return { syntax, record: parseRecord(bytes, start.index, syntax) };
    });
    if (at_end || parsed.every(({ record }) => record.complete)) {
      const best = parsed.reduce((best, each) =>
        each.record.cells.length > best.record.cells.length ? each : best,
      );
      const check = new TextCheck(options.offset);
      const fault = check.push(bytes.subarray(0, best.record.end)) ?? check.finish();
      return fault ?? dialectOf(best.syntax, best.record, start, options);
    }
    if (bytes.length >= header_limit_bytes) throw headerTooLong(start.line, header_limit_bytes);
  }
}

function dialectOf(
  syntax: FieldSyntax,
  record: ParsedRecord,
  start: { readonly index: number; readonly line: number },
  { header, offset, columns_limit, name_limit_bytes }: DialectOptions,
): Dialect {
  if (record.fault !== undefined) throw brokenHeader(record.fault, start.line);
  const { length } = record.cells;
  if (length > columns_limit) throw tooWide(length, columns_limit);
  if (!header) {
    const names = uniqueNames(Array.from({ length }, () => ""));
    return { ...syntax, header, names, data_offset: offset, data_line: 1 };
  }
  const long = record.cells.findIndex((cell) => cell.length > name_limit_bytes);
  if (long >= 0) throw nameTooLong(long, start.line, name_limit_bytes);
  return {
    ...syntax,
    header,
    names: uniqueNames(
      record.cells.map((cell) => utf8.decode(cell)),
      start.line,
    ),
    data_offset: offset + record.end,
    data_line: start.line + record.lines,
  };
}

function skipBlankLines(bytes: Uint8Array): { index: number; line: number } {
  let line = 1;
  let index = 0;
  for (; bytes[index] === LF || bytes[index] === CR; index++) {
    if (bytes[index] === LF || bytes[index + 1] !== LF) line += 1;
  }
  return { index, line };
}

function noHeader(): LakehouseError {
  return new LakehouseError("invalid_csv", "The file has no header: it holds only empty lines.", {
    hint: "The first record must name the columns.",
    extra: { line: 1, reason: "no_header" },
  });
}

const HEADER_FAULTS: Readonly<Record<RecordFault, string>> = {
  unclosed_quote: "A quote that opens in the first record is never closed.",
  text_behind_quote: "A cell of the first record goes on after its closing quote.",
  unknown_escape: "The first record has an escape before a character that needs none.",
};

function brokenHeader(fault: RecordFault, line: number): LakehouseError {
  return new LakehouseError("invalid_csv", HEADER_FAULTS[fault], {
    hint: 'Write a quote inside a quoted cell twice, "", or say quote= or escape=.',
    extra: { line, reason: fault },
  });
}

function tooWide(columns: number, limit: number): LakehouseError {
  return new LakehouseError(
    "limit_exceeded",
    `The file has ${columns} columns, more than ${limit}.`,
    {
      hint: "Raise dataset_columns under [limits], or send the table in long form.",
      extra: { limit, columns },
    },
  );
}

function nameTooLong(index: number, line: number, limit_bytes: number): LakehouseError {
  return new LakehouseError(
    "limit_exceeded",
    `The name of column ${index + 1} is longer than ${limit_bytes} bytes.`,
    {
      hint: "Say header=false if the first record is data, or raise column_name_bytes under [limits].",
      extra: { line, column: index + 1, limit_bytes },
    },
  );
}

function headerTooLong(line: number, limit_bytes: number): LakehouseError {
  return new LakehouseError(
    "limit_exceeded",
    `The first record is longer than ${limit_bytes} bytes.`,
    {
      hint: "Look for a quote that is never closed, or raise header_bytes under [limits].",
      extra: { line, limit_bytes },
    },
  );
}
