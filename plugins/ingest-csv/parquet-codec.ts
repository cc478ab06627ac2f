import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Codec } from "../../core/codec.ts";
import type { WorkerPool } from "../../core/workers.ts";
import { jobFields, jobMembers, outputSchema } from "./conversion-job.ts";
import { refuseOptions } from "./no-options.ts";

/** What the worker is asked. */
export const parquetJobSchema = Type.Object({ format: Type.Literal("parquet"), ...jobMembers });
type ParquetJob = Static<typeof parquetJobSchema>;

const MAGIC = Buffer.from("PAR1");

/**
 * Parquet: kept byte for byte once every value of it has been read in a worker process, unless the
 * dataset has other types.
 */
export function parquetCodec(pool: WorkerPool): Codec {
  return {
    format: "parquet",
    media_types: ["application/vnd.apache.parquet", "application/x-parquet", "application/parquet"],
    suffixes: [".parquet", ".parq"],
    // Behind the magic comes binary data; a CSV file whose header begins with it goes on with text.
    recognizes: (head) => MAGIC.equals(head.subarray(0, 4)) && isControl(head[4]),
    version: "2/duckdb-1.5.6",
    canonicalOptions(options) {
      refuseOptions(options, "Parquet");
      return {};
    },
    async convert(input) {
      refuseOptions(input.options, "Parquet");
      const job: ParquetJob = { format: "parquet", ...jobFields(input) };
      const result = await pool.call(job, input);
      return Value.Parse(outputSchema, result);
    },
  };
}

const isControl = (byte: number | undefined): boolean =>
  byte !== undefined && byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d;
