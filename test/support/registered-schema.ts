import type { SchemaInput } from "../../core/codec.ts";
import type { Column } from "../../core/services.ts";

/** A column of a registered dataset. */
export const column = (id: number, name: string, type: string): Column => ({
  id,
  name,
  type,
  nullable: true,
});

/** To be judged against these columns. */
export const against = (
  columns: readonly Column[],
  mode: SchemaInput["mode"] = "strict",
): { readonly schema: SchemaInput } => ({
  schema: { registered: { columns, last_column_id: 99 }, mode },
});
