import { LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { ConversionProgress } from "./conversion-progress.ts";
import { JsonColumn } from "./jsonl-columns.ts";
import { forEachLine, type Line } from "./jsonl-lines.ts";
import { JsonRows } from "./jsonl-row.ts";
import type { JsonFault } from "./jsonl-value.ts";

const BAD_LINES_SHOWN = 5;
const EXCERPT_BYTES = 200;
/** Rows between two looks at the clock. */
const PROGRESS_ROWS = 1024;

export interface JsonSurvey {
  /** In the order of their first appearance. */
  readonly keys: readonly string[];
  readonly columns: readonly JsonColumn[];
  readonly row_count: number;
  /** Lines with nothing in them, which are no rows. */
  readonly blank_count: number;
  readonly longest_line_bytes: number;
  /** The first few lines that are no rows, and how many there are. */
  readonly bad: readonly BadLine[];
  readonly bad_count: number;
}

export interface SurveyLimits {
  readonly record_limit_bytes: number;
  readonly columns_limit: number;
}

export interface BadLine {
  readonly line: number;
  /** In characters, from 1. */
  readonly column: number;
  readonly value: string;
  readonly reason: JsonFault;
}

/**
 * Looks at every byte of the file once: finds the columns, what their values are, and the lines that
 * are no rows. Throws `invalid_json_lines` if there is no column at all, and `limit_exceeded`. For
 * worker processes: it blocks.
 */
export function surveyJsonLines(
  path: string,
  { record_limit_bytes, columns_limit }: SurveyLimits,
  progress?: ConversionProgress,
): JsonSurvey {
  const rows = new JsonRows();
  const columns: JsonColumn[] = [];
  const bad: BadLine[] = [];
  let bad_count = 0;
  let row_count = 0;
  let blank_count = 0;
  let longest_line_bytes = 0;
  let judged_bytes = 0;
  forEachLine(path, record_limit_bytes, (line) => {
    const { bytes, start, end } = line;
    judged_bytes += end - start + 1;
    if (rows.isBlank(bytes, start, end)) {
      blank_count += 1;
      return;
    }
    if (!rows.read(bytes, start, end)) {
      bad_count += 1;
      if (bad.length < BAD_LINES_SHOWN) bad.push(badLine(line, rows));
      return;
    }
    row_count += 1;
    if (row_count % PROGRESS_ROWS === 0) progress?.judged(judged_bytes, row_count);
    longest_line_bytes = Math.max(longest_line_bytes, end - start);
    if (rows.cells.length > columns_limit) throw tooWide(line.number, columns_limit);
    while (columns.length < rows.cells.length) columns.push(new JsonColumn());
    for (let index = 0; index < columns.length; index++) {
      const cell = rows.cells[index];
      if (cell?.row === rows.row) columns[index]?.add(bytes, cell, line.number);
    }
  });
  const keys = rows.keys.slice(0, columns.length);
  if (columns.length === 0) {
    refuseBadLines({ bad, bad_count });
    throw noColumns();
  }
  return { keys, columns, row_count, blank_count, longest_line_bytes, bad, bad_count };
}

function badLine({ bytes, start, end, number }: Line, rows: JsonRows): BadLine {
  const cut = Math.min(end, start + EXCERPT_BYTES);
  const text = new TextDecoder().decode(bytes.subarray(start, cut), { stream: true });
  const before = new TextDecoder().decode(bytes.subarray(start, rows.fault_at));
  const characters = before.length - (before.match(/[\u{10000}-\u{10ffff}]/gu)?.length ?? 0);
  return {
    line: number,
    column: characters + 1,
    value: cut < end ? `${text}…` : text,
    reason: rows.fault ?? "unexpected_character",
  };
}

const SENTENCES: Readonly<Record<JsonFault, string>> = {
  not_an_object: "does not begin with a JSON object",
  unexpected_character: "has a character that JSON does not allow there",
  unexpected_end: "ends before its JSON object does",
  bad_escape: "has a backslash that begins no escape of JSON",
  lone_surrogate: "has half of a surrogate pair, which is no character",
  control_character: "has a control character inside a string, which must be escaped",
  bad_number: "has something that begins like a number and is none",
  nested_too_deep: "nests values too deep",
  text_behind_object: "goes on after its JSON object",
  duplicate_key: "has a key twice",
  key_control_character: "has a key with U+0000, U+001E or U+001F in it",
};

/** Throws `invalid_json_lines` if there is a line that is no row. */
export function refuseBadLines({ bad, bad_count }: Pick<JsonSurvey, "bad" | "bad_count">): void {
  const [first] = bad;
  if (first === undefined) return;
  const more = bad_count > 1 ? ` ${bad_count} lines are bad in all.` : "";
  const sentence = `Line ${first.line} ${SENTENCES[first.reason]}, at column ${first.column}.`;
  throw new LakehouseError("invalid_json_lines", sentence + more, {
    hint: "Write one JSON object per line (RFC 8259), each key once, with no line break inside.",
    extra: { ...first, bad_count, bad: bad.map((each): Json => ({ ...each })) },
  });
}

function noColumns(): LakehouseError {
  return new LakehouseError("invalid_json_lines", "The file has no object with a key.", {
    hint: "The keys of the objects name the columns.",
    extra: { line: 1, reason: "no_columns" },
  });
}

function tooWide(line: number, limit: number): LakehouseError {
  return new LakehouseError(
    "limit_exceeded",
    `With line ${line} the objects have more than ${limit} different keys.`,
    {
      hint: "Raise dataset_columns under [limits], or put what varies into one nested object.",
      extra: { line, limit },
    },
  );
}
