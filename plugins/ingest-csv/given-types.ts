import { type ColumnType, decimal, decimalDigits, TEXT, typeNamed } from "./column-types.ts";
import { printsBack } from "./kernel/exact-double.ts";
import { type Kind, kinds } from "./kernel/kinds.ts";
import type { ColumnFacts, GivenTest } from "./kernel/scanner.ts";
import type { OfferedColumn } from "./reconcile.ts";
import type { TimeFormat, TimeFormats } from "./time-format.ts";
import type { TypeName } from "./type-name.ts";

/** What a column can be read as, beside how it is judged. */
interface Reading {
  readonly arrow: string;
  readonly value: (x: string) => string;
  readonly accepted: readonly Kind[];
  readonly fits: (cell: string) => boolean;
}

/**
 * A column whose type the user gave. What a cell says then is less in doubt than where it is read
 * by its looks alone: spaces around it, a plus and leading zeros do not matter, `1e3` is a number
 * in a DOUBLE. But its value is kept, or it does not fit.
 */
export class GivenColumn implements GivenTest {
  readonly type: TypeName;
  readonly accepted: number;
  /** What it is stored as in a new dataset. */
  readonly stored: ColumnType;
  readonly #fits: (cell: string) => boolean;
  #integer_digits = 0;
  #fraction_digits = 0;
  #has_signed_zero = false;

  constructor(type: TypeName, formats: TimeFormats) {
    this.type = type;
    const reading = readingOf(type, formats);
    this.accepted = reading.accepted.reduce((bits, kind) => bits | kinds[kind], 0);
    this.stored = type.base === "VARCHAR" ? TEXT : { arrow: reading.arrow, value: reading.value };
    this.#fits = reading.fits;
  }

  fits(cell: string): boolean {
    const text = trimmed(cell);
    const fits = text.length <= CELL_CHARACTERS_MAX && this.#fits(text);
    if (fits && NUMBER.test(text)) {
      const { before, behind } = plainDigits(text);
      this.#integer_digits = Math.max(this.#integer_digits, before);
      this.#fraction_digits = Math.max(this.#fraction_digits, behind);
    }
    if (fits && text.startsWith("-") && Number(text) === 0) this.#has_signed_zero = true;
    return fits;
  }

  /** True if a cell is zero with a minus, which a double keeps. */
  get has_signed_zero(): boolean {
    return this.#has_signed_zero;
  }

  /** As it is offered, with the digits that the kernel saw in cells it did not ask for. */
  offer(
    name: string,
    seen: Pick<ColumnFacts, "integer_digits" | "fraction_digits">,
  ): OfferedColumn {
    const is_whole = this.type.base === "BIGINT";
    const most = Math.max(this.#integer_digits, seen.integer_digits);
    // The kernel counts the digits of cells that did not fit, too.
    const integer_digits = is_whole ? Math.min(most, INT64_DIGITS) : most;
    const fraction_digits = is_whole ? 0 : Math.max(this.#fraction_digits, seen.fraction_digits);
    return {
      name,
      type: this.stored.arrow,
      integer_digits,
      fraction_digits,
      fits: (arrow) => {
        if (arrow === this.stored.arrow) return true;
        // Whole numbers and decimals keep their values in each other, if there is room.
        if (this.type.base !== "BIGINT" && this.type.base !== "DECIMAL") return false;
        if (arrow === "float64") return integer_digits + fraction_digits <= DOUBLE_DIGITS;
        const room = decimalDigits(arrow);
        if (room === undefined)
          return arrow === "int64" && fraction_digits === 0 && integer_digits < INT64_DIGITS;
        return fraction_digits <= room.scale && integer_digits <= room.precision - room.scale;
      },
    };
  }

  /** How it is read to be stored as this. */
  storedAs(arrow: string): ColumnType | undefined {
    if (arrow === this.stored.arrow) return this.stored;
    const type = typeNamed(arrow);
    return type && { ...type, value: (x) => type.value(trim(x)) };
  }
}

const INT64_DIGITS = 19;
/** As many significant digits always survive a double (IEEE 754, DBL_DIG). */
const DOUBLE_DIGITS = 15;
const NUMBER = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)$/;
const SCIENTIFIC = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,4})?$/i;
const ISO_DATE = /^(\d{4}-\d\d-\d\d)$/;
const ISO_TIME = /^(\d{4}-\d\d-\d\d)(?:[T ]([0-2]\d:\d\d(?::\d\d(?:\.\d{1,6})?)?))?$/;
const ISO_INSTANT =
  /^(\d{4}-\d\d-\d\d)[T ]([0-2]\d:\d\d:\d\d(?:\.\d{1,6})?)(Z|[+-]\d\d(?::?\d\d)?)$/;

const TRUE_WORDS = ["true", "t", "yes", "y", "1"];
const FALSE_WORDS = ["false", "f", "no", "n", "0"];

/** Nothing but text is written with more. */
const CELL_CHARACTERS_MAX = 1000;

/** Spaces alone, as the engine's `trim` does. */
function trimmed(cell: string): string {
  let start = 0;
  let end = cell.length;
  while (start < end && cell[start] === " ") start += 1;
  while (end > start && cell[end - 1] === " ") end -= 1;
  return cell.slice(start, end);
}

