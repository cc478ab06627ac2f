import { type ColumnType, keepsValues, TEXT, typeNamed, typeOf } from "./column-types.ts";
import { kinds, within } from "./kernel/kinds.ts";
import type { ColumnFacts } from "./kernel/scanner.ts";

/** What the values of a column are: no more is needed to choose a type for them. */
export interface JsonFacts {
  /** Bits of `kinds`, and `NESTED_KIND`. */
  readonly kinds: number;
  readonly integer_digits: number;
  readonly fraction_digits: number;
}

/** Beside the kinds of CSV cells: an object or an array. */
export const NESTED_KIND = 1 << 16;

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

/** The narrowest type that keeps every value. A column without any is text. Pure. */
export function typeOfJson(facts: JsonFacts): ColumnType {
  const set = facts.kinds;
  if (set === 0 || set === kinds.text) return TEXT;
  if ((set & (kinds.text | NESTED_KIND)) !== 0) return JSON_TEXT;
  const type = typeOf(asCells(facts));
  return type === TEXT ? JSON_TEXT : type;
}

/** The type of this Arrow name; undefined if no JSON value is read as one. */
export const jsonTypeNamed = (arrow: string): ColumnType | undefined =>
  arrow === JSON_TEXT.arrow ? JSON_TEXT : typeNamed(arrow);

/**
 * True if every value of the column is the same in the type of this Arrow name. JSON says of a
 * value what it is, so the number `12` is not the text `12`: text takes strings, and a string is
 * nothing else. A column of JSON takes anything, since it holds values as they are written. Pure.
 */
export function keepsJson(facts: JsonFacts, arrow: string): boolean {
  if (arrow === JSON_TEXT.arrow) return true;
  if (arrow === TEXT.arrow) return within(facts.kinds, "text");
  if ((facts.kinds & (kinds.text | NESTED_KIND)) !== 0) return false;
  return keepsValues(asCells(facts), arrow);
}

/** A number or a boolean that a CSV file would hold in the same characters. */
const asCells = (facts: JsonFacts): ColumnFacts => ({
  ...facts,
  first: new Map(),
  empty_count: 0,
  quoted_empty_count: 0,
  text_bytes: 0,
});
