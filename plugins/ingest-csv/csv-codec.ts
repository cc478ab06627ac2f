import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Codec, SchemaInput } from "../../core/codec.ts";
import type { Json } from "../../core/json.ts";
import type { WorkerPool } from "../../core/workers.ts";
import { canonicalOptions, readOptions } from "./options.ts";

/**
 * Changes whenever the same bytes and options could give other Parquet: with our own rules, and
 * with the engine that writes the file.
 */
export const CSV_CODEC_VERSION = "3/duckdb-1.5.6";

const columnSchema = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  type: Type.String(),
  nullable: Type.Boolean(),
  integer_digits: Type.Optional(Type.Integer()),
  fraction_digits: Type.Optional(Type.Integer()),
});
const columnsSchema = Type.Array(columnSchema);

/** What the worker is asked. */
export const csvJobSchema = Type.Object({
  format: Type.Literal("csv"),
  path: Type.String(),
  done_path: Type.String(),
  output_path: Type.String(),
  work_path: Type.String(),
  options: Type.Record(Type.String(), Type.String()),
  schema: Type.Object({
    registered: Type.Optional(
      Type.Object({ columns: columnsSchema, last_column_id: Type.Integer() }),
    ),
    mode: Type.Union([Type.Literal("strict"), Type.Literal("widen"), Type.Literal("replace")]),
  }),
  dry_run: Type.Boolean(),
  rejects_path: Type.Optional(Type.String()),
});
export type CsvJob = Static<typeof csvJobSchema>;

const fileMembers = {
  columns: columnsSchema,
  row_count: Type.Integer(),
  size_bytes: Type.Integer(),
  sha256: Type.String(),
};
const answerMembers = {
  ...fileMembers,
  report: Type.Unsafe<Json>(Type.Unknown()),
  notices: Type.Array(Type.String()),
};

/** What the worker answers where the file is judged against the schema later. */
export const convertedSchema = Type.Object(answerMembers);

/** What it answers for a CSV file. */
const outputSchema = Type.Object({
  ...answerMembers,
  verdict: Type.Union(
    (["new", "same", "widened", "replaced", "conflict"] as const).map((each) => Type.Literal(each)),
  ),
  diff: Type.Unsafe<Json>(Type.Unknown()),
  last_column_id: Type.Integer(),
  physical_columns: Type.Optional(
    Type.Array(Type.Object({ id: Type.Integer(), name: Type.String(), type: Type.String() })),
  ),
  rejects: Type.Optional(Type.Object(fileMembers)),
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
    async convert({ options, schema, rejects_path, deadline_ms, signal, onProgress, ...input }) {
      readOptions(options);
      const { registered, mode } = schema;
      const job: CsvJob = {
        format: "csv",
        path: input.path,
        done_path: input.done_path,
        output_path: input.output_path,
        work_path: input.work_path,
        options: { ...options },
        schema: { mode, ...(registered === undefined ? {} : { registered: plain(registered) }) },
        dry_run: input.dry_run,
        ...(rejects_path === undefined ? {} : { rejects_path }),
      };
      const result = await pool.call(job, { deadline_ms, signal, onProgress });
      return Value.Parse(outputSchema, result);
    },
  };
}

/** As the worker's job has it. */
function plain({ columns, last_column_id }: NonNullable<SchemaInput["registered"]>) {
  return { columns: columns.map((column) => ({ ...column })), last_column_id };
}
