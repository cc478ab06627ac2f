import { type Kind, kinds, within } from "./kernel/kinds.ts";
import type { ColumnFacts } from "./kernel/scanner.ts";

/** What a column is stored as. */
export interface ColumnType {
  /** Arrow's name, as in fingerprints and manifests. */
  readonly arrow: string;
  /**
   * SQL for the value of the cell `x`. Every cell is known to have one; where the engine disagrees
   * it must yield NULL, so that the count of nulls shows it, and never fail.
   */
  readonly value: (x: string) => string;
  /** It holds the bytes of its cells: how many there are can be held against the survey. */
  readonly is_text?: true;
}

const cast =
  (sql_type: string) =>
  (x: string): string =>
    `try_cast(${x} AS ${sql_type})`;

export const TEXT: ColumnType = { arrow: "utf8", value: (x) => x, is_text: true };
const INT64: ColumnType = { arrow: "int64", value: cast("BIGINT") };
const FLOAT64: ColumnType = { arrow: "float64", value: cast("DOUBLE") };
const BOOL: ColumnType = { arrow: "bool", value: cast("BOOLEAN") };
const DATE: ColumnType = { arrow: "date32[day]", value: cast("DATE") };
const TIMESTAMP: ColumnType = { arrow: "timestamp[us]", value: cast("TIMESTAMP") };
const TIMESTAMP_UTC: ColumnType = {
  arrow: "timestamp[us, tz=UTC]",
  // Cells end with `Z`, which the engine takes for the UTC it is; no time zone has to be looked up.
  value: (x) => `make_timestamptz(epoch_us(${cast("TIMESTAMP")(x)}))`,
};

const DECIMAL_DIGITS = 38;
/** In steps, so that another file of the same kind gets the same type. */
const DECIMAL_SCALES = [0, 9, 18, 27, 37] as const;

const decimal = (scale: number): ColumnType => ({
  arrow: `decimal128(${DECIMAL_DIGITS}, ${scale})`,
  value: cast(`DECIMAL(${DECIMAL_DIGITS}, ${scale})`),
});

/**
 * The narrowest type that keeps the value of every cell; text where there is none, where the cells
 * are of different kinds, or where there is no cell at all. What it gives depends only on the set
 * of cells. Pure.
 */
export function typeOf(facts: ColumnFacts): ColumnType {
  const set = facts.kinds;
  if (set === 0) return TEXT;
  // Exact or not as a double does not matter to an integer that fits 64 bits.
  if (within(set, "integer", "inexact")) return INT64;
  if (within(set, "integer", "big_integer", "decimal", "scientific")) return FLOAT64;
  if (within(set, "integer", "big_integer", "decimal", "inexact")) return decimalOf(facts);
  if (isOnly(set, "boolean_lower") || isOnly(set, "boolean_title") || isOnly(set, "boolean_upper"))
    return BOOL;
  if (isOnly(set, "date")) return DATE;
  if (isOnly(set, "timestamp")) return TIMESTAMP;
  if (isOnly(set, "timestamp_utc")) return TIMESTAMP_UTC;
  return TEXT;
}

const isOnly = (set: number, kind: Kind): boolean => set === kinds[kind];

/** Exact where a double would lose digits. */
function decimalOf({ integer_digits, fraction_digits }: ColumnFacts): ColumnType {
  const scale = DECIMAL_SCALES.find(
    (scale) => fraction_digits <= scale && integer_digits <= DECIMAL_DIGITS - scale,
  );
  return scale === undefined ? TEXT : decimal(scale);
}
