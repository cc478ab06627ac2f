import type { Column } from "../../core/services.ts";
import { type Digits, digitsHeld, isCounted, widerTypes } from "./widening.ts";

/** A column of an upload, before it is decided what it is stored as. */
export interface OfferedColumn {
  readonly name: string;
  /** The Arrow type it would get in a new dataset. */
  readonly type: string;
  /** True if every cell of the column keeps its value in this Arrow type. */
  readonly fits: (type: string) => boolean;
  /** The most digits any of its numbers has before the point, and after it; absent if unknown. */
  readonly integer_digits?: number;
  readonly fraction_digits?: number;
}

export interface RegisteredSchema {
  readonly columns: readonly Column[];
  /** The highest id ever given in the dataset. */
  readonly last_column_id: number;
}

/** What to do where an upload does not fit the registered schema (`?schema=`). */
export type SchemaMode = "strict" | "widen" | "replace";

export type Verdict = "new" | "same" | "widened" | "replaced" | "conflict";

type Typed = { readonly name: string; readonly type: string };

type Added = Typed & {
  /** Why it cannot be added. */
  readonly reason?: string;
};

type Retyped = {
  readonly name: string;
  /** As registered. */
  readonly from: string;
  /** As the upload would have it. */
  readonly to: string;
  /** The narrowest type that keeps the values of both; null if there is none. */
  readonly widens_to: string | null;
  readonly reason?: string;
};

/** How an upload differs from the registered schema, for programs that decide what to do about it. */
export type SchemaDiff = {
  readonly added: readonly Added[];
  readonly removed: readonly Typed[];
  /** Columns with a cell that the registered type would change. */
  readonly retyped: readonly Retyped[];
  /** Names that stand elsewhere among the columns both have, in the order of the upload. */
  readonly reordered: readonly string[];
  /** The modes that would accept the upload; empty if it needs none. */
  readonly choices: readonly SchemaMode[];
};

export interface Reconciled {
  readonly verdict: Verdict;
  /** What to store the upload as, in this order; as registered after a conflict. */
  readonly columns: readonly Column[];
  readonly last_column_id: number;
  readonly diff: SchemaDiff;
}

/**
 * Judges an upload against the registered schema, by name. Pure.
 *
 * If it has the same columns, in any order, and every cell keeps its value in the registered type,
 * it is that schema, in every mode. Else `strict` refuses; `widen` takes added columns, leaves those
 * the upload lacks to NULL, and widens types where no value of either side is lost; `replace` starts
 * anew. Ids are never reused: a column that stays keeps its id, any other gets a fresh one.
 */
export function reconcile(options: {
  readonly offered: readonly OfferedColumn[];
  readonly registered: RegisteredSchema | undefined;
  readonly mode: SchemaMode;
}): Reconciled {
  const { offered, registered, mode } = options;
  if (registered === undefined) return { verdict: "new", ...freshColumns(offered, 0), diff: NONE };
  const { columns, last_column_id } = registered;
  const diff = compare(offered, columns);
  const is_same = diff.choices.length === 0;
  if (is_same || (mode === "widen" && diff.choices.includes("widen"))) {
    const merged = mergedColumns(offered, registered, diff);
    return { verdict: is_same ? "same" : "widened", ...merged, diff };
  }
  if (mode === "replace") {
    return { verdict: "replaced", ...freshColumns(offered, last_column_id), diff };
  }
  return { verdict: "conflict", columns, last_column_id, diff };
}

const NONE: SchemaDiff = { added: [], removed: [], retyped: [], reordered: [], choices: [] };

