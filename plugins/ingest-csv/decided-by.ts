import { type ColumnType, familyOf, keepsValues } from "./column-types.ts";
import { type Kind, kinds } from "./kernel/kinds.ts";
import type { CellPlace, ColumnFacts } from "./kernel/scanner.ts";

/** Narrowest of their kind: there is nothing to explain. */
const NARROWEST: ReadonlySet<ColumnType | "decimal"> = new Set(
  (["integer", "boolean_lower", "date", "timestamp", "timestamp_utc"] satisfies Kind[]).map(
    (kind) => familyOf(kinds[kind]),
  ),
);

/**
 * The first cell with which no narrower type was left to the column; undefined if it has the
 * narrowest of its kind, or no value. Pure.
 */
export function decider(facts: ColumnFacts): CellPlace | undefined {
  const family = familyOf(facts.kinds);
  if (NARROWEST.has(family)) return undefined;
  return firstCell(facts, (set) => familyOf(set) === family);
}

/** The first cell whose value the type of this Arrow name would change, if there is one. Pure. */
export function misfit(facts: ColumnFacts, arrow: string): CellPlace | undefined {
  return firstCell(facts, (set) => !keepsValues({ ...facts, kinds: set }, arrow));
}

/** The first cell at which the kinds of all cells up to it satisfy the test. */
function firstCell(
  { first }: ColumnFacts,
  isReached: (set: number) => boolean,
): CellPlace | undefined {
  const firsts = [...first].sort(([, a], [, b]) => a.row - b.row);
  let set = 0;
  for (const [index, [kind, place]] of firsts.entries()) {
    set |= kinds[kind];
    // One cell may be of two kinds.
    if (firsts[index + 1]?.[1].row !== place.row && isReached(set)) return place;
  }
  return undefined;
}
