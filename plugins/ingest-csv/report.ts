import type { CodecRejects } from "../../core/codec.ts";
import type { Json } from "../../core/json.ts";
import type { BadRecords } from "./bad-records.ts";
import { typeOf } from "./column-types.ts";
import type { CsvColumns } from "./csv-columns.ts";
import { decider, misfit } from "./decided-by.ts";
import type { Dialect } from "./dialect.ts";
import type { TextFile } from "./encoding.ts";
import { readExcerpt } from "./excerpt.ts";
import { schemaFingerprint } from "./fingerprint.ts";
import type { JudgedSchema } from "./judged-schema.ts";
import { textOf } from "./kernel/field-syntax.ts";
import type { CellPlace, Scan } from "./kernel/scanner.ts";
import type { CsvOptions } from "./options.ts";
import { expectedNulls } from "./witness.ts";

/** Everything that was found out about a file. */
export interface Findings {
  readonly text: TextFile;
  readonly dialect: Dialect;
  readonly options: CsvOptions;
  readonly scan: Scan;
  readonly bad: BadRecords;
  readonly columns: CsvColumns;
  readonly judged: JudgedSchema;
}

/** How the file was read and why the columns have their types, for people. */
export function csvReport(findings: Findings): Json {
  const { text, dialect, options, scan, bad, judged } = findings;
  const { header, delimiter, quote, escape, names } = dialect;
  const is_clean = bad.count === 0 || options.on_error === "reject";
  return {
    format: "csv",
    encoding: text.encoding,
    encoding_chosen_by: text.chosen_by,
    byte_order_mark: text.bom,
    delimiter,
    delimiter_chosen_by: options.delimiter === undefined ? "first record" : "option",
    quote,
    escape,
    header,
    null_texts: options.null_texts,
    line_ends: [...scan.line_ends],
    blank_lines: scan.blank_count,
    row_count: scan.row_count,
    bad_count: bad.count,
    bad: bad.shown,
    columns: names.map((name, source) => columnReport(name, source, findings)),
    schema_fingerprint: schemaFingerprint(judged.columns),
    verdict: judged.verdict,
    diff: explainedDiff(findings),
    accepted: is_clean && judged.verdict !== "conflict",
  };
}

function columnReport(name: string, source: number, findings: Findings): Json {
  const { scan, judged, columns } = findings;
  const type = judged.written.find((column) => column.source === source)?.type ?? "utf8";
  const described = { name, type, null_count: expectedNulls(type, source, scan) };
  if (columns.given.has(source)) return { ...described, type_chosen_by: "option" };
  const facts = scan.columns[source];
  if (facts === undefined || typeOf(facts).arrow !== type) {
    return { ...described, type_chosen_by: "registered schema" };
  }
  return { ...described, type_chosen_by: "cells", ...shown(decider(facts), findings) };
}

/**
 * How the upload differs from the registered schema; with the first cell of each retyped column
 * that the registered type would have changed.
 */
export function explainedDiff(findings: Findings): Json {
  const { judged, dialect, scan } = findings;
  const retyped = judged.diff.retyped.map((column) => {
    const facts = scan.columns[dialect.names.indexOf(column.name)];
    return { ...column, ...shown(facts && misfit(facts, column.from), findings) };
  });
  return { ...judged.diff, retyped };
}

/** A cell as `decided_by`. Row and line from 1, the row behind the header. */
function shown(
  place: CellPlace | undefined,
  { text: { path }, dialect }: Findings,
): { readonly decided_by?: Json } {
  if (place === undefined) return {};
  const { row, line, offset, length_bytes } = place;
  const excerpt = readExcerpt(path, offset, length_bytes);
  const value = excerpt.endsWith("…") ? excerpt : textOf(excerpt, dialect);
  return { decided_by: { row: row + 1, line, value } };
}

/** What was decided for the client without being asked. */
export function csvNotices(
  { text, scan, bad, options }: Findings,
  rejects: CodecRejects | undefined,
): string[] {
  const notices: string[] = [];
  if (text.chosen_by === "content" && text.encoding !== "utf-8") {
    notices.push("The file is not UTF-8 and was read as Windows-1252.");
  }
  if (scan.blank_count > 0) {
    notices.push(`Empty lines that were not taken for records: ${scan.blank_count}.`);
  }
  if (rejects !== undefined) {
    notices.push(`Records that are no rows and were rejected: ${rejects.row_count}.`);
  } else if (bad.count > 0) {
    const what = options.on_error === "reject" ? "would be rejected" : "refuse the file";
    notices.push(`Records that are no rows and ${what}: ${bad.count}.`);
  }
  return notices;
}
