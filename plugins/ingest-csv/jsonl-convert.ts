import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { CodecOutput, SchemaInput } from "../../core/codec.ts";
import { lockDown, openEngine } from "../../core/duckdb.ts";
import { hasCode, LakehouseError } from "../../core/error.ts";
import { TEXT } from "./column-types.ts";
import { asRefusal, type ConvertCsvJob, type ConvertLimits } from "./convert.ts";
import { uniqueNames } from "./header.ts";
import { DELIMITER, writePlainRows } from "./jsonl-plain.ts";
import { type JsonFindings, jsonlDiff, jsonlNotices, jsonlReport } from "./jsonl-report.ts";
import { type JsonSurvey, refuseBadLines, surveyJsonLines } from "./jsonl-survey.ts";
import { jsonTypeNamed } from "./jsonl-types.ts";
import { judgeSchema, schemaMembers } from "./judged-schema.ts";
import { type JoinedFile, joinParquet } from "./parquet/join.ts";
import { type Part, Parts, sumParts } from "./parts.ts";
import { Segments } from "./segments.ts";
import { checkCopy, EngineDisagrees } from "./witness.ts";

export type ConvertJsonLinesJob = Omit<ConvertCsvJob, "options" | "rejects_path">;

/**
 * Converts one file of JSON Lines to typed Parquet without changing a value: survey every byte
 * (which gives the columns and their types, judged against the registered schema), write the rows
 * anew in plain form, let the engine write them as Parquet, and hold what it wrote against the
 * survey. For worker processes.
 */
export async function convertJsonLines(
  job: ConvertJsonLinesJob,
  limits: ConvertLimits,
): Promise<CodecOutput> {
  const survey = surveyJsonLines(job.path, limits, job.progress);
  if (!job.dry_run) refuseBadLines(survey);
  const findings = judge(survey, job.schema);
  if (job.dry_run || findings.judged.verdict === "conflict") return outputOf(findings, NOTHING);
  const parts = await writeParts(job, findings, limits);
  checkCopy(countedBy(findings), findings.plan, sumParts(parts, findings.plan));
  const joined = await joinParquet(
    parts.map(({ path }) => path),
    job.output_path,
  );
  if (joined.row_count !== survey.row_count) throw new EngineDisagrees("the joined file lost rows");
  return outputOf(findings, joined);
}

function judge(survey: JsonSurvey, schema: SchemaInput): JsonFindings {
  const names = namesOf(survey.keys);
  const offered = survey.columns.map((column, index) => column.offer(names[index] ?? ""));
  const judged = judgeSchema(offered, schema);
  const { written } = judged;
  const types = written.map(({ type }) => jsonTypeNamed(type) ?? TEXT);
  const sources = written.map(({ source }) => source);
  const by_key = new Map(sources.map((source, index) => [source, types[index]]));
  const stored = names.map((_, key) => by_key.get(key) ?? TEXT);
  const plan = { columns: written, types, sources, signed_zero: true };
  return { survey, names, judged, plan, stored };
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

function countedBy({ survey: { columns, row_count }, stored }: JsonFindings) {
  return {
    row_count,
    columns: columns.map((column, key) => column.counted(row_count, stored[key] ?? TEXT)),
  };
}

async function writeParts(
  { path, work_path, progress }: ConvertJsonLinesJob,
  { survey, plan, stored }: JsonFindings,
  limits: ConvertLimits,
): Promise<readonly Part[]> {
  const folder = join(work_path, "rows");
  await mkdir(folder, { mode: 0o700 });
  const engine = await openEngine({ ...limits, temp_path: join(folder, "spill") });
  // A row of one column gets a second, empty cell.
  const width = Math.max(2, survey.keys.length);
  const parts = new Parts(engine, { delimiter: DELIMITER, quote: '"', width }, folder, progress);
  const connection = await engine.connect();
  try {
    await lockDown(connection, [], [folder]);
    const record_bytes_max = 2 * survey.longest_line_bytes + 4 * width;
    const segments = new Segments(folder, (paths) => parts.add(paths, plan, record_bytes_max));
    try {
      writePlainRows(path, segments, {
        types: stored,
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

const NOTHING = { size_bytes: 0, sha256: "" };

function outputOf(
  findings: JsonFindings,
  { size_bytes, sha256 }: Pick<JoinedFile, "size_bytes" | "sha256">,
): CodecOutput {
  return {
    ...schemaMembers(findings.judged),
    diff: jsonlDiff(findings),
    row_count: findings.survey.row_count,
    size_bytes,
    sha256,
    report: jsonlReport(findings),
    notices: jsonlNotices(findings),
  };
}
