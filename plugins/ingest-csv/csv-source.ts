import { sqlLiteral } from "../../core/duckdb.ts";

/** Plain rows (see `segments.ts`): text that leaves the engine nothing to decide. */
export interface CsvSource {
  readonly paths: readonly string[];
  readonly delimiter: string;
  /** Empty: nothing is quoted. */
  readonly quote: string;
  /** Cells of a line; the cells of a row are the first of them. */
  readonly width: number;
  readonly record_bytes_max: number;
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
export function readCsv({ paths, delimiter, quote, width, record_bytes_max }: CsvSource): string {
  const columns = Array.from({ length: width }, (_, index) => `'${cell(index)}': 'VARCHAR'`);
  if (paths.length === 0) return emptyTable(width);
  const line_bytes = Math.max(LINE_BYTES, record_bytes_max + 1024);
  return `read_csv([${paths.map(sqlLiteral).join(", ")}],
    columns = {${columns.join(", ")}},
    auto_detect = false, header = true, skip = 0, parallel = true,
    delim = ${sqlLiteral(delimiter)}, quote = ${sqlLiteral(quote)}, escape = ${sqlLiteral(quote)}, new_line = '\\n', comment = '',
    encoding = 'utf-8', hive_partitioning = false, compression = 'none',
    nullstr = '', allow_quoted_nulls = false,
    null_padding = false, strict_mode = true, ignore_errors = false,
    max_line_size = ${line_bytes}, buffer_size = ${Math.max(BUFFER_BYTES, line_bytes * 2)})`;
}

function emptyTable(width: number): string {
  const cells = Array.from({ length: width }, (_, index) => `NULL::VARCHAR AS ${cell(index)}`);
  return `(SELECT ${cells.join(", ")} LIMIT 0)`;
}
