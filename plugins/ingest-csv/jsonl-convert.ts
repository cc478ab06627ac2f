import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lockDown, openEngine } from "../../core/duckdb.ts";
import { hasCode, LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { ConversionProgress } from "./conversion-progress.ts";
import { asRefusal, type Converted, type ConvertJob, type ConvertLimits } from "./convert.ts";
import { uniqueNames } from "./header.ts";
import { DELIMITER, writePlainRows } from "./jsonl-plain.ts";
import { type JsonSurvey, surveyJsonLines } from "./jsonl-survey.ts";
import { joinParquet } from "./parquet/join.ts";
import { type ColumnPlan, type Part, Parts, sumParts } from "./parts.ts";
import { Segments } from "./segments.ts";
import { checkCopy } from "./witness.ts";

/**
 * Converts one file of JSON Lines to typed Parquet without changing a value: survey every byte
 * (which gives the columns and their types), write the rows anew in plain form, let the engine write
 * them as Parquet, and hold what it wrote against the survey. For worker processes.
 */
export async function convertJsonLines(
  { path, work_path, output_path, progress }: Omit<ConvertJob, "options">,
  limits: ConvertLimits,
): Promise<Converted> {
  const survey = surveyJsonLines(path, limits, progress);
  const plan = planOf(survey);
  const parts = await writeParts(path, { work_path, survey, plan, progress }, limits);
  const { null_counts, ...sum } = sumParts(parts, plan);
  const facts = survey.columns.map((column) => column.facts(survey.row_count));
  const scan = { row_count: survey.row_count, columns: facts };
  checkCopy(scan, plan, { ...sum, null_counts });
  const { size_bytes, sha256 } = await joinParquet(
    parts.map((part) => part.path),
    output_path,
  );
  return {
    columns: plan.columns,
    row_count: survey.row_count,
    size_bytes,
    sha256,
    report: reportOf(survey, plan, null_counts),
    notices: noticesOf(survey, plan),
  };
}

function planOf({ keys, columns }: JsonSurvey): ColumnPlan {
  const names = namesOf(keys);
  const types = columns.map((column) => column.type());
  return {
    types,
    sources: types.map((_, index) => index),
    signed_zero: true,
    columns: types.map(({ arrow }, index) => ({
      id: index + 1,
      name: names[index] ?? "",
      type: arrow,
      nullable: true,
    })),
  };
}

/** Unique without regard to case, by the rule for CSV headers. */
function namesOf(keys: readonly string[]): readonly string[] {
  try {
    return uniqueNames(keys);
  } catch (error) {
    if (!hasCode(error, "invalid_csv")) throw error;
    throw new LakehouseError("invalid_json_lines", "A key cannot name a column.", { cause: error });
  }
}

interface Writing {
  readonly work_path: string;
  readonly survey: JsonSurvey;
  readonly plan: ColumnPlan;
  readonly progress: ConversionProgress | undefined;
}

async function writeParts(
  path: string,
  { work_path, survey, plan, progress }: Writing,
  limits: ConvertLimits,
): Promise<readonly Part[]> {
  const folder = join(work_path, "rows");
  await mkdir(folder, { mode: 0o700 });
  const engine = await openEngine({ ...limits, temp_path: join(folder, "spill") });
  const width = Math.max(2, plan.columns.length);
  const parts = new Parts(engine, { delimiter: DELIMITER, quote: '"', width }, folder, progress);
  const connection = await engine.connect();
  try {
    await lockDown(connection, [], [folder]);
    const record_bytes_max = 2 * survey.longest_line_bytes + 4 * width;
    const segments = new Segments(folder, (paths) => parts.add(paths, plan, record_bytes_max));
    try {
      writePlainRows(path, segments, {
        types: plan.types,
        record_limit_bytes: limits.record_limit_bytes,
        total_limit_bytes: limits.temp_limit_bytes,
      });
      segments.finish();
    } finally {
      segments.close();
    }
    return await parts.finish(plan);
  } catch (error) {
    throw asRefusal(error);
  } finally {
    await parts.idle();
    connection.closeSync();
    engine.closeSync();
  }
}

/** How the file was read and why the columns have their types, for people. */
function reportOf(
  { keys, columns, row_count, blank_count }: JsonSurvey,
  plan: ColumnPlan,
  null_counts: readonly number[],
): Json {
  return {
    format: "jsonl",
    encoding: "utf-8",
    row_count,
    blank_lines: blank_count,
    columns: plan.columns.map(({ name, type }, index) => {
      const decided_by = columns[index]?.decided_by;
      const key = keys[index];
      return {
        name,
        type,
        ...(key === name || key === undefined ? {} : { key }),
        null_count: null_counts[index] ?? 0,
        ...(decided_by === undefined ? {} : { decided_by: { ...decided_by } }),
      };
    }),
  };
}

/** What was decided for the client without being asked. */
function noticesOf({ keys, columns, blank_count }: JsonSurvey, plan: ColumnPlan): string[] {
  const notices: string[] = [];
  const mixed = plan.columns.filter(
    ({ type }, index) =>
      type === "extension<arrow.json>" && columns[index]?.decided_by !== undefined,
  );
  if (mixed.length > 0) {
    notices.push(
      `Columns whose values fit no one type hold the JSON of each: ${mixed.map(({ name }) => name).join(", ")}.`,
    );
  }
  const renamed = plan.columns.filter(({ name }, index) => name !== keys[index]);
  if (renamed.length > 0) {
    notices.push(
      `Keys that had to be renamed, now: ${renamed.map(({ name }) => name).join(", ")}.`,
    );
  }
  if (blank_count > 0) {
    notices.push(`Empty lines that were not taken for records: ${blank_count}.`);
  }
  return notices;
}
