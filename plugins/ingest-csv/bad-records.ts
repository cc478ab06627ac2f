import { LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { Dialect } from "./dialect.ts";
import { readExcerpt } from "./excerpt.ts";
import type { BadRecord } from "./kernel/scanner.ts";
import type { Survey } from "./survey.ts";

/**
 * Refuses a file with records that are no rows: the first few with line, column, value and reason,
 * and how many there are. Throws `invalid_csv`.
 */
export function refuseBadRecords(path: string, dialect: Dialect, survey: Survey): void {
  const { bad, scan } = survey;
  const [first] = bad;
  if (first === undefined) return;
  const shown = bad.map((record) => describe(path, record));
  const more = scan.bad_count > 1 ? ` ${scan.bad_count} records are bad in all.` : "";
  throw new LakehouseError("invalid_csv", `${sentence(first, dialect)}${more}`, {
    hint: hint(first),
    extra: { ...describe(path, first), bad_count: scan.bad_count, bad: shown },
  });
}

function sentence({ reason, line, field, field_count }: BadRecord, { names }: Dialect): string {
  const column = JSON.stringify(names[field] ?? `column ${field + 1}`);
  switch (reason) {
    case "field_count":
      return `The record on line ${line} has ${cells(field_count)}; the header has ${names.length}.`;
    case "text_behind_quote":
      return `In the record on line ${line} the cell of ${column} goes on after its closing quote.`;
    case "unclosed_quote":
      return `In the record on line ${line} the quote that opens in ${column} is never closed.`;
    case "does_not_fit":
      return `In the record on line ${line} the cell of ${column} does not fit the type it was given.`;
    default:
      return reason satisfies never;
  }
}

const cells = (count: number): string => `${count} ${count === 1 ? "cell" : "cells"}`;

function hint({ reason }: BadRecord): string {
  return reason === "field_count"
    ? "Give every record as many cells as the header, or name the delimiter with delimiter=."
    : 'Write a quote inside a quoted cell twice: "".';
}

/** Line and column from 1; the value is the record as it is written, cut to what a message holds. */
function describe(path: string, { line, field, reason, offset, length_bytes }: BadRecord) {
  return {
    line,
    column: field + 1,
    value: readExcerpt(path, offset, length_bytes),
    reason,
  } satisfies Json;
}
