import { LakehouseError } from "../../core/error.ts";
import type {
  Column,
  DataObject,
  Manifest,
  PhysicalColumn,
  Registration,
} from "../../core/services.ts";

/** What a commit makes of the columns. */
export interface NextColumns {
  readonly columns: readonly Column[] | undefined;
  readonly last_column_id: number | undefined;
  readonly objects: readonly DataObject[];
}

/**
 * Pure; no I/O. The columns after a registration that was let in. Under the same fingerprint the
 * registered ids stay, whatever ids were sent; under another one the sent ids hold, and none of a
 * column that is gone may come back. Every object that stays keeps the columns it was written with.
 *
 * `schema_conflict` if the fingerprint is the same and the columns are not.
 */
export function nextColumns(before: Manifest | undefined, offered: Registration): NextColumns {
  const changed = before !== undefined && before.schema_fingerprint !== offered.schema_fingerprint;
  const columns = changed ? changedColumns(before, offered) : sameColumns(before, offered);
  checkObjectColumns(offered, columns);
  const last_column_id = lastColumnId(before, columns, offered.objects);
  return { columns, last_column_id, objects: nextObjects(before, offered.objects, columns) };
}

export function copyColumn(column: Column, id = column.id): Column {
  const { name, type, nullable, integer_digits, fraction_digits } = column;
  return {
    id,
    name,
    type,
    nullable,
    ...(integer_digits === undefined ? {} : { integer_digits }),
    ...(fraction_digits === undefined ? {} : { fraction_digits }),
  };
}

/** The registered ids stay for the life of the dataset; only nullability may move. */
function sameColumns(
  registered: Manifest | undefined,
  offered: Registration,
): readonly Column[] | undefined {
  const old = registered?.columns;
  const fresh = offered.columns;
  // What is known about digits belongs to the data, which may be another now.
  if (fresh === undefined) return old?.map(withoutDigits);
  if (old === undefined) return fresh;
  if (old.length !== fresh.length) throw otherColumns(offered);
  return fresh.map((column, i) => {
    const before = old[i];
    if (before?.name !== column.name || before.type !== column.type) {
      throw otherColumns(offered);
    }
    return copyColumn(column, before.id);
  });
}

function changedColumns(
  registered: Manifest,
  offered: Registration,
): readonly Column[] | undefined {
  const last = registered.last_column_id ?? highestId(registered.columns ?? []);
  const live = new Set(registered.columns?.map(({ id }) => id));
  for (const { id, name } of offered.columns ?? []) {
    // Old objects would be read as if they held the new column.
    if (id <= last && !live.has(id)) {
      throw new Error(`the column ${name} of ${offered.name} reuses the column id ${id}`);
    }
  }
  return offered.columns;
}

/** An object with columns of its own is read by their ids, so these must be the dataset's. */
function checkObjectColumns(
  { columns: sent, objects }: Registration,
  columns: readonly Column[] | undefined,
): void {
  const index = objects.findIndex((object) => object.columns !== undefined);
  if (index === -1) return;
  if (columns === undefined) throw refused(index, "is of use only beside columns of the dataset");
  const agrees = sent === undefined || sent.every(({ id }, i) => columns[i]?.id === id);
  if (!agrees) throw refused(index, "goes with column ids that are not those registered");
}

function refused(index: number, why: string): LakehouseError {
  const pointer = `/objects/${index}/columns`;
  return new LakehouseError("invalid_request", `The member ${pointer} ${why}.`, {
    hint: "GET /catalog/manifest/<name> has the columns and their ids.",
    extra: { pointer },
  });
}

const highestId = (columns: readonly PhysicalColumn[]): number =>
  columns.reduce((highest, { id }) => Math.max(highest, id), 0);

function lastColumnId(
  before: Manifest | undefined,
  columns: readonly Column[] | undefined,
  objects: readonly DataObject[],
): number | undefined {
  const lists = [before?.columns, columns, ...objects.map((object) => object.columns)];
  const known = lists.filter((list) => list !== undefined);
  if (known.length === 0) return before?.last_column_id;
  return Math.max(before?.last_column_id ?? 0, ...known.map(highestId));
}

/** States the columns of an object where, and only where, they differ from the dataset's. */
function nextObjects(
  before: Manifest | undefined,
  objects: readonly DataObject[],
  columns: readonly Column[] | undefined,
): readonly DataObject[] {
  if (columns === undefined) return objects;
  const known = new Map(before?.objects.map((object) => [object.key, object]));
  return objects.map((object) => {
    const old = known.get(object.key);
    const physical = object.columns ?? (old && (old.columns ?? before?.columns));
    const { columns: _, ...rest } = object;
    if (physical === undefined || isSame(physical, columns)) return rest;
    return { ...rest, columns: physical.map(({ id, name, type }) => ({ id, name, type })) };
  });
}

const isSame = (a: readonly PhysicalColumn[], b: readonly PhysicalColumn[]): boolean =>
  a.length === b.length &&
  a.every(({ id, name, type }, i) => {
    const other = b[i];
    return other?.id === id && other.name === name && other.type === type;
  });

const withoutDigits = ({ id, name, type, nullable }: Column): Column => ({
  id,
  name,
  type,
  nullable,
});

function otherColumns({ name, schema_fingerprint }: Registration): LakehouseError {
  return new LakehouseError(
    "schema_conflict",
    `${name} is registered under this fingerprint with other columns.`,
    {
      hint: "A fingerprint stands for the names and types of the columns, in order: send the one that belongs to these.",
      extra: {
        registered_fingerprint: schema_fingerprint,
        offered_fingerprint: schema_fingerprint,
      },
    },
  );
}
