import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Codec } from "../../core/codec.ts";
import type { WorkerPool } from "../../core/workers.ts";
import { jobFields, jobMembers, outputSchema } from "./conversion-job.ts";
import { canonicalOptions, readOptions } from "./options.ts";

/**
 * Changes whenever the same bytes and options could give other Parquet: with our own rules, and
 * with the engine, which writes the rejected rows.
 */
export const CSV_CODEC_VERSION = "5/duckdb-1.5.6";

/** What the worker is asked. */
export const csvJobSchema = Type.Object({
  format: Type.Literal("csv"),
  ...jobMembers,
  options: Type.Record(Type.String(), Type.String()),
  rejects_path: Type.Optional(Type.String()),
});
export type CsvJob = Static<typeof csvJobSchema>;

/** CSV and its relatives, converted in a worker process. */
export function csvCodec(pool: WorkerPool): Codec {
  return {
    format: "csv",
    media_types: [
      "text/csv",
      "application/csv",
      "text/tab-separated-values",
      // What browsers on Windows call a CSV file.
      "application/vnd.ms-excel",
    ],
    suffixes: [".csv", ".tsv", ".txt"],
    version: CSV_CODEC_VERSION,
    follows: true,
    canonicalOptions: (options) => canonicalOptions(readOptions(options)),
    async convert(input) {
      const { options, rejects_path } = input;
      readOptions(options);
      const job: CsvJob = {
        format: "csv",
        ...jobFields(input),
        options: { ...options },
        ...(rejects_path === undefined ? {} : { rejects_path }),
      };
      const result = await pool.call(job, input);
      return Value.Parse(outputSchema, result);
    },
  };
}
