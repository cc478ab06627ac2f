import type { Json } from "../../core/json.ts";
import { type ColumnType, TEXT } from "./column-types.ts";
import type { Dialect } from "./dialect.ts";
import type { TextFile } from "./encoding.ts";
import { readExcerpt } from "./excerpt.ts";
import type { ColumnFacts, Scan } from "./kernel/scanner.ts";

interface Seen {
  readonly file: TextFile;
  readonly dialect: Dialect;
  readonly scan: Scan;
  readonly types: readonly ColumnType[];
  readonly null_counts: readonly number[];
}

/** How the file was read and why the columns have their types, for people. */
export function csvReport({ file, dialect, scan, types, null_counts }: Seen): Json {
  const { names, delimiter } = dialect;
  return {
    format: "csv",
    encoding: file.encoding,
    encoding_chosen_by: file.chosen_by,
    byte_order_mark: file.bom,
    delimiter,
    quote: '"',
    escape: '"',
    line_ends: [...scan.line_ends],
    blank_lines: scan.blank_count,
    row_count: scan.row_count,
    columns: types.map((type, index) => ({
      name: names[index] ?? "",
      type: type.arrow,
      null_count: null_counts[index] ?? 0,
      ...decidedBy(file, scan.columns[index], type),
    })),
  };
}

/**
 * The cell that made a column what it is: the first of the kind that came last. A column of one
 * kind has none, unless it is text.
 */
function decidedBy(
  file: TextFile,
  facts: ColumnFacts | undefined,
  type: ColumnType,
): { readonly decided_by?: Json } {
  const firsts = [...(facts?.first.values() ?? [])].sort((a, b) => b.row - a.row);
  const [last] = firsts;
  if (last === undefined || (firsts.length === 1 && type !== TEXT)) return {};
  const { row, line, offset, length_bytes } = last;
  return {
    decided_by: { row: row + 1, line, value: readExcerpt(file.path, offset, length_bytes) },
  };
}

/** What was decided for the client without being asked. */
export function csvNotices(file: TextFile, scan: Scan): string[] {
  const notices: string[] = [];
  if (file.chosen_by === "content" && file.encoding !== "utf-8") {
    notices.push("The file is not UTF-8 and was read as Windows-1252.");
  }
  if (scan.blank_count > 0) {
    notices.push(`Empty lines that were not taken for records: ${scan.blank_count}.`);
  }
  return notices;
}
