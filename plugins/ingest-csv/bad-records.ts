import { LakehouseError } from "../../core/error.ts";
import type { Dialect } from "./dialect.ts";
import { excerptOf } from "./excerpt.ts";
import { textOf } from "./kernel/field-syntax.ts";
import type { BadReason, BadRecord, GivenTest } from "./kernel/scanner.ts";

/** A record that is no row, for people and programs. */
export type ShownRecord = {
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
  /** The cell that does not fit, else the record, as it is written; cut to what a message holds. */
  readonly value: string;
  readonly reason: BadReason;
  /** The type that the cell does not fit. */
  readonly expected?: string;
};

/** How many an answer shows. */
export const SHOWN_MAX = 5;

export interface NamedTest extends GivenTest {
  readonly type: { readonly name: string };
}

/** Counts records that are no rows, and keeps the first few. */
export class BadRecords {
  readonly shown: ShownRecord[] = [];
  count = 0;
  readonly #dialect: Dialect;
  readonly #given: ReadonlyMap<number, NamedTest>;
  #sentence = "";

  constructor(dialect: Dialect, given: ReadonlyMap<number, NamedTest>) {
    this.#dialect = dialect;
    this.#given = given;
  }

  add(record: BadRecord): void {
    this.count += 1;
    if (this.shown.length === SHOWN_MAX) return;
    const expected = this.#given.get(record.field)?.type.name;
    if (this.count === 1) this.#sentence = sentence(record, this.#dialect, expected);
    const { line, field, reason, bytes } = record;
    this.shown.push({
      line,
      column: field + 1,
      value: reason === "does_not_fit" ? cellOf(record, this.#dialect) : excerptOf(bytes),
      reason,
      ...(reason === "does_not_fit" && expected !== undefined ? { expected } : {}),
    });
  }

  /** Refuses a file that has any. Throws `invalid_csv`. */
  refuse(): void {
    const [first] = this.shown;
    if (first === undefined) return;
    const more = this.count > 1 ? ` ${this.count} records are bad in all.` : "";
    throw new LakehouseError("invalid_csv", `${this.#sentence}${more}`, {
      hint: `${HINTS[first.reason]} With on_error=reject the good rows are taken in without it.`,
      extra: { ...first, bad_count: this.count, bad: this.shown },
    });
  }
}

/** The cell at fault, without its quotes. */
export function cellOf({ field_bytes }: BadRecord, dialect: Dialect): string {
  const text = excerptOf(field_bytes);
  return text.endsWith("…") ? text : textOf(text, dialect);
}

function sentence(
  { reason, line, field, field_count }: BadRecord,
  { names, header }: Dialect,
  expected: string | undefined,
): string {
  const column = JSON.stringify(names[field] ?? `column ${field + 1}`);
  const width = header ? `the header has ${names.length}` : `the first has ${names.length}`;
  switch (reason) {
    case "field_count":
      return `The record on line ${line} has ${cells(field_count)}; ${width}.`;
    case "text_behind_quote":
      return `In the record on line ${line} the cell of ${column} goes on after its closing quote.`;
    case "unclosed_quote":
      return `In the record on line ${line} the quote that opens in ${column} is never closed.`;
    case "unknown_escape":
      return `In the record on line ${line} an escape in the cell of ${column} escapes nothing.`;
    case "does_not_fit":
      return `In the record on line ${line} the cell of ${column} is no ${expected ?? "such value"}.`;
    default:
      return reason satisfies never;
  }
}

const cells = (count: number): string => `${count} ${count === 1 ? "cell" : "cells"}`;

const HINTS: Readonly<Record<BadReason, string>> = {
  field_count: "Give every record as many cells, or name the delimiter with delimiter=.",
  text_behind_quote: 'Write a quote inside a quoted cell twice: "".',
  unclosed_quote: 'Write a quote inside a quoted cell twice: "".',
  unknown_escape: "An escape stands before a quote or another escape, inside quotes.",
  does_not_fit:
    "Name texts that mean null with null=, or give the column another type: DECIMAL keeps digits that a DOUBLE would lose.",
};
