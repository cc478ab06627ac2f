import type { CodecRejects } from "../../core/codec.ts";
import type { Json } from "../../core/json.ts";
import type { BadRecords } from "./bad-records.ts";
import { type ColumnType, familyOf, TEXT, typeOf } from "./column-types.ts";
import type { CsvColumns } from "./csv-columns.ts";
import type { Dialect } from "./dialect.ts";
import type { TextFile } from "./encoding.ts";
import { readExcerpt } from "./excerpt.ts";
import { schemaFingerprint } from "./fingerprint.ts";
import type { JudgedSchema } from "./judged-schema.ts";
import { textOf } from "./kernel/field-syntax.ts";
import { kinds } from "./kernel/kinds.ts";
import type { CellPlace, ColumnFacts, Scan } from "./kernel/scanner.ts";
import type { CsvOptions } from "./options.ts";
import type { ColumnPlan } from "./parts.ts";
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
  readonly plan: ColumnPlan;
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
    diff: judged.diff,
    accepted: is_clean && judged.verdict !== "conflict",
  };
}

function columnReport(name: string, source: number, findings: Findings): Json {
  const { scan, plan, columns, text, dialect } = findings;
  const type = plan.types[plan.sources.indexOf(source)] ?? TEXT;
  const described = { name, type: type.arrow, null_count: expectedNulls(type, source, scan) };
  if (columns.given.has(source)) return { ...described, type_chosen_by: "option" };
  const facts = scan.columns[source];
  if (facts === undefined || typeOf(facts).arrow !== type.arrow) {
    return { ...described, type_chosen_by: "registered schema" };
  }
  const place = decider(facts, type);
  return {
    ...described,
    type_chosen_by: "cells",
    ...(place === undefined ? {} : { decided_by: cellAt(place, text, dialect) }),
  };
}

/**
 * The first cell with which no narrower type was left; undefined where none is narrower. Cells of
 * one kind decide nothing, unless they are text, or have more digits than a double.
 */
function decider(facts: ColumnFacts, type: ColumnType): CellPlace | undefined {
  const firsts = [...facts.first].sort(([, a], [, b]) => a.row - b.row);
  const family = familyOf(facts.kinds);
  if (firsts.length === 1 && type !== TEXT) return undefined;
  let set = 0;
  for (const [index, [kind, place]] of firsts.entries()) {
    set |= kinds[kind];
    // One cell may be of two kinds.
    const is_whole = firsts[index + 1]?.[1].row !== place.row;
    if (is_whole && familyOf(set) === family) return isNarrowest(set) ? undefined : place;
  }
  return undefined;
}

/** An integer of 64 bits is as narrow as numbers get, whatever a double would do to it. */
const isNarrowest = (set: number): boolean => familyOf(set) === familyOf(kinds.integer);

function cellAt({ row, line, offset, length_bytes }: CellPlace, file: TextFile, dialect: Dialect) {
  const text = readExcerpt(file.path, offset, length_bytes);
  return { row: row + 1, line, value: text.endsWith("…") ? text : textOf(text, dialect) };
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
