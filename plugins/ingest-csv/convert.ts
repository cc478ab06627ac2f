import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lockDown, openEngine } from "../../core/duckdb.ts";
import { LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { Column } from "../../core/services.ts";
import { ArrivingFile } from "./arriving-file.ts";
import { refuseBadRecords } from "./bad-records.ts";
import { typeOf } from "./column-types.ts";
import type { ConversionProgress } from "./conversion-progress.ts";
import { type Dialect, readDialect } from "./dialect.ts";
import { afterFault, encodingOf, type TextFile, transcodeFile } from "./encoding.ts";
import type { ColumnFacts, Scan } from "./kernel/scanner.ts";
import type { CsvOptions } from "./options.ts";
import { joinParquet } from "./parquet/join.ts";
import { type ColumnPlan, Parts, sumParts } from "./parts.ts";
import { csvNotices, csvReport } from "./report.ts";
import { Segments } from "./segments.ts";
import { surveyFile } from "./survey.ts";
import type { TextFault } from "./text-check.ts";
import { checkCopy, EngineDisagrees } from "./witness.ts";

export interface ConvertJob {
  readonly path: string;
  /** Exists when the file at `path` is whole; until then it may be arriving. */
  readonly done_path: string;
  readonly output_path: string;
  /** An empty folder of the job's own. */
  readonly work_path: string;
  readonly options: CsvOptions;
  readonly progress?: ConversionProgress | undefined;
}

export interface ConvertLimits {
  readonly threads: number;
  readonly memory_limit_bytes: number;
  readonly temp_limit_bytes: number;
  readonly record_limit_bytes: number;
  readonly columns_limit: number;
}

export interface Converted {
  readonly columns: readonly Column[];
  readonly row_count: number;
  /** Of the Parquet file. */
  readonly size_bytes: number;
  /** Hex. */
  readonly sha256: string;
  readonly report: Json;
  readonly notices: readonly string[];
}

const HEAD_BYTES = 64;

/**
 * Converts one CSV file to typed Parquet without changing a value, as it arrives: survey every byte
 * (which gives the types), write the rows anew in a form that can be read in one way only, let the
 * engine write them as Parquet part by part, hold what it wrote against the survey, and join the
 * parts. For worker processes.
 */
export async function convertCsv(job: ConvertJob, limits: ConvertLimits): Promise<Converted> {
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
  job: ConvertJob,
  limits: ConvertLimits,
  text: TextFile,
  file: ArrivingFile,
): Promise<Converted | TextFault> {
  const dialect = await readDialect((size) => file.head(size), {
    offset: text.offset,
    delimiter: job.options.delimiter,
    columns_limit: limits.columns_limit,
  });
  if ("kind" in dialect) return dialect;
  const folder = join(job.work_path, text.encoding);
  await mkdir(folder, { mode: 0o700 });
  const engine = await openEngine({ ...limits, temp_path: join(folder, "spill") });
  // The kernel gives a row of one column a second, empty cell.
  const width = Math.max(2, dialect.names.length);
  const format = { delimiter: dialect.delimiter, width };
  const parts = new Parts(engine, format, folder, job.progress);
  const connection = await engine.connect();
  try {
    await lockDown(connection, [], [folder]);
    return await convertRows(job, limits, { text, file, dialect, folder, parts });
  } catch (error) {
    throw asRefusal(error);
  } finally {
    await parts.idle();
    connection.closeSync();
    engine.closeSync();
  }
}

interface Conversion {
  readonly text: TextFile;
  readonly file: ArrivingFile;
  readonly dialect: Dialect;
  /** Of this conversion alone. */
  readonly folder: string;
  readonly parts: Parts;
}

async function convertRows(
  { output_path, progress }: ConvertJob,
  { record_limit_bytes }: ConvertLimits,
  { text, file, dialect, folder, parts }: Conversion,
): Promise<Converted | TextFault> {
  let segments: Segments | undefined;
  const survey = await surveyFile(file, dialect, {
    record_limit_bytes,
    progress,
    plain: (scanner) => {
      segments = new Segments(folder, (paths) => {
        const columns = scanner().columns();
        parts.add(paths, planOf(columns, dialect), recordBytes(scanner().longest_record_bytes));
      });
      return segments;
    },
  });
  if ("kind" in survey) return survey;
  segments?.finish();
  refuseBadRecords(text.path, dialect, survey);
  const { scan } = survey;
  const plan = planOf(scan.columns, dialect);
  if (scan.row_count === 0) parts.add([], plan, 0);
  const written = await parts.finish(plan);
  const sum = sumParts(written, plan);
  checkCopy({ scan, ...plan }, sum, sum.text_bytes);
  const joined = await joinParquet(
    written.map(({ path }) => path),
    output_path,
  );
  if (joined.row_count !== scan.row_count) throw new EngineDisagrees("the joined file lost rows");
  return convertedOf({ text, dialect, scan, plan, null_counts: sum.null_counts }, joined);
}

/** A bare quote is written twice. */
const recordBytes = (longest: number): number => 2 * longest;

function planOf(facts: readonly ColumnFacts[], dialect: Dialect): ColumnPlan {
  const types = facts.map(typeOf);
  const columns = types.map(({ arrow }, index) => ({
    id: index + 1,
    name: dialect.names[index] ?? "",
    type: arrow,
    nullable: true,
  }));
  return { columns, types };
}

interface Outcome {
  readonly text: TextFile;
  readonly dialect: Dialect;
  readonly scan: Scan;
  readonly plan: ColumnPlan;
  readonly null_counts: readonly number[];
}

function convertedOf(
  { text, dialect, scan, plan, null_counts }: Outcome,
  { size_bytes, sha256 }: { readonly size_bytes: number; readonly sha256: string },
): Converted {
  return {
    columns: plan.columns,
    row_count: scan.row_count,
    size_bytes,
    sha256,
    report: csvReport({ file: text, dialect, scan, types: plan.types, null_counts }),
    notices: csvNotices(text, scan),
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
