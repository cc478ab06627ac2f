import type { Column } from "../../core/services.ts";

/** The most digits that any number of a column has before its point, and after it. */
export type Digits = Required<Pick<Column, "integer_digits" | "fraction_digits">>;

const DECIMAL_DIGITS = 38;
const DECIMAL_SCALES = [0, 9, 18, 27, 37] as const;
const DECIMAL = /^decimal128\(38, (\d{1,2})\)$/;

const INT64_DIGITS = 19;
/** As many always survive a double (IEEE 754, DBL_DIG). */
const DOUBLE_DIGITS = 15;

/** True of the types that are widened by how many digits their numbers have. */
export const isCounted = (type: string): boolean => type === "int64" || DECIMAL.test(type);

/**
 * What is known of the numbers of a column, or else the most that its type can hold. No digits at
 * all stands for unknown too: every number has one, and to know too little would lose others later.
 * Pure.
 */
export function digitsHeld(column: Pick<Column, "type"> & Partial<Digits>): Digits {
  const most = digitsOfType(column.type);
  const { integer_digits = most.integer_digits, fraction_digits = most.fraction_digits } = column;
  return integer_digits + fraction_digits === 0 ? most : { integer_digits, fraction_digits };
}

function digitsOfType(type: string): Digits {
  if (type === "int64") return { integer_digits: INT64_DIGITS, fraction_digits: 0 };
  const scale = DECIMAL.exec(type)?.[1];
  if (scale === undefined) return { integer_digits: 0, fraction_digits: 0 };
  return { integer_digits: DECIMAL_DIGITS - Number(scale), fraction_digits: Number(scale) };
}

/**
 * The types in which every stored value of the column can be read without a loss, the narrowest
 * first; never the type it has. To text only from types whose values print as they were written:
 * of a float, a decimal, a boolean or a timestamp the written form is gone. Pure.
 *
 * The query plugin casts exactly these; a test holds the two together.
 */
export function widerTypes(column: Column): readonly string[] {
  const { type } = column;
  if (type === "date32[day]") return ["utf8"];
  if (!isCounted(type)) return [];
  const digits = digitsHeld(column);
  const decimals = DECIMAL_SCALES.filter(
    (scale) => digits.fraction_digits <= scale && digits.integer_digits <= DECIMAL_DIGITS - scale,
  ).map((scale) => `decimal128(${DECIMAL_DIGITS}, ${scale})`);
  if (type !== "int64") return decimals.filter((each) => each !== type);
  return [...(digits.integer_digits <= DOUBLE_DIGITS ? ["float64"] : []), ...decimals, "utf8"];
}
