import { type ColumnType, decimal, decimalDigits, TEXT, typeNamed } from "./column-types.ts";
import { type CellValue, numberReaderOf, readerOf, type ValueReader } from "./given-values.ts";
import { type Kind, kinds } from "./kernel/kinds.ts";
import type { ColumnFacts, GivenTest } from "./kernel/scanner.ts";
import { DOUBLE_DIGITS, PlainNumber } from "./plain-number.ts";
import type { OfferedColumn } from "./reconcile.ts";
import type { TimeFormat, TimeFormats } from "./time-format.ts";
import type { TypeName } from "./type-name.ts";

/** What the cells of one part of a file have shown. */
export interface GivenFacts {
  readonly integer_digits: number;
  readonly fraction_digits: number;
  readonly has_signed_zero: boolean;
}

/** What a column can be read as, beside how it is judged. */
interface Reading {
  readonly arrow: string;
  readonly value: (x: string) => string;
  readonly accepted: readonly Kind[];
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
  readonly #value: ValueReader;
  readonly #is_text: boolean;
  /** Whole numbers and decimals keep their values in each other, if there is room. */
  readonly #is_exact: boolean;
  readonly #number = new PlainNumber();
  #other: { readonly arrow: string; readonly value: ValueReader | undefined } | undefined;
  #integer_digits = 0;
  #fraction_digits = 0;
  #has_signed_zero = false;

  constructor(type: TypeName, formats: TimeFormats) {
    this.type = type;
    const reading = readingOf(type, formats);
    this.accepted = reading.accepted.reduce((bits, kind) => bits | kinds[kind], 0);
    this.stored = type.base === "VARCHAR" ? TEXT : { arrow: reading.arrow, value: reading.value };
    this.#value = readerOf(type, formats);
    this.#is_text = type.base === "VARCHAR";
    this.#is_exact = type.base === "BIGINT" || type.base === "DECIMAL";
  }

  /** Also counts the digits of what fits, for `offer`. */
  fits(cell: string): boolean {
    if (this.#is_text) return true;
    const text = trimmed(cell);
    const value = this.#read(text);
    if (value === undefined) return false;
    // A double that is zero with a minus equals zero, too.
    if ((value === 0n || value === 0) && text.startsWith("-")) this.#has_signed_zero = true;
    if (this.#is_exact && this.#number.scan(text)) {
      this.#integer_digits = Math.max(this.#integer_digits, this.#number.integer_digits);
      this.#fraction_digits = Math.max(this.#fraction_digits, this.#number.fraction_digits);
    }
    return true;
  }

  /**
   * The value of a cell as a column of this Arrow type holds it, `stored` or another that the offer
   * fits; undefined if the cell does not fit. Text is read by nobody.
   */
  read(cell: string, arrow: string): CellValue | undefined {
    const text = trimmed(cell);
    const value = this.#read(text);
    if (value === undefined || arrow === this.stored.arrow) return value;
    if (this.#other?.arrow !== arrow)
      this.#other = { arrow, value: this.#is_exact ? numberReaderOf(arrow) : undefined };
    return this.#other.value?.(text);
  }

  /** Its cells have forms of their own: one that looks like a known form may mean another value. */
  get reads_all(): boolean {
    return this.accepted === 0 && !this.#is_exact;
  }

  #read(text: string): CellValue | undefined {
    return text.length > CELL_CHARACTERS_MAX ? undefined : this.#value(text);
  }

  /** What `fits` has counted; structured-cloneable. */
  get seen(): GivenFacts {
    return {
      integer_digits: this.#integer_digits,
      fraction_digits: this.#fraction_digits,
      has_signed_zero: this.#has_signed_zero,
    };
  }

  /** Takes in what was counted elsewhere. */
  addSeen({ integer_digits, fraction_digits, has_signed_zero }: GivenFacts): void {
    this.#integer_digits = Math.max(this.#integer_digits, integer_digits);
    this.#fraction_digits = Math.max(this.#fraction_digits, fraction_digits);
    this.#has_signed_zero ||= has_signed_zero;
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
        if (!this.#is_exact) return false;
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

function readingOf(type: TypeName, formats: TimeFormats): Reading {
  switch (type.base) {
    case "BIGINT":
      return { ...castTo("int64"), accepted: ["integer", "inexact"] };
    case "DOUBLE":
      return {
        ...castTo("float64"),
        accepted: ["integer", "big_integer", "decimal", "scientific"],
      };
    case "DECIMAL":
      return { ...castTo(decimal(type.precision, type.scale).arrow), accepted: [] };
    case "BOOLEAN":
      return {
        arrow: "bool",
        value: booleanValue,
        accepted: ["boolean_lower", "boolean_title", "boolean_upper"],
      };
    case "DATE":
      return dateReading(formats.date);
    case "TIMESTAMP":
      return timestampReading(formats.timestamp);
    case "TIMESTAMPTZ":
      return instantReading(formats.timestamp);
    case "VARCHAR":
      return { ...castTo("utf8"), accepted: ["text"] };
    default:
      return type.base satisfies never;
  }
}

function castTo(arrow: string): Pick<Reading, "arrow" | "value"> {
  const type = typeNamed(arrow) ?? TEXT;
  return { arrow, value: (x) => type.value(trim(x)) };
}

const sqlList = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(", ");

const booleanValue = (x: string): string =>
  `CASE WHEN lower(trim(${x})) IN (${sqlList(TRUE_WORDS)}) THEN true
    WHEN lower(trim(${x})) IN (${sqlList(FALSE_WORDS)}) THEN false END`;

const instantValue = (x: string): string => `try_cast(trim(${x}) AS TIMESTAMPTZ)`;

/** The engine's; the format is printable ASCII. */
const strptime = (x: string, { text }: TimeFormat): string =>
  `try_strptime(trim(${x}), '${text.replaceAll("'", "''")}')`;

function dateReading(format: TimeFormat | undefined): Reading {
  if (format === undefined) return { ...castTo("date32[day]"), accepted: ["date"] };
  const value = (x: string): string => `${strptime(x, format)}::DATE`;
  return { arrow: "date32[day]", value, accepted: [] };
}

/** A date alone is its midnight. */
function timestampReading(format: TimeFormat | undefined): Reading {
  if (format === undefined) return { ...castTo("timestamp[us]"), accepted: ["timestamp"] };
  return { arrow: "timestamp[us]", value: (x) => strptime(x, format), accepted: [] };
}

/** The moment is kept; the offset it was written with is not. */
function instantReading(format: TimeFormat | undefined): Reading {
  const arrow = "timestamp[us, tz=UTC]";
  if (format === undefined) return { arrow, value: instantValue, accepted: ["timestamp_utc"] };
  const value = (x: string): string =>
    // Without an offset in it the format ends with a literal Z.
    format.has_offset ? strptime(x, format) : `make_timestamptz(epoch_us(${strptime(x, format)}))`;
  return { arrow, value, accepted: [] };
}
