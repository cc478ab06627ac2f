import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Codec } from "../../core/codec.ts";
import type { WorkerPool } from "../../core/workers.ts";
import { convertedSchema } from "./conversion-job.ts";
import { judgeWritten } from "./judged-schema.ts";
import { refuseOptions } from "./no-options.ts";

/** What the worker is asked. */
export const parquetJobSchema = Type.Object({
  format: Type.Literal("parquet"),
  path: Type.String(),
  done_path: Type.String(),
  output_path: Type.String(),
  work_path: Type.String(),
});
type ParquetJob = Static<typeof parquetJobSchema>;

const MAGIC = Buffer.from("PAR1");

/** Parquet, kept byte for byte once every value of it has been read in a worker process. */
export function parquetCodec(pool: WorkerPool): Codec {
  return {
    format: "parquet",
    media_types: ["application/vnd.apache.parquet", "application/x-parquet", "application/parquet"],
    suffixes: [".parquet", ".parq"],
    // Behind the magic comes binary data; a CSV file whose header begins with it goes on with text.
    recognizes: (head) => MAGIC.equals(head.subarray(0, 4)) && isControl(head[4]),
    version: "1",
    canonicalOptions(options) {
      refuseOptions(options, "Parquet");
      return {};
    },
    async convert({ path, done_path, output_path, work_path, options, schema, ...call }) {
      refuseOptions(options, "Parquet");
      const job: ParquetJob = { format: "parquet", path, done_path, output_path, work_path };
      const file = Value.Parse(convertedSchema, await pool.call(job, call));
      return judgeWritten(file, schema);
    },
  };
}

const isControl = (byte: number | undefined): boolean =>
  byte !== undefined && byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d;
