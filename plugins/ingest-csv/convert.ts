import { rmSync } from "node:fs";
import { join } from "node:path";
import { lockDown, openEngine } from "../../core/duckdb.ts";
import { LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { Column } from "../../core/services.ts";
import { refuseBadRecords } from "./bad-records.ts";
import { TEXT, typeOf } from "./column-types.ts";
import { type CsvSource, directSource, segmentedSource } from "./csv-source.ts";
import { type Dialect, readDialect } from "./dialect.ts";
import { decodeFile, type DecodedFile } from "./encoding.ts";
import type { CsvOptions } from "./options.ts";
import { csvNotices, csvReport } from "./report.ts";
import { type Survey, surveyFile } from "./survey.ts";
import { type CopyOptions, copyTyped, textBytes } from "./typed-copy.ts";
import { checkCopy, EngineDisagrees } from "./witness.ts";

export interface ConvertJob {
  readonly path: string;
  readonly output_path: string;
  /** An empty folder of the job's own. */
  readonly work_path: string;
  readonly options: CsvOptions;
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
  readonly report: Json;
  readonly notices: readonly string[];
}

interface Surveyed extends Survey {
  readonly file: DecodedFile;
  readonly dialect: Dialect;
}

/**
 * Converts one CSV file to typed Parquet without changing a value: make UTF-8 of it, read the
 * header, survey every byte (which gives the types), let the engine write, and hold the result
 * against the survey. For worker processes: it blocks.
 */
export async function convertCsv(job: ConvertJob, limits: ConvertLimits): Promise<Converted> {
  const { path, work_path, options } = job;
  const { record_limit_bytes, columns_limit } = limits;
  const file = decodeFile(path, join(work_path, "decoded.csv"), options.encoding);
  const dialect = readDialect(file, { delimiter: options.delimiter, columns_limit });
  const survey = await surveyFile(file, dialect, { record_limit_bytes });
  refuseBadRecords(file.path, dialect, survey);
  const surveyed: Surveyed = { file, dialect, ...survey };
  const direct = directSource(file, dialect, survey.scan);
  if (direct !== undefined) {
    try {
      return await write(job, surveyed, direct, limits);
    } catch (error) {
      if (!(error instanceof EngineDisagrees)) throw error;
      // Where the engine's scanners meet it can lose its place; in segments they never meet.
      rmSync(job.output_path, { force: true });
    }
  }
  const folder = work_path;
  const source = await segmentedSource(file, dialect, survey.scan, { folder, record_limit_bytes });
  try {
    return await write(job, surveyed, source, limits);
  } catch (error) {
    throw error instanceof EngineDisagrees ? refusal(error) : error;
  }
}

/** Better no dataset than one of which a value may be wrong. */
function refusal(cause: EngineDisagrees): LakehouseError {
  return new LakehouseError(
    "internal",
    "The engine did not read the file as it was counted before; nothing was stored.",
    {
      hint: "This is a fault of the server. Please report it, with the file if you can.",
      extra: { difference: cause.message.slice(0, 500) },
      cause,
    },
  );
}

async function write(
  job: ConvertJob,
  { file, dialect, scan }: Surveyed,
  source: CsvSource,
  limits: ConvertLimits,
): Promise<Converted> {
  const types = scan.columns.map(typeOf);
  const columns = types.map(({ arrow }, index) => ({
    id: index + 1,
    name: dialect.names[index] ?? "",
    type: arrow,
    nullable: true,
  }));
  const { output_path } = job;
  const { row_count, null_counts } = await runEngine(
    { source, columns, types, output_path },
    scan,
    { ...limits, spill_path: join(job.work_path, "spill") },
  );
  return {
    columns,
    row_count,
    report: csvReport({ file, dialect, scan, types, null_counts }),
    notices: csvNotices(file, scan),
  };
}

async function runEngine(
  copy: CopyOptions,
  scan: Survey["scan"],
  { spill_path, ...limits }: ConvertLimits & { readonly spill_path: string },
): Promise<Awaited<ReturnType<typeof copyTyped>>> {
  const engine = await openEngine({ ...limits, temp_path: spill_path });
  const connection = await engine.connect();
  try {
    await lockDown(connection, [...copy.source.paths, copy.output_path]);
    const copied = await copyTyped(connection, copy);
    const text = copy.columns.filter(({ type }) => type === TEXT.arrow).map(({ name }) => name);
    const bytes = await textBytes(connection, text, copy.output_path);
    const text_bytes = new Map(text.map((name, index) => [name, bytes[index] ?? 0]));
    checkCopy({ scan, ...copy }, copied, text_bytes);
    return copied;
  } catch (error) {
    throw asRefusal(error);
  } finally {
    connection.closeSync();
    engine.closeSync();
  }
}

function asRefusal(error: unknown): unknown {
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
