import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { WorkerRole } from "../../core/workers.ts";
import { ConversionProgress } from "./conversion-progress.ts";
import { convertCsv } from "./convert.ts";
import { csvJobSchema } from "./csv-codec.ts";
import { readOptions } from "./options.ts";

export const ingestInitSchema = Type.Object({
  threads: Type.Integer({ minimum: 1 }),
  memory_limit_bytes: Type.Integer({ minimum: 1 }),
  temp_limit_bytes: Type.Integer({ minimum: 1 }),
  record_limit_bytes: Type.Integer({ minimum: 1 }),
  columns_limit: Type.Integer({ minimum: 1 }),
});

/** The process that uploaded files are parsed in: it may die, and then one request fails. */
export const role: WorkerRole = {
  start(payload) {
    const limits = Value.Parse(ingestInitSchema, payload);
    return Promise.resolve(async (message, io) => {
      const { options, ...job } = Value.Parse(csvJobSchema, message);
      const { columns, ...rest } = await convertCsv(
        {
          ...job,
          options: readOptions(options),
          progress: new ConversionProgress((step) => io.progress(step)),
        },
        limits,
      );
      return {
        ...rest,
        columns: columns.map(({ id, name, type, nullable }) => ({ id, name, type, nullable })),
      };
    });
  },
};
