import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { CodecOutput, SchemaInput } from "../../core/codec.ts";
import { lockDown, openEngine } from "../../core/duckdb.ts";
import { LakehouseError } from "../../core/error.ts";
import { ArrivingFile } from "./arriving-file.ts";
import { BadRecords } from "./bad-records.ts";
import type { ConversionProgress } from "./conversion-progress.ts";
import { CsvColumns } from "./csv-columns.ts";
import { type Dialect, readDialect } from "./dialect.ts";
import { afterFault, encodingOf, type TextFile, transcodeFile } from "./encoding.ts";
import { schemaMembers, type WrittenFile } from "./judged-schema.ts";
import type { CsvOptions } from "./options.ts";
import { joinParquet } from "./parquet/join.ts";
import { Parts, sumParts } from "./parts.ts";
import { RejectRows } from "./reject-rows.ts";
import { csvNotices, csvReport, explainedDiff, type Findings } from "./report.ts";
import { Segments } from "./segments.ts";
import { surveyFile, type SurveyOptions } from "./survey.ts";
import type { TextFault } from "./text-check.ts";
import { checkCopy, EngineDisagrees } from "./witness.ts";

export interface ConvertJob {
  readonly path: string;
  /** Exists when the file at `path` is whole; until then it may be arriving. */
  readonly done_path: string;
  readonly output_path: string;
  /** An empty folder of the job's own. */
  readonly work_path: string;
  readonly progress?: ConversionProgress | undefined;
}

export interface ConvertCsvJob extends ConvertJob {
  readonly options: CsvOptions;
  readonly schema: SchemaInput;
  readonly dry_run: boolean;
  /** Where rejected rows go, with `on_error=reject`. */
  readonly rejects_path?: string | undefined;
}

export interface ConvertLimits {
  readonly threads: number;
  readonly memory_limit_bytes: number;
  readonly temp_limit_bytes: number;
  readonly record_limit_bytes: number;
  readonly columns_limit: number;
  readonly header_limit_bytes: number;
  readonly name_limit_bytes: number;
}

/** A file of another format, before it is judged against the registered schema. */
export type Converted = WrittenFile;

const HEAD_BYTES = 64;

/**
 * Converts one CSV file to typed Parquet without changing a value, as it arrives: survey every byte
 * (which gives the types, judged against the registered schema), write the rows anew in a form that
 * can be read in one way only, let the engine write them as Parquet part by part, hold what it wrote
 * against the survey, and join the parts. For worker processes.
 */
export async function convertCsv(job: ConvertCsvJob, limits: ConvertLimits): Promise<CodecOutput> {
  await using file = await ArrivingFile.open(job.path, job.done_path);
  const { bytes: head } = await file.head(HEAD_BYTES);
  const text = encodingOf(job.path, head, job.options.encoding);
  const result = text.encoding === "utf-8" ? await convertText(job, limits, text, file) : text;
  if ("row_count" in result) return result;
  // Only a whole file can be transcoded: it may be one byte at its end that tells the encoding.
  await file.whole();
  const other = "kind" in result ? afterFault(text, result) : result;
  const decoded = transcodeFile(other, join(job.work_path, "decoded.csv"));
  await using decoded_file = await ArrivingFile.open(decoded.path, job.done_path);
  const again = await convertText(job, limits, decoded, decoded_file);
  if (!("row_count" in again)) throw new Error("transcoded text is not UTF-8");
  return again;
}

/** Converts UTF-8 text; gives back the fault if it is none. */
async function convertText(
  job: ConvertCsvJob,
  limits: ConvertLimits,
  text: TextFile,
  file: ArrivingFile,
): Promise<CodecOutput | TextFault> {
  const { options, schema } = job;
  const dialect = await readDialect((size) => file.head(size), { ...options, ...limits, ...text });
  if ("kind" in dialect) return dialect;
  const columns = new CsvColumns(dialect.names, options, schema);
  const bad = new BadRecords(dialect, columns.given);
  const reading = { job, limits, text, file, dialect, columns, bad };
  if (!job.dry_run) return convertWith(reading);
  const findings = await findOut(reading, (record) => bad.add(record));
  return "kind" in findings ? findings : outputOf(findings, NOTHING, undefined);
}

/** What one text is converted with. */
interface Reading {
  readonly job: ConvertCsvJob;
  readonly limits: ConvertLimits;
  readonly text: TextFile;
  readonly file: ArrivingFile;
  readonly dialect: Dialect;
  readonly columns: CsvColumns;
  readonly bad: BadRecords;
}

