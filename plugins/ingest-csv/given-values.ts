import { decimalDigits } from "./column-types.ts";
import { readIsoDay, readIsoInstant, readIsoTimestamp } from "./iso-time.ts";
import { printsBack } from "./kernel/exact-double.ts";
import { DOUBLE_DIGITS, PlainNumber } from "./plain-number.ts";
import type { TimeFormat, TimeFormats } from "./time-format.ts";
import type { TypeName } from "./type-name.ts";

/**
 * A value as its column holds it. By Arrow type: int64, date32 (days since 1970-01-01), timestamp
 * (microseconds since the epoch) and decimal128 (value × 10^scale) are bigints, float64 a number,
 * bool a boolean.
 */
export type CellValue = bigint | number | boolean;

/** The value of a cell without spaces around it; undefined if it has none that would be kept. */
export type ValueReader = (text: string) => CellValue | undefined;

const SCIENTIFIC = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,4})?$/i;
const INTEGER_CHARACTERS_MAX = 100;
const INT64_DIGITS = 19;
const TRUE = /^(?:true|t|yes|y|1)$/i;
const FALSE = /^(?:false|f|no|n|0)$/i;

/** Reads the cells of a column of this type; text has no value but itself. */
export function readerOf(type: TypeName, formats: TimeFormats): ValueReader {
  switch (type.base) {
    case "BIGINT":
      return integerReader();
    case "DOUBLE":
      return doubleReader();
    case "DECIMAL":
      return decimalReader(type.precision, type.scale);
    case "BOOLEAN":
      return readBoolean;
    case "DATE":
      return dateReader(formats.date);
    case "TIMESTAMP":
      return formats.timestamp?.read ?? readIsoTimestamp;
    case "TIMESTAMPTZ":
      return formats.timestamp?.read ?? readIsoInstant;
    case "VARCHAR":
      return () => undefined;
    default:
      return type.base satisfies never;
  }
}

/** Reads whole numbers and decimals to be stored as this; undefined if no number is. */
export function numberReaderOf(arrow: string): ValueReader | undefined {
  if (arrow === "float64") return doubleReader();
  if (arrow === "int64") return wholeReader();
  const digits = decimalDigits(arrow);
  return digits && decimalReader(digits.precision, digits.scale);
}

const isInt64 = (value: bigint): boolean => value === BigInt.asIntN(64, value);

/** Of numbers that are written without a point. */
function integerReader(): ValueReader {
  const number = new PlainNumber();
  return (text) => {
    if (!number.scan(text) || number.has_point) return undefined;
    if (number.written_digits > INTEGER_CHARACTERS_MAX) return undefined;
    return int64(number);
  };
}

/** Of numbers whose digits behind the point are zeros. */
function wholeReader(): ValueReader {
  const number = new PlainNumber();
  return (text) => (number.scan(text) && number.fraction_digits === 0 ? int64(number) : undefined);
}

function int64(number: PlainNumber): bigint | undefined {
  if (number.integer_digits > INT64_DIGITS) return undefined;
  const value = number.unscaled(0);
  return isInt64(value) ? value : undefined;
}

function decimalReader(precision: number, scale: number): ValueReader {
  const number = new PlainNumber();
  return (text) =>
    number.scan(text) &&
    number.integer_digits <= precision - scale &&
    number.fraction_digits <= scale
      ? number.unscaled(scale)
      : undefined;
}

function doubleReader(): ValueReader {
  const number = new PlainNumber();
  return (text) => {
    if (number.scan(text) && number.integer_digits + number.fraction_digits <= DOUBLE_DIGITS)
      return Number(text);
    if (!SCIENTIFIC.test(text)) return undefined;
    const literal = text.startsWith("+") ? text.slice(1) : text;
    return printsBack(literal) ? Number(literal) : undefined;
  };
}

function readBoolean(text: string): boolean | undefined {
  if (TRUE.test(text)) return true;
  return FALSE.test(text) ? false : undefined;
}

function dateReader(format: TimeFormat | undefined): ValueReader {
  const readDay = format?.readDay ?? readIsoDay;
  return (text) => {
    const days = readDay(text);
    return days === undefined ? undefined : BigInt(days);
  };
}
