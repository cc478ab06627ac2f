import { LakehouseError } from "../../core/error.ts";
import { CR, LF } from "./bytes.ts";
import { uniqueNames } from "./header.ts";
import { type ParsedRecord, parseRecord } from "./record.ts";
import { TextCheck, type TextFault } from "./text-check.ts";

/** Candidates, the preferred first. */
export const DELIMITERS = [",", "\t", ";", "|"] as const;

/** How a file is written: never guessed from its data, only from its first record. */
export interface Dialect {
  /** One ASCII character. */
  readonly delimiter: string;
  /** Unique names, in order. */
  readonly names: readonly string[];
  /** Where the first record after the header begins. */
  readonly data_offset: number;
  readonly data_line: number;
}

/** Reads the first `size` bytes of a file, or all of a smaller one. */
export type ReadHead = (
  size: number,
) => Promise<{ readonly bytes: Buffer; readonly at_end: boolean }>;

export interface DialectOptions {
  /** Where the text begins, in bytes. */
  readonly offset: number;
  /** Undefined: chosen among `DELIMITERS`. */
  readonly delimiter: string | undefined;
  readonly columns_limit: number;
}

const HEADER_LIMIT_BYTES = 4 * 1024 * 1024;
const FIRST_READ_BYTES = 64 * 1024;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads the header. The delimiter is the candidate that cuts the first record into the most cells,
 * the earlier one of equals; the first record is the first line that is not empty. Gives back the fault of a
 * header that is no UTF-8 text. Throws
 * `invalid_csv` if there is none or its quotes are broken, `limit_exceeded` if it is too wide.
 */
export async function readDialect(
  readHead: ReadHead,
  options: DialectOptions,
): Promise<Dialect | TextFault> {
  const candidates = options.delimiter === undefined ? DELIMITERS : [options.delimiter];
  for (let size = FIRST_READ_BYTES; ; size *= 4) {
    const head = await readHead(size);
    const bytes = head.bytes.subarray(options.offset);
    const { at_end } = head;
    const start = skipBlankLines(bytes);
    if (start.index === bytes.length && at_end) throw noHeader();
    const parsed = candidates.map((delimiter) => ({
      delimiter,
      record: parseRecord(bytes, start.index, delimiter.charCodeAt(0)),
    }));
    if (at_end || parsed.every(({ record }) => record.complete)) {
      const best = parsed.reduce((best, each) =>
        each.record.cells.length > best.record.cells.length ? each : best,
      );
      const check = new TextCheck(options.offset);
      const fault = check.push(bytes.subarray(0, best.record.end)) ?? check.finish();
      return fault ?? dialectOf(best.delimiter, best.record, start, options);
    }
    if (size >= HEADER_LIMIT_BYTES) throw headerTooLong();
  }
}

function dialectOf(
  delimiter: string,
  record: ParsedRecord,
  start: { readonly index: number; readonly line: number },
  options: DialectOptions,
): Dialect {
  if (record.fault !== undefined) throw brokenHeader(record.fault, start.line);
  if (record.cells.length > options.columns_limit) {
    throw new LakehouseError(
      "limit_exceeded",
      `The file has ${record.cells.length} columns, more than ${options.columns_limit}.`,
      {
        hint: "Raise dataset_columns under [limits], or send the table in long form.",
        extra: { limit: options.columns_limit, columns: record.cells.length },
      },
    );
  }
  return {
    delimiter,
    names: uniqueNames(record.cells.map((cell) => utf8.decode(cell))),
    data_offset: options.offset + record.end,
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

function brokenHeader(fault: "text_behind_quote" | "unclosed_quote", line: number) {
  return new LakehouseError(
    "invalid_csv",
    fault === "unclosed_quote"
      ? "A quote that opens in the header is never closed."
      : "A cell of the header goes on after its closing quote.",
    {
      hint: 'Write a quote inside a quoted cell twice: "".',
      extra: { line, reason: fault },
    },
  );
}

function headerTooLong(): LakehouseError {
  return new LakehouseError(
    "limit_exceeded",
    `The first record is longer than ${HEADER_LIMIT_BYTES} bytes.`,
    { hint: "The first record must name the columns; look for a quote that is never closed." },
  );
}
