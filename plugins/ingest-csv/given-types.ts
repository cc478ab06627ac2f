import { decimalDigits } from "./column-types.ts";
import { type CellValue, numberReaderOf, readerOf, type ValueReader } from "./given-values.ts";
import { type Kind, kinds } from "./kernel/kinds.ts";
import type { ColumnFacts, GivenTest } from "./kernel/scanner.ts";
import { DOUBLE_DIGITS, PlainNumber } from "./plain-number.ts";
import type { OfferedColumn } from "./reconcile.ts";
import type { TimeFormats } from "./time-format.ts";
import type { TypeName } from "./type-name.ts";

/** What the cells of one part of a file have shown. */
export interface GivenFacts {
  readonly integer_digits: number;
  readonly fraction_digits: number;
}

/**
 * A column whose type the user gave. What a cell says then is less in doubt than where it is read
 * by its looks alone: spaces around it, a plus and leading zeros do not matter, `1e3` is a number
 * in a DOUBLE. But its value is kept, or it does not fit.
 */
export class GivenColumn implements GivenTest {
  readonly type: TypeName;
  readonly accepted: number;
  /** What it is stored as in a new dataset, by its Arrow name. */
  readonly stored: string;
  readonly #value: ValueReader;
  readonly #is_text: boolean;
  /** Whole numbers and decimals keep their values in each other, if there is room. */
  readonly #is_exact: boolean;
  readonly #number = new PlainNumber();
  #other: { readonly arrow: string; readonly value: ValueReader | undefined } | undefined;
  #integer_digits = 0;
  #fraction_digits = 0;

  constructor(type: TypeName, formats: TimeFormats) {
    this.type = type;
    this.accepted = acceptedKinds(type, formats).reduce((bits, kind) => bits | kinds[kind], 0);
    this.stored = arrowOf(type);
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
    if (value === undefined || arrow === this.stored) return value;
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
    };
  }

  /** Takes in what was counted elsewhere. */
  addSeen({ integer_digits, fraction_digits }: GivenFacts): void {
    this.#integer_digits = Math.max(this.#integer_digits, integer_digits);
    this.#fraction_digits = Math.max(this.#fraction_digits, fraction_digits);
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
      type: this.stored,
      integer_digits,
      fraction_digits,
      fits: (arrow) => {
        if (arrow === this.stored) return true;
        if (!this.#is_exact) return false;
        if (arrow === "float64") return integer_digits + fraction_digits <= DOUBLE_DIGITS;
        const room = decimalDigits(arrow);
        if (room === undefined)
          return arrow === "int64" && fraction_digits === 0 && integer_digits < INT64_DIGITS;
        return fraction_digits <= room.scale && integer_digits <= room.precision - room.scale;
      },
    };
  }
}

const INT64_DIGITS = 19;

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

/** Kinds of cell that are known to fit, without asking. */
function acceptedKinds({ base }: TypeName, formats: TimeFormats): readonly Kind[] {
  switch (base) {
    case "BIGINT":
      return ["integer", "inexact"];
    case "DOUBLE":
      return ["integer", "big_integer", "decimal", "scientific"];
    case "DECIMAL":
      return [];
    case "BOOLEAN":
      return ["boolean_lower", "boolean_title", "boolean_upper"];
    case "DATE":
      return formats.date === undefined ? ["date"] : [];
    case "TIMESTAMP":
      return formats.timestamp === undefined ? ["timestamp"] : [];
    case "TIMESTAMPTZ":
      return formats.timestamp === undefined ? ["timestamp_utc"] : [];
    case "VARCHAR":
      return ["text"];
    default:
      return base satisfies never;
  }
}

function arrowOf(type: TypeName): string {
  return type.base === "DECIMAL"
    ? `decimal128(${type.precision}, ${type.scale})`
    : ARROW_NAMES[type.base];
}

const ARROW_NAMES = {
  BIGINT: "int64",
  DOUBLE: "float64",
  BOOLEAN: "bool",
  DATE: "date32[day]",
  TIMESTAMP: "timestamp[us]",
  TIMESTAMPTZ: "timestamp[us, tz=UTC]",
  VARCHAR: "utf8",
} as const;
