import type { Column } from "../../core/services.ts";
import { type ColumnType, TEXT } from "./column-types.ts";
import type { Scan } from "./kernel/scanner.ts";
import type { Copied } from "./typed-copy.ts";

/** The engine failed on the file, or read something else than the survey counted. */
export class EngineDisagrees extends Error {}

/** What the survey counted. */
type Seen = Pick<Scan, "row_count" | "columns">;

/** Cells that are NULL in the result: text has an empty string, no other type does. */
export function expectedNulls(type: ColumnType, index: number, scan: Seen): number {
  const { empty_count = 0, quoted_empty_count = 0 } = scan.columns[index] ?? {};
  return type === TEXT ? empty_count : empty_count + quoted_empty_count;
}

/**
 * Holds what the engine wrote against what the survey counted by itself: rows, nulls of every
 * column (a cell that the engine could not read as its type is one more), and the bytes of every
 * text column. Throws `EngineDisagrees`.
 */
export function checkCopy(
  {
    scan,
    columns,
    types,
  }: { scan: Seen; columns: readonly Column[]; types: readonly ColumnType[] },
  copied: Copied,
  /** By column name. */
  text_bytes: ReadonlyMap<string, number>,
): void {
  hold("rows", copied.row_count, scan.row_count);
  for (const [index, { id, name }] of columns.entries()) {
    const type = types[index] ?? TEXT;
    hold(`nulls of column ${id}`, copied.null_counts[index], expectedNulls(type, index, scan));
    if (type.is_text) {
      const counted = scan.columns[index]?.cell_bytes ?? 0;
      hold(`bytes of column ${id}`, text_bytes.get(name), counted);
    }
  }
}

function hold(what: string, found: number | undefined, counted: number): void {
  if (found === counted) return;
  throw new EngineDisagrees(`${what}: the engine has ${found}, the survey counted ${counted}`);
}
