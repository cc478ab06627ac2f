import { type Static, Type } from "@sinclair/typebox";
import type { CodecInput, SchemaInput } from "../../core/codec.ts";
import type { Json } from "../../core/json.ts";

/** What a worker is asked and what it answers, whatever the format of the file. */

const columnSchema = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  type: Type.String(),
  nullable: Type.Boolean(),
  integer_digits: Type.Optional(Type.Integer()),
  fraction_digits: Type.Optional(Type.Integer()),
});
const columnsSchema = Type.Array(columnSchema);

const schemaSchema = Type.Object({
  registered: Type.Optional(
    Type.Object({ columns: columnsSchema, last_column_id: Type.Integer() }),
  ),
  mode: Type.Union([Type.Literal("strict"), Type.Literal("widen"), Type.Literal("replace")]),
});

/** Members of every job, beside its `format`. */
export const jobMembers = {
  path: Type.String(),
  done_path: Type.String(),
  output_path: Type.String(),
  work_path: Type.String(),
  schema: schemaSchema,
  dry_run: Type.Boolean(),
};

/** What a codec is given, as every job has it. */
export function jobFields({
  path,
  done_path,
  output_path,
  work_path,
  schema,
  dry_run,
}: CodecInput) {
  return { path, done_path, output_path, work_path, schema: plainSchema(schema), dry_run };
}

function plainSchema({ mode, registered }: SchemaInput): Static<typeof schemaSchema> {
  return registered === undefined ? { mode } : { mode, registered: plain(registered) };
}

/** Spelt out because an interface is no JSON to the compiler. */
function plain({ columns, last_column_id }: NonNullable<SchemaInput["registered"]>) {
  return { columns: columns.map((column) => ({ ...column })), last_column_id };
}

const fileMembers = {
  columns: columnsSchema,
  row_count: Type.Integer(),
  size_bytes: Type.Integer(),
  sha256: Type.String(),
};

/** A `CodecOutput`. */
export const outputSchema = Type.Object({
  ...fileMembers,
  report: Type.Unsafe<Json>(Type.Unknown()),
  notices: Type.Array(Type.String()),
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
