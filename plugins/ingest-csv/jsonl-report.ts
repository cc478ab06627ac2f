import type { Json } from "../../core/json.ts";
import { type ColumnType, TEXT } from "./column-types.ts";
import { schemaFingerprint } from "./fingerprint.ts";
import type { Decider } from "./jsonl-columns.ts";
import type { JsonSurvey } from "./jsonl-survey.ts";
import { JSON_TEXT } from "./jsonl-types.ts";
import type { JudgedSchema } from "./judged-schema.ts";
import type { ColumnPlan } from "./parts.ts";

/** Everything that was found out about a file. */
export interface JsonFindings {
  readonly survey: JsonSurvey;
  /** Of the columns, in the order of the keys. */
  readonly names: readonly string[];
  readonly judged: JudgedSchema;
  readonly plan: ColumnPlan;
  /** What the values of each key are stored as. */
  readonly stored: readonly ColumnType[];
}

/** How the file was read and why the columns have their types, for people. */
export function jsonlReport(findings: JsonFindings): Json {
  const { survey, names, judged, stored } = findings;
  return {
    format: "jsonl",
    encoding: "utf-8",
    row_count: survey.row_count,
    blank_lines: survey.blank_count,
    bad_count: survey.bad_count,
    bad: survey.bad.map((line): Json => ({ ...line })),
    columns: names.map((name, index) => columnReport(name, index, survey, stored[index] ?? TEXT)),
    schema_fingerprint: schemaFingerprint(judged.columns),
    verdict: judged.verdict,
    diff: jsonlDiff(findings),
    accepted: survey.bad_count === 0 && judged.verdict !== "conflict",
  };
}

function columnReport(
  name: string,
  index: number,
  { keys, columns, row_count }: JsonSurvey,
  type: ColumnType,
): Json {
  const key = keys[index];
  const column = columns[index];
  const is_own = column === undefined || column.type().arrow === type.arrow;
  return {
    name,
    type: type.arrow,
    type_chosen_by: is_own ? "values" : "registered schema",
    ...(key === name || key === undefined ? {} : { key }),
    null_count: row_count - (column?.value_count ?? 0),
    ...shown(is_own ? column?.decided_by : undefined),
  };
}

/**
 * How the upload differs from the registered schema; with the first value of each retyped column
 * that the registered type would have changed.
 */
export function jsonlDiff({ judged, names, survey }: JsonFindings): Json {
  const retyped = judged.diff.retyped.map((column) => ({
    ...column,
    ...shown(survey.columns[names.indexOf(column.name)]?.misfit(column.from)),
  }));
  return { ...judged.diff, retyped };
}

const shown = (decider: Decider | undefined): { readonly decided_by?: Json } =>
  decider === undefined ? {} : { decided_by: { ...decider } };

/** What was decided for the client without being asked. */
export function jsonlNotices({ names, survey, stored }: JsonFindings): string[] {
  const { keys, columns, blank_count, bad_count } = survey;
  const notices: string[] = [];
  const mixed = names.filter((_, index) => {
    const column = columns[index];
    const is_json = stored[index] === JSON_TEXT && column?.type() === JSON_TEXT;
    return is_json && column.decided_by !== undefined;
  });
  if (mixed.length > 0) {
    notices.push(
      `Columns whose values fit no one type hold the JSON of each: ${mixed.join(", ")}.`,
    );
  }
  const renamed = names.filter((name, index) => name !== keys[index]);
  if (renamed.length > 0) {
    notices.push(`Keys that had to be renamed, now: ${renamed.join(", ")}.`);
  }
  if (blank_count > 0) {
    notices.push(`Empty lines that were not taken for records: ${blank_count}.`);
  }
  if (bad_count > 0) notices.push(`Lines that are no rows and refuse the file: ${bad_count}.`);
  return notices;
}
