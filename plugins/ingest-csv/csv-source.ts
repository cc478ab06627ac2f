import { closeSync, openSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { sqlLiteral } from "../../core/duckdb.ts";
import type { Dialect } from "./dialect.ts";
import type { DecodedFile } from "./encoding.ts";
import type { Scan } from "./kernel/scanner.ts";
import { surveyFile } from "./survey.ts";

/**
 * A little under the 8,000,000 bytes that one scanner of the engine takes at a time. Where two
 * scanners meet near a quoted cell with line breaks or `""` in it, the engine guesses, and now and
 * then returns other text; a file that one scanner reads alone has no such place.
 */
const SEGMENT_BYTES = 7_000_000;
/** Longer records would need a larger line buffer in every one of the engine's threads. */
const DIRECT_RECORD_BYTES = 1024 * 1024;

/** Text that leaves the engine nothing to decide. */
export interface CsvSource {
  readonly paths: readonly string[];
  readonly delimiter: string;
  /** Cells of a line; the cells of a row are the first of them. */
  readonly width: number;
  /** The first line of each file is no row. */
  readonly header: boolean;
  readonly record_bytes_max: number;
}

/** The file as it is, or undefined if the engine could read it in more than one way. */
export function directSource(
  file: DecodedFile,
  dialect: Dialect,
  scan: Scan,
): CsvSource | undefined {
  const { delimiter, names, plain_header } = dialect;
  const only_lf = [...scan.line_ends].every((each) => each === "lf");
  const quoted_breaks = scan.line_break_count - scan.row_count - scan.blank_count;
  const one_scanner = statSync(file.path).size < SEGMENT_BYTES;
  const plain =
    plain_header &&
    only_lf &&
    // A line without a byte is skipped, or an empty cell: not left to the engine.
    scan.blank_count === 0 &&
    names.length > 1 &&
    scan.bare_quote_count === 0 &&
    scan.longest_record_bytes <= DIRECT_RECORD_BYTES &&
    (one_scanner || (scan.escaped_count === 0 && quoted_breaks <= 0));
  if (!plain) return undefined;
  return {
    paths: [file.path],
    delimiter,
    width: names.length,
    header: true,
    record_bytes_max: scan.longest_record_bytes,
  };
}

/** The rows written anew in plain form, into files of `folder` that one scanner reads each. */
export async function segmentedSource(
  file: DecodedFile,
  dialect: Dialect,
  scan: Scan,
  options: { readonly folder: string; readonly record_limit_bytes: number },
): Promise<CsvSource> {
  const segments = new Segments(options.folder);
  try {
    await surveyFile(file, dialect, {
      record_limit_bytes: options.record_limit_bytes,
      onPlainBytes: (bytes) => segments.write(bytes),
    });
  } finally {
    segments.close();
  }
  const one_column = dialect.names.length === 1;
  if (one_column) segments.cut(scan.blank_count * BLANK_ROW_BYTES);
  return {
    paths: segments.paths,
    delimiter: dialect.delimiter,
    width: one_column ? 2 : dialect.names.length,
    header: false,
    // A bare quote is written twice.
    record_bytes_max: 2 * scan.longest_record_bytes,
  };
}

/** The kernel gives a row of one column a second, empty cell; blank lines at the end are no rows. */
const BLANK_ROW_BYTES = 2;

class Segments {
  readonly paths: string[] = [];
  readonly #folder: string;
  #file: number | undefined;
  #written_bytes = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Whole rows: a segment ends between two calls. */
  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#file !== undefined && this.#written_bytes + bytes.length > SEGMENT_BYTES)
      this.close();
    this.#file ??= this.#next();
    for (let done = 0; done < bytes.length;) done += writeSync(this.#file, bytes, done);
    this.#written_bytes += bytes.length;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    this.#written_bytes = 0;
  }

  /** Takes bytes off the end. */
  cut(bytes: number): void {
    for (let left = bytes; left > 0;) {
      const last = this.paths.at(-1);
      if (last === undefined) return;
      const { size } = statSync(last);
      if (size > left) truncateSync(last, size - left);
      else this.paths.pop();
      left -= Math.min(left, size);
    }
  }

  #next(): number {
    const path = join(this.#folder, `segment-${String(this.paths.length).padStart(6, "0")}.csv`);
    this.paths.push(path);
    return openSync(path, "wx", 0o600);
  }
}

/** Column `index` (from 0) in queries over `readCsv`. */
export const cell = (index: number): string => `c${index}`;

/** The engine's defaults; a record may not be longer than a line, nor a line than a buffer. */
const LINE_BYTES = 2 * 1024 * 1024;
const BUFFER_BYTES = 32 * 1024 * 1024;

/**
 * The table function that reads every cell as text. Nothing is left to detection, which drops rows
 * and changes values. An unquoted empty cell is NULL, a quoted one the empty string.
 */
export function readCsv({ paths, delimiter, width, header, record_bytes_max }: CsvSource): string {
  const columns = Array.from({ length: width }, (_, index) => `'${cell(index)}': 'VARCHAR'`);
  if (paths.length === 0) return emptyTable(width);
  const line_bytes = Math.max(LINE_BYTES, record_bytes_max + 1024);
  return `read_csv([${paths.map(sqlLiteral).join(", ")}],
    columns = {${columns.join(", ")}},
    auto_detect = false, header = ${header}, skip = 0, parallel = true,
    delim = ${sqlLiteral(delimiter)}, quote = '"', escape = '"', new_line = '\\n', comment = '',
    encoding = 'utf-8', hive_partitioning = false, compression = 'none',
    nullstr = '', allow_quoted_nulls = false,
    null_padding = false, strict_mode = true, ignore_errors = false,
    max_line_size = ${line_bytes}, buffer_size = ${Math.max(BUFFER_BYTES, line_bytes * 2)})`;
}

function emptyTable(width: number): string {
  const cells = Array.from({ length: width }, (_, index) => `NULL::VARCHAR AS ${cell(index)}`);
  return `(SELECT ${cells.join(", ")} LIMIT 0)`;
}
