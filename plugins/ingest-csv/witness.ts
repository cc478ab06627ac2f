import { TEXT } from "./column-types.ts";
import type { ColumnFacts } from "./kernel/scanner.ts";
import type { ColumnPlan, Part } from "./parts.ts";
import type { Copied } from "./typed-copy.ts";

/** The engine failed on the file, or read something else than was counted. */
export class EngineDisagrees extends Error {}

/** What was counted without it; the columns are those of the upload. */
interface Counted {
  readonly row_count: number;
  readonly columns: readonly Pick<
    ColumnFacts,
    "empty_count" | "quoted_empty_count" | "text_bytes"
  >[];
}

/** Cells that are NULL in the result: text has an empty string, no other type does. */
export function expectedNulls(arrow: string, source: number, counted: Counted): number {
  const { empty_count = 0, quoted_empty_count = 0 } = counted.columns[source] ?? {};
  return arrow === TEXT.arrow ? empty_count : empty_count + quoted_empty_count;
}

/**
 * Holds what the engine wrote against what was counted without it: rows, nulls of every
 * column (a cell that the engine could not read as its type is one more), and the bytes of every
 * text column. Throws `EngineDisagrees`.
 */
export function checkCopy(
  counted: Counted,
  { columns, types, sources }: ColumnPlan,
  copied: Copied & Pick<Part, "text_bytes">,
): void {
  hold("rows", copied.row_count, counted.row_count);
  for (const [index, { id, name }] of columns.entries()) {
    const type = types[index] ?? TEXT;
    const source = sources[index] ?? index;
    const nulls = expectedNulls(type.arrow, source, counted);
    hold(`nulls of column ${id}`, copied.null_counts[index], nulls);
    if (type.is_text) {
      const bytes = counted.columns[source]?.text_bytes ?? 0;
      hold(`bytes of column ${id}`, copied.text_bytes.get(name), bytes);
    }
  }
}

/** Throws `EngineDisagrees` unless both are the same. */
export function hold<T extends number | bigint>(
  what: string,
  found: T | undefined,
  counted: T | undefined,
): void {
  if (found === counted) return;
  throw new EngineDisagrees(`${what}: the engine has ${found}, ${counted} were counted`);
}
