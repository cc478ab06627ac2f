import type { CodecOutput, SchemaInput } from "../../core/codec.ts";
import type { Column } from "../../core/services.ts";
import { type OfferedColumn, reconcile, type Reconciled } from "./reconcile.ts";

/** A column as it is to be written: under its id in the dataset, in its registered type. */
export interface WrittenColumn extends Column {
  /** Index of the column in the upload. */
  readonly source: number;
}

/** An upload judged against the registered schema, and what to write if it is accepted. */
export interface JudgedSchema extends Reconciled {
  /** The columns of the upload, in the order of the dataset. */
  readonly written: readonly WrittenColumn[];
}

/**
 * Judges the columns of an upload. After a conflict `columns` is what the upload would be by
 * itself. Pure.
 */
export function judgeSchema(offered: readonly OfferedColumn[], schema: SchemaInput): JudgedSchema {
  const { registered, mode } = schema;
  const judged = reconcile({ offered, registered, mode });
  const { columns, last_column_id } =
    judged.verdict === "conflict" ? reconcile({ offered, registered, mode: "replace" }) : judged;
  const sources = new Map(offered.map(({ name }, index) => [name, index]));
  const written = columns.flatMap((column) => {
    const source = sources.get(column.name);
    return source === undefined ? [] : [{ ...column, source }];
  });
  return { ...judged, columns, last_column_id, written };
}

type JudgedMembers = Pick<
  CodecOutput,
  "verdict" | "diff" | "columns" | "last_column_id" | "physical_columns"
>;

/** What a codec answers about the schema. */
export function schemaMembers({
  verdict,
  diff,
  columns,
  last_column_id,
  written,
}: JudgedSchema): JudgedMembers {
  const members = { verdict, diff, columns, last_column_id };
  const is_whole = columns.every(({ id }, index) => written[index]?.id === id);
  if (is_whole && written.length === columns.length) return members;
  return {
    ...members,
    physical_columns: written.map(({ id, name, type }) => ({ id, name, type })),
  };
}

/** True if the same rows written as both are the same file. Pure. */
export function samePlan(one: readonly WrittenColumn[], other: readonly WrittenColumn[]): boolean {
  if (one.length !== other.length) return false;
  return one.every((column, index) => {
    const { id, name, type, source } = other[index] ?? {};
    const is_same = column.id === id && column.name === name && column.type === type;
    return is_same && column.source === source;
  });
}
