import type { OutputType } from "./kernel/column-group.ts";
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
const PLAIN_TYPES = [TEXT, INT64, FLOAT64, BOOL, DATE, TIMESTAMP, TIMESTAMP_UTC];

export const DECIMAL_DIGITS = 38;
/** In steps, so that another file of the same kind gets the same type. */
export const DECIMAL_SCALES = [0, 9, 18, 27, 37] as const;
const DECIMAL = /^decimal128\((\d{1,2}), (\d{1,2})\)$/;

export const decimal = (precision: number, scale: number): ColumnType => ({
  arrow: `decimal128(${precision}, ${scale})`,
  value: cast(`DECIMAL(${precision}, ${scale})`),
});

/** Digits of a decimal, all of them and those behind the point; undefined for another type. */
export function decimalDigits(
  arrow: string,
): { readonly precision: number; readonly scale: number } | undefined {
  const [, precision, scale] = DECIMAL.exec(arrow) ?? [];
  return precision === undefined ? undefined : { precision: +precision, scale: Number(scale) };
}

/** The type of this Arrow name; undefined if no text is read as one. */
export function typeNamed(arrow: string): ColumnType | undefined {
  const digits = decimalDigits(arrow);
  if (digits !== undefined) return decimal(digits.precision, digits.scale);
  return PLAIN_TYPES.find((type) => type.arrow === arrow);
}

const OUTPUT_TYPES: ReadonlyMap<string, OutputType> = new Map([
  ["utf8", "utf8"],
  ["int64", "int64"],
  ["float64", "float64"],
  ["bool", "bool"],
  ["date32[day]", "date32"],
  ["timestamp[us]", "timestamp"],
  ["timestamp[us, tz=UTC]", "timestamp_utc"],
]);

/** How the kernel writes a column of this Arrow name. */
export function outputType(arrow: string): OutputType {
  const type = DECIMAL.test(arrow) ? "decimal128" : OUTPUT_TYPES.get(arrow);
  if (type === undefined) throw new RangeError(`no text is read as ${arrow}`);
  return type;
}

/**
 * The narrowest type that keeps the value of every cell; text where there is none, where the cells
 * are of different kinds, or where there is no cell at all. What it gives depends only on the set
 * of cells. Pure.
 */
export function typeOf(facts: ColumnFacts): ColumnType {
  const family = familyOf(facts.kinds);
  return family === "decimal" ? decimalOf(facts) : family;
}

/** The type as far as the kinds of the cells decide it: which decimal it is takes their digits. */
export function familyOf(set: number): ColumnType | "decimal" {
  if (set === 0) return TEXT;
  // Exact or not as a double does not matter to an integer that fits 64 bits.
  if (within(set, "integer", "inexact")) return INT64;
  if (within(set, "integer", "big_integer", "decimal", "scientific", "negative_zero"))
    return FLOAT64;
  if (within(set, "integer", "big_integer", "decimal", "inexact", "negative_zero"))
    return "decimal";
  if (isOnly(set, "boolean_lower") || isOnly(set, "boolean_title") || isOnly(set, "boolean_upper"))
    return BOOL;
  if (isOnly(set, "date")) return DATE;
  if (isOnly(set, "timestamp")) return TIMESTAMP;
  if (isOnly(set, "timestamp_utc")) return TIMESTAMP_UTC;
  return TEXT;
}

const isOnly = (set: number, kind: Kind): boolean => set === kinds[kind];

/** Exact where a double would lose digits. */
function decimalOf(facts: ColumnFacts): ColumnType {
  const scale = DECIMAL_SCALES.find((scale) => hasRoom(facts, DECIMAL_DIGITS, scale));
  return scale === undefined ? TEXT : decimal(DECIMAL_DIGITS, scale);
}

const hasRoom = (facts: ColumnFacts, precision: number, scale: number): boolean =>
  facts.fraction_digits <= scale && facts.integer_digits <= precision - scale;

/**
 * True if every cell keeps its value in the type of this Arrow name, so that a column registered as
 * that can take them; a column without a value fits any type. Pure.
 */
export function keepsValues(facts: ColumnFacts, arrow: string): boolean {
  const type = typeNamed(arrow);
  if (type === undefined) return false;
  const set = facts.kinds;
  if (type === TEXT || set === 0) return true;
  if (type === FLOAT64)
    return within(set, "integer", "big_integer", "decimal", "scientific", "negative_zero");
  const digits = decimalDigits(arrow);
  if (digits === undefined) return familyOf(set) === type;
  if (!within(set, "integer", "big_integer", "decimal", "inexact", "negative_zero")) return false;
  return hasRoom(facts, digits.precision, digits.scale);
}
