import { type ColumnType, DECIMAL_DIGITS, TEXT } from "./column-types.ts";
import type { Cell } from "./jsonl-row.ts";
import { writeDecoded } from "./jsonl-string.ts";
import { type JsonFacts, keepsJson, NESTED_KIND, typeOfJson } from "./jsonl-types.ts";
import { BOOLEAN, NESTED, NULL, NUMBER, STRING } from "./jsonl-value.ts";
import { printsBack } from "./kernel/exact-double.ts";
import { kinds } from "./kernel/kinds.ts";
import type { ColumnFacts } from "./kernel/scanner.ts";
import type { OfferedColumn } from "./reconcile.ts";

const MINUS = 0x2d;
const POINT = 0x2e;
/** Digits that survive a double in any case (IEEE 754, DBL_DIG). */
const SAFE_DIGITS = 15;
const EXCERPT_BYTES = 200;

/** Where a value stands. */
export interface Decider {
  /** From 1. */
  readonly row: number;
  readonly line: number;
  readonly value: string;
}

/** What was known of the column with one value that told something new. */
interface Step extends JsonFacts {
  readonly decider: Decider;
}

/** What is known of a column as its values go by. Numbers never become JavaScript's. */
export class JsonColumn implements JsonFacts {
  kinds = 0;
  integer_digits = 0;
  fraction_digits = 0;
  /** Values that are not null. */
  value_count = 0;
  /** Bytes of what the strings say, and of all values as they are written. */
  #text_bytes = 0;
  #written_bytes = 0;
  readonly #steps: Step[] = [];

  add(bytes: Uint8Array, cell: Cell, line: number): void {
    if (cell.kind === NULL) return;
    this.value_count += 1;
    this.#written_bytes += cell.end - cell.start;
    if (cell.kind === STRING) this.#text_bytes += textBytesOf(bytes, cell);
    const { kinds: before, integer_digits, fraction_digits } = this;
    this.kinds |= this.#kindOf(bytes, cell);
    if (
      this.kinds === before &&
      !isMore(this.integer_digits, integer_digits) &&
      !isMore(this.fraction_digits, fraction_digits)
    )
      return;
    this.#steps.push({
      kinds: this.kinds,
      integer_digits: this.integer_digits,
      fraction_digits: this.fraction_digits,
      decider: { row: cell.row, line, value: excerpt(bytes, cell) },
    });
  }

  /** What it is stored as in a new dataset. */
  type(): ColumnType {
    return typeOfJson(this);
  }

  /** The value that made the column what it is, unless they all ask for it. */
  get decided_by(): Decider | undefined {
    const one_kind = (this.kinds & (this.kinds - 1)) === 0;
    if (one_kind) return undefined;
    let found: Decider | undefined;
    let type = TEXT.arrow;
    for (const step of this.#steps) {
      const { arrow } = typeOfJson(step);
      if (arrow !== type) found = step.decider;
      type = arrow;
    }
    return found;
  }

  /** The first value that the type of this Arrow name would change, if there is one. */
  misfit(arrow: string): Decider | undefined {
    return this.#steps.find((step) => !keepsJson(step, arrow))?.decider;
  }

  offer(name: string): OfferedColumn {
    return {
      name,
      type: this.type().arrow,
      fits: (arrow) => keepsJson(this, arrow),
      // No digits at all would stand for unknown, and a column without a value has none to lose.
      integer_digits: this.kinds === 0 ? 1 : this.integer_digits,
      fraction_digits: this.fraction_digits,
    };
  }

  /** What the witness holds against the file that was written, with the column as this type. */
  counted(
    row_count: number,
    stored: ColumnType,
  ): Pick<ColumnFacts, "empty_count" | "quoted_empty_count" | "text_bytes"> {
    return {
      empty_count: row_count - this.value_count,
      quoted_empty_count: 0,
      text_bytes: stored === TEXT ? this.#text_bytes : this.#written_bytes,
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
    this.integer_digits = Math.max(this.integer_digits, integer_digits);
    this.fraction_digits = Math.max(this.fraction_digits, fraction_digits);
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
    if ((this.kinds & kinds.inexact) !== 0) return kinds.inexact;
    const literal = asciiOf(bytes, start, end);
    // What programs write is most often the shortest form already.
    return String(Number(literal)) === literal || printsBack(literal) ? 0 : kinds.inexact;
  }
}

/** Beyond those of a decimal the count no longer matters, and may grow with every value. */
const isMore = (digits: number, before: number): boolean =>
  digits > before && before <= DECIMAL_DIGITS;

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
