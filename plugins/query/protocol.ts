import { type Static, Type } from "@sinclair/typebox";

/** What the server asks of a query worker, and what it is told at its start. */

const parameter = Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]);

/** Positional (`$1`, `?`) as an array, named (`$name`) as an object. */
export const parametersSchema = Type.Union([
  Type.Array(parameter),
  Type.Record(Type.String(), parameter),
]);
export type Parameters = Static<typeof parametersSchema>;
export type Parameter = Static<typeof parameter>;

/** A column of a dataset or of a file, with the type as the manifest names it. */
const columnSchema = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  type: Type.String(),
});
export type TableColumn = Static<typeof columnSchema>;

/** Local, verified Parquet files of one schema. */
const groupSchema = Type.Object({
  paths: Type.Array(Type.String(), { minItems: 1 }),
  /** Where they differ from those of the table. */
  columns: Type.Optional(Type.Array(columnSchema)),
});
export type FileGroup = Static<typeof groupSchema>;

/** A dataset as the engine sees it. */
export const tableSchema = Type.Object({
  /** The name the statement finds it under. */
  name: Type.String(),
  groups: Type.Array(groupSchema),
  /** Changes whenever the bytes behind a path do; part of the identity of an engine. */
  versions: Type.Array(Type.String()),
  /** Empty if the catalog does not know them. */
  columns: Type.Array(columnSchema),
});
export type Table = Static<typeof tableSchema>;

export const pathsOf = ({ groups }: Table): string[] => groups.flatMap(({ paths }) => paths);

export const requestSchema = Type.Union([
  Type.Object({ op: Type.Literal("inspect"), sql: Type.String() }),
  Type.Object({
    op: Type.Literal("run"),
    sql: Type.String(),
    params: parametersSchema,
    tables: Type.Array(tableSchema),
    format: Type.Union([Type.Literal("json"), Type.Literal("csv"), Type.Literal("ndjson")]),
  }),
]);
export type WorkerRequest = Static<typeof requestSchema>;
export type RunRequest = Extract<WorkerRequest, { op: "run" }>;

export const inspectionSchema = Type.Object({
  tables: Type.Array(
    Type.Object({
      name: Type.String(),
      position: Type.Optional(Type.Object({ line: Type.Integer(), column: Type.Integer() })),
    }),
  ),
  parameters: Type.Array(Type.String()),
});

export const initSchema = Type.Object({
  threads: Type.Integer({ minimum: 1 }),
  memory_limit_bytes: Type.Integer({ minimum: 1 }),
  temp_path: Type.String(),
  temp_limit_bytes: Type.Integer({ minimum: 1 }),
  result_bytes: Type.Integer({ minimum: 1 }),
});
export type WorkerInit = Static<typeof initSchema>;