/** Opens an engine for it. */
async function convertWith(reading: Reading): Promise<CodecOutput | TextFault> {
  const { job, limits, text, dialect } = reading;
  const folder = join(job.work_path, text.encoding);
  await mkdir(folder, { mode: 0o700 });
  const engine = await openEngine({ ...limits, temp_path: join(folder, "spill") });
  // The kernel gives a row of one column a second, empty cell.
  const format = { ...dialect, width: Math.max(2, dialect.names.length) };
  const parts = new Parts(engine, format, folder, job.progress);
  const rejects =
    job.options.on_error === "reject" && job.rejects_path !== undefined
      ? new RejectRows(engine, dialect, join(folder, "rejects"))
      : undefined;
  const connection = await engine.connect();
  try {
    await lockDown(connection, [], [folder]);
    return await convertRows(reading, { folder, parts, rejects });
  } catch (error) {
    throw asRefusal(error);
  } finally {
    await Promise.all([parts.idle(), rejects?.idle()]);
    connection.closeSync();
    engine.closeSync();
  }
}

interface Writing {
  /** Of this conversion alone. */
  readonly folder: string;
  readonly parts: Parts;
  readonly rejects: RejectRows | undefined;
}

async function convertRows(
  reading: Reading,
  { folder, parts, rejects }: Writing,
): Promise<CodecOutput | TextFault> {
  const { job, columns, bad } = reading;
  let segments: Segments | undefined;
  const findings = await findOut(
    reading,
    (record) => {
      bad.add(record);
      rejects?.add(record);
    },
    (scanner) => {
      segments = new Segments(folder, (paths) => {
        const { plan } = columns.judge(scanner().columns());
        parts.add(paths, plan, recordBytes(scanner().longest_record_bytes));
      });
      return segments;
    },
  );
  if ("kind" in findings) return findings;
  segments?.finish();
  if (rejects === undefined) bad.refuse();
  if (findings.judged.verdict === "conflict") return outputOf(findings, NOTHING, undefined);
  const { scan, plan } = findings;
  if (scan.row_count === 0) parts.add([], plan, 0);
  const written = await parts.finish(plan);
  checkCopy(scan, plan, sumParts(written, plan));
  const joined = await joinParquet(
    written.map(({ path }) => path),
    job.output_path,
  );
  if (joined.row_count !== scan.row_count) throw new EngineDisagrees("the joined file lost rows");
  return outputOf(findings, joined, await rejects?.finish(job.rejects_path ?? ""));
}

/** Surveys the text and judges its columns. */
async function findOut(
  { job: { options, progress }, limits, text, file, dialect, columns, bad }: Reading,
  onBadRecord: SurveyOptions["onBadRecord"],
  plain?: SurveyOptions["plain"],
): Promise<Findings | TextFault> {
  const scan = await surveyFile(file, dialect, {
    record_limit_bytes: limits.record_limit_bytes,
    null_texts: options.null_texts,
    given: columns.given,
    scales: columns.scales,
    onBadRecord,
    plain,
    progress,
  });
  if ("kind" in scan) return scan;
  return { text, dialect, options, scan, bad, columns, ...columns.judge(scan.columns) };
}

/** A bare quote is written twice. */
const recordBytes = (longest: number): number => 2 * longest;

const NOTHING = { size_bytes: 0, sha256: "" };

function outputOf(
  findings: Findings,
  { size_bytes, sha256 }: { readonly size_bytes: number; readonly sha256: string },
  rejects: CodecOutput["rejects"],
): CodecOutput {
  return {
    ...schemaMembers(findings.judged),
    diff: explainedDiff(findings),
    row_count: findings.scan.row_count,
    size_bytes,
    sha256,
    report: csvReport(findings),
    notices: csvNotices(findings, rejects),
    ...(rejects === undefined ? {} : { rejects }),
  };
}

/** What a client is told when the engine fails. */
export function asRefusal(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof LakehouseError) return error;
  if (error instanceof EngineDisagrees) return error;
  if (error.message.startsWith("Out of Memory Error")) {
    return new LakehouseError(
      "limit_exceeded",
      "The conversion needs more memory than one worker may take.",
      {
        hint: "Raise ingest_memory_bytes under [limits], or send fewer columns.",
        cause: error,
      },
    );
  }
  return new EngineDisagrees(error.message, { cause: error });
}
