import { type ColumnType, TEXT, typeOf } from "./column-types.ts";
import { writeDecoded } from "./jsonl-string.ts";
import type { Cell } from "./jsonl-row.ts";
import { BOOLEAN, NESTED, NULL, NUMBER, STRING } from "./jsonl-value.ts";
import { printsBack } from "./kernel/exact-double.ts";
import { kinds } from "./kernel/kinds.ts";
import type { ColumnFacts } from "./kernel/scanner.ts";

const MINUS = 0x2d;
const POINT = 0x2e;
/** Beside the kinds of CSV cells: an object or an array. */
const NESTED_KIND = 1 << 16;
/** Digits that survive a double in any case (IEEE 754, DBL_DIG). */
const SAFE_DIGITS = 15;
const EXCERPT_BYTES = 200;

/**
 * Values that are not all text, all booleans or numbers of one type: each cell holds the JSON of
 * its value as it is written, so that `1` and `"1"` stay apart. The canonical extension type of
 * Arrow, and Parquet's logical type.
 */
export const JSON_TEXT: ColumnType = {
  arrow: "extension<arrow.json>",
  value: (x) => `try_cast(${x} AS JSON)`,
  is_text: true,
};

/** Where a value stands. */
export interface Decider {
  /** From 1. */
  readonly row: number;
  readonly line: number;
  readonly value: string;
}

/** What is known of a column as its values go by. Numbers never become JavaScript's. */
export class JsonColumn {
  #kinds = 0;
  #integer_digits = 0;
  #fraction_digits = 0;
  /** Values that are not null. */
  value_count = 0;
  /** Bytes of what the strings say, and of all values as they are written. */
  #text_bytes = 0;
  #written_bytes = 0;
  #decided_by: Decider | undefined;
  #decided_type = TEXT;

  /** The value that made the column what it is, unless they all ask for it. */
  get decided_by(): Decider | undefined {
    const one_kind = (this.#kinds & (this.#kinds - 1)) === 0;
    return one_kind ? undefined : this.#decided_by;
  }

  add(bytes: Uint8Array, cell: Cell, line: number): void {
    if (cell.kind === NULL) return;
    this.value_count += 1;
    this.#written_bytes += cell.end - cell.start;
    if (cell.kind === STRING) this.#text_bytes += textBytesOf(bytes, cell);
    const kind = this.#kindOf(bytes, cell);
    if ((this.#kinds & kind) === kind) return;
    this.#kinds |= kind;
    const type = this.type();
    if (type.arrow === this.#decided_type.arrow) return;
    this.#decided_type = type;
    this.#decided_by = { row: cell.row, line, value: excerpt(bytes, cell) };
  }

  /** The narrowest type that keeps every value. A column without any is text. */
  type(): ColumnType {
    const set = this.#kinds;
    if (set === 0 || set === kinds.text) return TEXT;
    if ((set & (kinds.text | NESTED_KIND)) !== 0) return JSON_TEXT;
    const type = typeOf(this.#factsOf(0, 0));
    return type === TEXT ? JSON_TEXT : type;
  }

  /** In the shape of the CSV survey's, so that the same witness can hold the result against them. */
  facts(row_count: number): ColumnFacts {
    const bytes = this.type() === TEXT ? this.#text_bytes : this.#written_bytes;
    return this.#factsOf(row_count - this.value_count, bytes);
  }

  #factsOf(empty_count: number, text_bytes: number): ColumnFacts {
    return {
      kinds: this.#kinds,
      first: new Map(),
      integer_digits: this.#integer_digits,
      fraction_digits: this.#fraction_digits,
      empty_count,
      quoted_empty_count: 0,
      text_bytes,
    };
  }

  #kindOf(bytes: Uint8Array, cell: Cell): number {
    switch (cell.kind) {
      case STRING:
        return kinds.text;
      case BOOLEAN:
        return kinds.boolean_lower;
      case NESTED:
        return NESTED_KIND;
      case NUMBER:
        return this.#numberKind(bytes, cell.start, cell.end);
      default:
        throw new Error(`no kind ${cell.kind}`);
    }
  }

  /** The same kinds as a CSV cell with these digits, but `1e3` is a number here and no code. */
  #numberKind(bytes: Uint8Array, start: number, end: number): number {
    const negative = bytes[start] === MINUS;
    const integer = negative ? start + 1 : start;
    let at = integer;
    while (at < end && isDigit(bytes[at])) at++;
    const integer_digits = at - integer;
    let fraction_digits = 0;
    if (at < end && bytes[at] === POINT) {
      const fraction = ++at;
      while (at < end && isDigit(bytes[at])) at++;
      fraction_digits = at - fraction;
    }
    if (at < end) return kinds.scientific | this.#inexact(bytes, start, end);
    this.#integer_digits = Math.max(this.#integer_digits, integer_digits);
    this.#fraction_digits = Math.max(this.#fraction_digits, fraction_digits);
    const is_safe = integer_digits + fraction_digits <= SAFE_DIGITS;
    const inexact = is_safe ? 0 : this.#inexact(bytes, start, end);
    const is_minus_zero = negative && integer_digits === 1 && bytes[integer] === 0x30;
    // Only a double holds -0.
    if (fraction_digits > 0 || is_minus_zero) return kinds.decimal | inexact;
    const fits = integer_digits < 19 || fitsInt64(bytes, start, end);
    return (fits ? kinds.integer : kinds.big_integer) | inexact;
  }

  /** Asked only while the column has no such value. */
  #inexact(bytes: Uint8Array, start: number, end: number): number {
    if ((this.#kinds & kinds.inexact) !== 0) return kinds.inexact;
    const literal = asciiOf(bytes, start, end);
    // What programs write is most often the shortest form already.
    return String(Number(literal)) === literal || printsBack(literal) ? 0 : kinds.inexact;
  }
}

const isDigit = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x30 && byte <= 0x39;

const asciiOf = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");

function fitsInt64(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > 20) return false;
  const value = BigInt(asciiOf(bytes, start, end));
  return value === BigInt.asIntN(64, value);
}

let scratch = new Uint8Array(1024);

function textBytesOf(bytes: Uint8Array, { start, end, escaped }: Cell): number {
  if (!escaped) return end - start - 2;
  if (scratch.length < 2 * (end - start)) scratch = new Uint8Array(4 * (end - start));
  return writeDecoded(bytes, [start + 1, end - 1], scratch, 0, false);
}

/** As it is written, cut to what a report holds; a character that was cut in two is left out. */
function excerpt(bytes: Uint8Array, { start, end }: Cell): string {
  const cut = Math.min(end, start + EXCERPT_BYTES);
  const text = new TextDecoder().decode(bytes.subarray(start, cut), { stream: true });
  return cut < end ? `${text}…` : text;
}
