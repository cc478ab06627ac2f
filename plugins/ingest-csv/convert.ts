import type { DuckDBInstance } from "@duckdb/node-api";
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
import { schemaMembers } from "./judged-schema.ts";
import { type CsvOptions, readOptions } from "./options.ts";
import { writeNoRows } from "./parquet/row-groups.ts";
import type { RangeThreads } from "./range-threads.ts";
import { RejectRows } from "./reject-rows.ts";
import { isOutOfSpace, outOfSpace } from "./out-of-space.ts";
import { ResultFile } from "./result-file.ts";
import { csvNotices, csvReport, explainedDiff, type Findings } from "./report.ts";
import type { TextFault } from "./text-check.ts";
import { TextConversion } from "./text-conversion.ts";
import { EngineDisagrees } from "./witness.ts";

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
  /** As `readOptions` takes them. */
  readonly options: Readonly<Record<string, string>>;
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
  /** For tests alone, see `TextConversionOptions`. */
  readonly range_bytes?: number | undefined;
}

const HEAD_BYTES = 64;

/**
 * Converts one CSV file to typed Parquet without changing a value, as it arrives: judge every byte
 * (which gives the types, judged against the registered schema), write the rows range by range, let
 * the engine read everything back and hold what it finds against what was judged, and join the
 * parts. For worker processes.
 */
export async function convertCsv(
  job: ConvertCsvJob,
  limits: ConvertLimits,
  threads: RangeThreads,
): Promise<CodecOutput> {
  const options = readOptions(job.options);
  await using file = await ArrivingFile.open(job.path, job.done_path);
  const { bytes: head } = await file.head(HEAD_BYTES);
  const text = encodingOf(job.path, head, options.encoding);
  const context = { job, options, limits, threads };
  const result = text.encoding === "utf-8" ? await convertText({ ...context, text, file }) : text;
  if ("row_count" in result) return result;
  // Only a whole file can be transcoded: it may be one byte at its end that tells the encoding.
  await file.whole();
  const other = "kind" in result ? afterFault(text, result) : result;
  const decoded = transcodeFile(other, join(job.work_path, "decoded.csv"));
  await using decoded_file = await ArrivingFile.open(decoded.path, job.done_path);
  const again = await convertText({ ...context, text: decoded, file: decoded_file });
  if (!("row_count" in again)) throw new Error("transcoded text is not UTF-8");
  return again;
}

interface Source {
  readonly job: ConvertCsvJob;
  readonly options: CsvOptions;
  readonly limits: ConvertLimits;
  readonly threads: RangeThreads;
  readonly text: TextFile;
  readonly file: ArrivingFile;
}

/** What one text is converted with. */
interface Reading extends Source {
  readonly dialect: Dialect;
  readonly columns: CsvColumns;
  readonly bad: BadRecords;
}

/** Converts UTF-8 text; gives back the fault if it is none. */
async function convertText(source: Source): Promise<CodecOutput | TextFault> {
  const { job, options, limits, text, file } = source;
  const dialect = await readDialect((size) => file.head(size), { ...options, ...limits, ...text });
  if ("kind" in dialect) return dialect;
  const columns = new CsvColumns(dialect.names, options, job.schema);
  const bad = new BadRecords(dialect, columns.given);
  const reading = { ...source, dialect, columns, bad };
  return job.dry_run ? judgeText(reading) : convertWith(reading);
}

/** What becomes of the rows. */
interface Writing {
  readonly folder: string;
  readonly result: ResultFile;
  readonly rejects: RejectRows | undefined;
}

function conversionOf(reading: Reading, writing: Writing | undefined): TextConversion {
  const { job, limits, threads, text, file, dialect, columns, bad } = reading;
  return new TextConversion({
    settings: {
      path: text.path,
      dialect,
      options: job.options,
      schema: job.schema,
      record_limit_bytes: limits.record_limit_bytes,
    },
    file,
    threads,
    columns,
    bad,
    rejects: writing?.rejects,
    writing: writing && {
      folder: writing.folder,
      onRange: (files, columns) => writing.result.add(files, columns),
    },
    progress: job.progress,
    range_bytes: limits.range_bytes,
  });
}