function compare(offered: readonly OfferedColumn[], registered: readonly Column[]): SchemaDiff {
  const before = new Map(registered.map((column) => [column.name, column]));
  const after = new Map(offered.map((column) => [column.name, column]));
  const folded = new Map(registered.map(({ name }) => [name.toLowerCase(), name]));
  const added = offered
    .filter(({ name }) => !before.has(name))
    .map(({ name, type }): Added => {
      const rival = folded.get(name.toLowerCase());
      // SQL could not tell the two apart.
      const reason = `It differs from the registered ${rival} by case alone.`;
      return rival === undefined ? { name, type } : { name, type, reason };
    });
  const removed = registered
    .filter(({ name }) => !after.has(name))
    .map(({ name, type }) => ({ name, type }));
  const retyped = registered.flatMap((column) => {
    const fresh = after.get(column.name);
    return fresh === undefined || fresh.fits(column.type) ? [] : [retype(column, fresh)];
  });
  const changes = added.length + removed.length + retyped.length;
  const widens =
    added.every(({ reason }) => reason === undefined) &&
    retyped.every(({ widens_to }) => widens_to !== null);
  const choices: SchemaMode[] = widens ? ["widen", "replace"] : ["replace"];
  return {
    added,
    removed,
    retyped,
    reordered: reordered(offered, registered),
    choices: changes === 0 ? [] : choices,
  };
}

function retype(column: Column, fresh: OfferedColumn): Retyped {
  const { name, type: from } = column;
  const widens_to = widerTypes(column).find((type) => fresh.fits(type)) ?? null;
  const retyped = { name, from, to: fresh.type, widens_to };
  if (widens_to !== null) return retyped;
  return {
    ...retyped,
    reason: `No type keeps the stored values of ${from} and the new ones as they were written.`,
  };
}

function reordered(
  offered: readonly OfferedColumn[],
  registered: readonly Column[],
): readonly string[] {
  const names = new Set(offered.map(({ name }) => name));
  const before = registered.map(({ name }) => name).filter((name) => names.has(name));
  const known = new Set(before);
  const after = offered.map(({ name }) => name).filter((name) => known.has(name));
  return after.filter((name, i) => name !== before[i]);
}

type Columns = Pick<Reconciled, "columns" | "last_column_id">;

function freshColumns(offered: readonly OfferedColumn[], last_column_id: number): Columns {
  const columns = offered.map((column, i) =>
    columnOf(last_column_id + i + 1, column, digitsHeld(column)),
  );
  return { columns, last_column_id: last_column_id + columns.length };
}

/** The registered columns in their order, widened where they must be, and then the added ones. */
function mergedColumns(
  offered: readonly OfferedColumn[],
  { columns, last_column_id }: RegisteredSchema,
  diff: SchemaDiff,
): Columns {
  const types = new Map(diff.retyped.map(({ name, widens_to }) => [name, widens_to]));
  const after = new Map(offered.map((column) => [column.name, column]));
  const merged = columns.map((column) => {
    const type = types.get(column.name) ?? column.type;
    const old = digitsHeld(column);
    const offer = after.get(column.name);
    const fresh = offer && digitsOffered(offer, type);
    return columnOf(
      column.id,
      { name: column.name, type },
      {
        integer_digits: Math.max(old.integer_digits, fresh?.integer_digits ?? 0),
        fraction_digits: Math.max(old.fraction_digits, fresh?.fraction_digits ?? 0),
      },
    );
  });
  const names = new Set(diff.added.map(({ name }) => name));
  const added = freshColumns(
    offered.filter(({ name }) => names.has(name)),
    last_column_id,
  );
  return { columns: [...merged, ...added.columns], last_column_id: added.last_column_id };
}

/** Of a column that becomes part of one of this type. */
function digitsOffered(offer: OfferedColumn, type: string): Digits {
  if (isCounted(offer.type)) return digitsHeld(offer);
  const { integer_digits, fraction_digits } = offer;
  // An int32 that nobody counted may have as many as the column that takes it.
  if (integer_digits === undefined || fraction_digits === undefined)
    return digitsHeld({ ...offer, type });
  return { integer_digits, fraction_digits };
}

/** Any column may be missing from the next upload, so each is nullable. */
function columnOf(id: number, { name, type }: Typed, digits: Digits): Column {
  const column = { id, name, type, nullable: true };
  if (!isCounted(type)) return column;
  const { integer_digits, fraction_digits } = digits;
  return { ...column, integer_digits, fraction_digits };
}
