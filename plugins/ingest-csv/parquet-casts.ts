import { decimalDigits } from "./column-types.ts";

/** What must be known of a column to tell what else it can be stored as. */
export interface ParquetFacts {
  readonly null_count: number;
  readonly value_count: number;
  /** Of integers, and of decimals as if there were no point; undefined for any other type. */
  readonly extremes?: readonly [bigint, bigint] | undefined;
}

const INTEGERS: Readonly<Record<string, string>> = {
  int8: "TINYINT",
  int16: "SMALLINT",
  int32: "INTEGER",
  int64: "BIGINT",
  uint8: "UTINYINT",
  uint16: "USMALLINT",
  uint32: "UINTEGER",
  uint64: "UBIGINT",
};
const OTHERS: Readonly<Record<string, string>> = {
  bool: "BOOLEAN",
  float32: "FLOAT",
  float64: "DOUBLE",
  utf8: "VARCHAR",
  binary: "BLOB",
  "date32[day]": "DATE",
  "timestamp[us]": "TIMESTAMP",
  "timestamp[ns]": "TIMESTAMP_NS",
  "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
};

/** Up to here a binary floating point number holds every integer (IEEE 754). */
const EXACT_INTEGERS: ReadonlyMap<string, bigint> = new Map([
  ["float32", 2n ** 24n],
  ["float64", 2n ** 53n],
]);
/** As many digits always survive a double (IEEE 754, DBL_DIG). */
const DOUBLE_DIGITS = 15;

/** The engine's name of a type that a column can be cast to; undefined for any other. Pure. */
export function sqlTypeNamed(arrow: string): string | undefined {
  const digits = decimalDigits(arrow);
  if (digits !== undefined) return `DECIMAL(${digits.precision}, ${digits.scale})`;
  return INTEGERS[arrow] ?? OTHERS[arrow];
}

/** True of integers and decimals, whose least and greatest value say how many digits they have. */
export const isExactNumber = (arrow: string): boolean => scaleOf(arrow) !== undefined;

/** Digits behind the point; undefined for a type of no such numbers. */
function scaleOf(arrow: string): number | undefined {
  return arrow in INTEGERS ? 0 : decimalDigits(arrow)?.scale;
}

/** The most digits that a number of the column has before its point, and after it. Pure. */
export function digitsOf(
  arrow: string,
  { value_count, extremes }: ParquetFacts,
): { readonly integer_digits: number; readonly fraction_digits: number } | undefined {
  // No digits at all would stand for unknown, and a column without a value has none to lose.
  if (value_count === 0) return { integer_digits: 1, fraction_digits: 0 };
  const scale = scaleOf(arrow);
  if (extremes === undefined || scale === undefined) return undefined;
  const all = Math.max(...extremes.map((value) => String(value).replace("-", "").length));
  return { integer_digits: Math.max(1, all - scale), fraction_digits: scale };
}

/**
 * True if values of one type may be the same in another, which the engine then has to prove of each
 * by a cast there and back. What that would not prove is decided here: a number that is too long
 * for a double may come back all the same, and a number that became text is a number no more. Pure.
 */
export function mayHold(from: string, to: string, facts: ParquetFacts): boolean {
  if (sqlTypeNamed(to) === undefined) return false;
  if (facts.value_count === 0) return true;
  if (from === "float32") return to === "float64";
  if (from === "timestamp[ns]") return to === "timestamp[us]";
  const scale = scaleOf(from);
  if (scale === undefined || facts.extremes === undefined) return false;
  const exact = EXACT_INTEGERS.get(to);
  if (exact !== undefined && scale === 0)
    return facts.extremes.every((value) => -exact <= value && value <= exact);
  if (to === "float64") {
    const { integer_digits = DOUBLE_DIGITS, fraction_digits = 1 } = digitsOf(from, facts) ?? {};
    return integer_digits + fraction_digits <= DOUBLE_DIGITS;
  }
  return to in INTEGERS ? scale === 0 : decimalDigits(to) !== undefined;
}
