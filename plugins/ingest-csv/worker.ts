import { setPriority } from "node:os";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Json } from "../../core/json.ts";
import type { WorkerRole } from "../../core/workers.ts";
import { ConversionProgress } from "./conversion-progress.ts";
import type { CodecOutput } from "../../core/codec.ts";
import { convertCsv, type ConvertLimits } from "./convert.ts";
import { csvJobSchema } from "./csv-codec.ts";
import { jsonlJobSchema } from "./jsonl-codec.ts";
import { convertJsonLines } from "./jsonl-convert.ts";
import { parquetJobSchema } from "./parquet-codec.ts";
import { takeParquet } from "./parquet-convert.ts";
import { RangeThreads } from "./range-threads.ts";

export const ingestInitSchema = Type.Object({
  threads: Type.Integer({ minimum: 1 }),
  memory_limit_bytes: Type.Integer({ minimum: 1 }),
  temp_limit_bytes: Type.Integer({ minimum: 1 }),
  record_limit_bytes: Type.Integer({ minimum: 1 }),
  columns_limit: Type.Integer({ minimum: 1 }),
  header_limit_bytes: Type.Integer({ minimum: 1 }),
  name_limit_bytes: Type.Integer({ minimum: 1 }),
});

const jobSchema = Type.Union([csvJobSchema, jsonlJobSchema, parquetJobSchema]);

function convert(
  job: Static<typeof jobSchema>,
  limits: ConvertLimits,
  progress: ConversionProgress,
  threads: RangeThreads,
): Promise<CodecOutput> {
  switch (job.format) {
    case "csv":
      return convertCsv({ ...job, progress }, limits, threads);
    case "jsonl":
      return convertJsonLines({ ...job, progress }, limits);
    case "parquet":
      return takeParquet(job, limits);
    default:
      return job satisfies never;
  }
}

/**
 * Behind the server, and whatever else answers requests: a conversion keeps every core busy. The
 * threads that are begun later inherit it (setpriority(2)).
 */
const NICENESS = 5;

/** The process that uploaded files are parsed in: it may die, and then one request fails. */
export const role: WorkerRole = {
  start(payload) {
    const limits = Value.Parse(ingestInitSchema, payload);
    const threads = new RangeThreads(limits.threads);
    setPriority(NICENESS);
    return Promise.resolve(async (message, io) => {
      const job = Value.Parse(jobSchema, message);
      const progress = new ConversionProgress((step) => io.progress(step));
      return toJson(await convert(job, limits, progress, threads));
    });
  },
};

/** Spelt out because an interface is no JSON to the compiler. */
function toJson({ columns, physical_columns, rejects, ...rest }: CodecOutput): Json {
  return {
    ...rest,
    columns: columns.map((column) => ({ ...column })),
    ...(physical_columns === undefined
      ? {}
      : { physical_columns: physical_columns.map((column) => ({ ...column })) }),
    ...(rejects === undefined
      ? {}
      : { rejects: { ...rejects, columns: rejects.columns.map((column) => ({ ...column })) } }),
  };
}
