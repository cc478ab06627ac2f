import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Codec } from "../../core/codec.ts";
import type { Json } from "../../core/json.ts";
import type { WorkerPool } from "../../core/workers.ts";
import { canonicalOptions, readOptions } from "./options.ts";

/**
 * Changes whenever the same bytes and options could give other Parquet: with our own rules, and
 * with the engine that writes the file.
 */
export const CSV_CODEC_VERSION = "2/duckdb-1.5.6";

/** What the worker is asked. */
export const csvJobSchema = Type.Object({
  format: Type.Literal("csv"),
  path: Type.String(),
  done_path: Type.String(),
  output_path: Type.String(),
  work_path: Type.String(),
  options: Type.Record(Type.String(), Type.String()),
});
export type CsvJob = Static<typeof csvJobSchema>;

/** What the worker answers, whatever the format. */
export const convertedSchema = Type.Object({
  columns: Type.Array(
    Type.Object({
      id: Type.Integer(),
      name: Type.String(),
      type: Type.String(),
      nullable: Type.Boolean(),
    }),
  ),
  row_count: Type.Integer(),
  size_bytes: Type.Integer(),
  sha256: Type.String(),
  report: Type.Unsafe<Json>(Type.Unknown()),
  notices: Type.Array(Type.String()),
});

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
    async convert({
      path,
      done_path,
      output_path,
      work_path,
      options,
      deadline_ms,
      signal,
      onProgress,
    }) {
      readOptions(options);
      const job: CsvJob = {
        format: "csv",
        path,
        done_path,
        output_path,
        work_path,
        options: { ...options },
      };
      const result = await pool.call(job, { deadline_ms, signal, onProgress });
      return Value.Parse(convertedSchema, result);
    },
  };
}
