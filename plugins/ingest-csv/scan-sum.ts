import { DECIMAL_DIGITS } from "./column-types.ts";
import { type Kind, kinds } from "./kernel/kinds.ts";
import type { CellPlace, ColumnFacts, Scan } from "./kernel/scanner.ts";

export interface ScanSumOptions {
  readonly column_count: number;
  /** Of the first range, from 1. */
  readonly first_line: number;
  /** Digits that a decimal may have behind its point. */
  readonly scales: readonly number[];
}

/** What the scans of one range after another say of the whole text. */
export class ScanSum {
  readonly #scales: readonly number[];
  readonly #first_line: number;
  #columns: ColumnFacts[];
  #sum: Omit<Scan, "columns"> = {
    row_count: 0,
    bad_count: 0,
    blank_count: 0,
    line_ends: new Set(),
    bare_quote_count: 0,
    escaped_count: 0,
    line_break_count: 0,
    longest_record_bytes: 0,
  };

  constructor({ column_count, first_line, scales }: ScanSumOptions) {
    this.#scales = scales;
    this.#first_line = first_line;
    this.#columns = Array.from({ length: column_count }, () => NOTHING_SEEN);
  }

  get scan(): Scan {
    return { ...this.#sum, columns: this.#columns };
  }

  /** Adds the next range, whose rows and lines count from its beginning. */
  add(scan: Scan): void {
    const { row_count, line_break_count } = this.#sum;
    const moved = ({ row, line, ...place }: CellPlace): CellPlace => ({
      ...place,
      row: row + row_count,
      line: line + line_break_count + this.#first_line - 1,
    });
    this.#columns = this.#columns.map((column, index) => {
      const added = scan.columns[index];
      return added === undefined ? column : this.#merge(column, added, moved);
    });
    this.#sum = {
      row_count: row_count + scan.row_count,
      bad_count: this.#sum.bad_count + scan.bad_count,
      blank_count: this.#sum.blank_count + scan.blank_count,
      line_ends: inOrder(this.#sum.line_ends.union(scan.line_ends)),
      bare_quote_count: this.#sum.bare_quote_count + scan.bare_quote_count,
      escaped_count: this.#sum.escaped_count + scan.escaped_count,
      line_break_count: line_break_count + scan.line_break_count,
      longest_record_bytes: Math.max(this.#sum.longest_record_bytes, scan.longest_record_bytes),
    };
  }

  #merge(
    before: ColumnFacts,
    added: ColumnFacts,
    moved: (place: CellPlace) => CellPlace,
  ): ColumnFacts {
    const counts = {
      empty_count: before.empty_count + added.empty_count,
      quoted_empty_count: before.quoted_empty_count + added.quoted_empty_count,
      text_bytes: before.text_bytes + added.text_bytes,
    };
    // As in one scan: once a column can only be text, its cells are no longer looked at.
    if (isSettled(before.kinds)) return { ...before, ...counts };
    const first = new Map(before.first);
    for (const [kind, place] of added.first) {
      if (!first.has(kind)) first.set(kind, moved(place));
    }
    const merged = {
      ...counts,
      ...untilSettled(first),
      integer_digits: Math.max(before.integer_digits, added.integer_digits),
      fraction_digits: Math.max(before.fraction_digits, added.fraction_digits),
    };
    return this.#needsText(merged) ? asText(merged) : merged;
  }

  /** Neither a double nor any decimal holds all digits. */
  #needsText({ kinds: set, integer_digits, fraction_digits }: ColumnFacts): boolean {
    if ((set & kinds.inexact) === 0 || (set & kinds.text) !== 0) return false;
    const has_room = this.#scales.some(
      (scale) => fraction_digits <= scale && integer_digits <= DECIMAL_DIGITS - scale,
    );
    return !has_room;
  }
}

/** As one scan names them, wherever each was seen first. */
const inOrder = (ends: Scan["line_ends"]): Scan["line_ends"] =>
  new Set((["lf", "crlf", "cr"] as const).filter((each) => ends.has(each)));

const NUMERIC =
  kinds.integer |
  kinds.big_integer |
  kinds.decimal |
  kinds.scientific |
  kinds.inexact |
  kinds.negative_zero;

/** True if the kernel no longer looks at the cells (`see` in `assembly/judge.ts`). */
function isSettled(set: number): boolean {
  const others = set & ~NUMERIC;
  const is_mixed = (others !== set && others !== 0) || (others & (others - 1)) !== 0;
  return is_mixed || (set & kinds.text) !== 0;
}

/** The kinds up to the cell that left nothing but text to the column: those that one scan sees. */
function untilSettled(first: ReadonlyMap<Kind, CellPlace>): Pick<ColumnFacts, "kinds" | "first"> {
  const seen = new Map<Kind, CellPlace>();
  let set = 0;
  let last_row = Infinity;
  for (const [kind, place] of [...first].sort(([, a], [, b]) => a.row - b.row)) {
    if (place.row > last_row) break;
    seen.set(kind, place);
    set |= kinds[kind];
    if (isSettled(set)) last_row = place.row;
  }
  return { kinds: set, first: seen };
}

const NOTHING_SEEN: ColumnFacts = {
  kinds: 0,
  first: new Map(),
  integer_digits: 0,
  fraction_digits: 0,
  empty_count: 0,
  quoted_empty_count: 0,
  text_bytes: 0,
};

/** Which cell decided it is not known to a sum; the one that no double holds did its share. */
function asText(facts: ColumnFacts): ColumnFacts {
  const place = facts.first.get("inexact");
  const first = new Map(facts.first);
  if (place !== undefined) first.set("text", place);
  return { ...facts, kinds: facts.kinds | kinds.text, first };
}
