import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Codec } from "../../core/codec.ts";
import type { WorkerPool } from "../../core/workers.ts";
import { jobFields, jobMembers, outputSchema } from "./conversion-job.ts";
import { refuseOptions } from "./no-options.ts";

/** What the worker is asked. */
export const jsonlJobSchema = Type.Object({ format: Type.Literal("jsonl"), ...jobMembers });
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
    version: "2/duckdb-1.5.6",
    canonicalOptions(options) {
      refuseOptions(options, "JSON Lines");
      return {};
    },
    async convert(input) {
      refuseOptions(input.options, "JSON Lines");
      const job: JsonlJob = { format: "jsonl", ...jobFields(input) };
      const result = await pool.call(job, input);
      return Value.Parse(outputSchema, result);
    },
  };
}