/** A dry run. */
async function judgeText(reading: Reading): Promise<CodecOutput | TextFault> {
  const conversion = conversionOf(reading, undefined);
  const fault = await conversion.run();
  return fault ?? outputOf(findingsOf(reading, conversion), NOTHING, undefined);
}

/** Opens an engine for it. */
async function convertWith(reading: Reading): Promise<CodecOutput | TextFault> {
  const { job, limits, text } = reading;
  const folder = join(job.work_path, text.encoding);
  await mkdir(folder, { mode: 0o700 });
  const opening = openLocked(limits, folder);
  // Nothing is there to be read back yet: the first ranges do not wait for it.
  const engine = opening.then((opened) => opened.engine);
  // Who reads back is told; of a text that is refused before, nothing is read back.
  engine.catch(() => {});
  try {
    await using result = new ResultFile({
      engine,
      path: job.output_path,
      // The join waits in the same pool of threads.
      readers_max: Math.max(1, limits.threads - 1),
    });
    await using rejects = await rejectRows(reading, engine, folder);
    return await convertRows(reading, { folder, result, rejects: rejects?.rows });
  } catch (error) {
    throw asRefusal(error);
  } finally {
    const [opened] = await Promise.allSettled([opening]);
    if (opened.status === "fulfilled") opened.value[Symbol.dispose]();
  }
}

/** Disposed of when nothing of it uses the engine any more. */
async function rejectRows(
  { job, options, dialect }: Reading,
  engine: Promise<DuckDBInstance>,
  folder: string,
): Promise<(AsyncDisposable & { readonly rows: RejectRows }) | undefined> {
  if (options.on_error !== "reject" || job.rejects_path === undefined) return undefined;
  const rows = new RejectRows(await engine, dialect, join(folder, "rejects"));
  return { rows, [Symbol.asyncDispose]: () => rows.idle() };
}

interface LockedEngine extends Disposable {
  readonly engine: DuckDBInstance;
}

async function openLocked(limits: ConvertLimits, folder: string): Promise<LockedEngine> {
  // One thread for each statement: they only read back what other threads have written.
  const engine = await openEngine({ ...limits, threads: 1, temp_path: join(folder, "spill") });
  using stack = new DisposableStack();
  stack.defer(() => engine.closeSync());
  const connection = await engine.connect();
  stack.defer(() => connection.closeSync());
  await lockDown(connection, [], [folder]);
  const kept = stack.move();
  return { engine, [Symbol.dispose]: () => kept.dispose() };
}

async function convertRows(reading: Reading, writing: Writing): Promise<CodecOutput | TextFault> {
  const { job, bad } = reading;
  const { folder, result, rejects } = writing;
  const conversion = conversionOf(reading, writing);
  const fault = await conversion.run();
  if (fault !== undefined) return fault;
  const findings = findingsOf(reading, conversion);
  if (rejects === undefined) bad.refuse();
  const { scan, judged } = findings;
  if (judged.verdict === "conflict") return outputOf(findings, NOTHING, undefined);
  const columns = judged.written;
  const ranges = await conversion.finish(columns);
  const is_empty = scan.row_count === 0;
  const all = is_empty ? [[writeNoRows(join(folder, "no-rows.parquet"), columns)]] : ranges;
  const joined = await result.finish(all, columns, scan);
  return outputOf(findings, joined, await rejects?.finish(job.rejects_path ?? ""));
}

function findingsOf(
  { text, dialect, options, bad, columns }: Reading,
  conversion: TextConversion,
): Findings {
  const { scan } = conversion;
  return { text, dialect, options, scan, bad, columns, judged: conversion.judge() };
}

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

/** The engine's word, and that of the kernel. */
const NO_MEMORY = /^Out of Memory Error|no memory for/;

/** What a client is told when the engine fails, or a thread. */
export function asRefusal(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof LakehouseError) return error;
  if (error instanceof EngineDisagrees) return error;
  if (isOutOfSpace(error)) return outOfSpace(error);
  if (NO_MEMORY.test(error.message)) {
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