const trim = (x: string): string => `trim(${x})`;

/** Of a number without an exponent; zeros at its ends do not count. */
function plainDigits(text: string): { readonly before: number; readonly behind: number } {
  const [whole = "", fraction = ""] = text.replace(/^[+-]/, "").split(".");
  return { before: whole.replace(/^0+/, "").length, behind: fraction.replace(/0+$/, "").length };
}

function readingOf(type: TypeName, formats: TimeFormats): Reading {
  switch (type.base) {
    case "BIGINT":
      return {
        ...castTo("int64"),
        accepted: ["integer", "inexact"],
        fits: (cell) => /^[+-]?[0-9]{1,100}$/.test(cell) && isInt64(BigInt(cell.replace("+", ""))),
      };
    case "DOUBLE":
      return {
        ...castTo("float64"),
        accepted: ["integer", "big_integer", "decimal", "scientific"],
        fits: (cell) => SCIENTIFIC.test(cell) && printsBack(cell.replace(/^\+/, "")),
      };
    case "DECIMAL": {
      const { precision, scale } = type;
      return {
        arrow: decimal(precision, scale).arrow,
        value: (x) => decimal(precision, scale).value(trim(x)),
        accepted: [],
        fits: (cell) => {
          if (!NUMBER.test(cell)) return false;
          const { before, behind } = plainDigits(cell);
          return before <= precision - scale && behind <= scale;
        },
      };
    }
    case "BOOLEAN":
      return {
        arrow: "bool",
        value: booleanValue,
        accepted: ["boolean_lower", "boolean_title", "boolean_upper"],
        fits: (cell) => [...TRUE_WORDS, ...FALSE_WORDS].includes(cell.toLowerCase()),
      };
    case "DATE":
      return dateReading(formats.date);
    case "TIMESTAMP":
      return timestampReading(formats.timestamp);
    case "TIMESTAMPTZ":
      return instantReading(formats.timestamp);
    case "VARCHAR":
      return { ...castTo("utf8"), accepted: ["text"], fits: () => true };
    default:
      return type.base satisfies never;
  }
}

function castTo(arrow: string): Pick<Reading, "arrow" | "value"> {
  const type = typeNamed(arrow) ?? TEXT;
  return { arrow, value: (x) => type.value(trim(x)) };
}

const isInt64 = (value: bigint): boolean => value === BigInt.asIntN(64, value);

const sqlList = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(", ");

const booleanValue = (x: string): string =>
  `CASE WHEN lower(trim(${x})) IN (${sqlList(TRUE_WORDS)}) THEN true
    WHEN lower(trim(${x})) IN (${sqlList(FALSE_WORDS)}) THEN false END`;

const instantValue = (x: string): string => `try_cast(trim(${x}) AS TIMESTAMPTZ)`;

/** The engine's; the format is printable ASCII. */
const strptime = (x: string, { text }: TimeFormat): string =>
  `try_strptime(trim(${x}), '${text.replaceAll("'", "''")}')`;

function dateReading(format: TimeFormat | undefined): Reading {
  if (format === undefined) {
    const fits = (cell: string): boolean => isDay(ISO_DATE.exec(cell)?.[1]);
    return { ...castTo("date32[day]"), accepted: ["date"], fits };
  }
  const value = (x: string): string => `${strptime(x, format)}::DATE`;
  return { arrow: "date32[day]", value, accepted: [], fits: format.fits };
}

/** A date alone is its midnight. */
function timestampReading(format: TimeFormat | undefined): Reading {
  if (format === undefined) {
    const fits = (cell: string): boolean => {
      const [, day, time = "00:00"] = ISO_TIME.exec(cell) ?? [];
      return isDay(day) && isTime(time);
    };
    return { ...castTo("timestamp[us]"), accepted: ["timestamp"], fits };
  }
  const value = (x: string): string => strptime(x, format);
  return { arrow: "timestamp[us]", value, accepted: [], fits: format.fits };
}

/** The moment is kept; the offset it was written with is not. */
function instantReading(format: TimeFormat | undefined): Reading {
  const arrow = "timestamp[us, tz=UTC]";
  if (format === undefined) {
    const fits = (cell: string): boolean => {
      const [, day, time, offset] = ISO_INSTANT.exec(cell) ?? [];
      return isDay(day) && isTime(time) && isOffset(offset);
    };
    return { arrow, value: instantValue, accepted: ["timestamp_utc"], fits };
  }
  const value = (x: string): string =>
    // Without an offset in it the format ends with a literal Z.
    format.has_offset ? strptime(x, format) : `make_timestamptz(epoch_us(${strptime(x, format)}))`;
  return { arrow, value, accepted: [], fits: format.fits };
}

function isDay(day: string | undefined): boolean {
  if (day === undefined || day.startsWith("0000")) return false;
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}

const isTime = (time: string | undefined): boolean =>
  time !== undefined && /^(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?$/.test(time);

const isOffset = (offset: string | undefined): boolean =>
  offset === "Z" || (offset !== undefined && /^[+-](?:0\d|1[0-4])(?::?[0-5]\d)?$/.test(offset));
