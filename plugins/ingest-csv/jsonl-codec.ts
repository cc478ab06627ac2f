import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Codec } from "../../core/codec.ts";
import type { WorkerPool } from "../../core/workers.ts";
import { convertedSchema } from "./conversion-job.ts";
import { judgeWritten } from "./judged-schema.ts";
import { refuseOptions } from "./no-options.ts";

/** What the worker is asked. */
export const jsonlJobSchema = Type.Object({
  format: Type.Literal("jsonl"),
  path: Type.String(),
  done_path: Type.String(),
  output_path: Type.String(),
  work_path: Type.String(),
});
type JsonlJob = Static<typeof jsonlJobSchema>;

/** JSON Lines: one object per line, https://jsonlines.org. Converted in a worker process. */
export function jsonlCodec(pool: WorkerPool): Codec {
  return {
    format: "jsonl",
    media_types: [
      "application/jsonl",
      "application/x-jsonlines",
      "application/x-ndjson",
      "application/ndjson",
    ],
    suffixes: [".jsonl", ".ndjson"],
    version: "1/duckdb-1.5.6",
    canonicalOptions(options) {
      refuseOptions(options, "JSON Lines");
      return {};
    },
    async convert({ path, done_path, output_path, work_path, options, schema, ...call }) {
      refuseOptions(options, "JSON Lines");
      const job: JsonlJob = { format: "jsonl", path, done_path, output_path, work_path };
      const file = Value.Parse(convertedSchema, await pool.call(job, call));
      return judgeWritten(file, schema);
    },
  };
}
