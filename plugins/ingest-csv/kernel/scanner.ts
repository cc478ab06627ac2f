import { type ColumnOutput, ColumnGroups } from "./column-group.ts";
import { codeOf, type FieldSyntax } from "./field-syntax.ts";
import { type Kernel, numberOf } from "./kernel.ts";
import { type Kind, kinds } from "./kinds.ts";

/** The test of the cells of a column whose type the user gave. */
export interface GivenTest {
  /** Bits of the kinds that are known to fit; with text, no cell is looked at. */
  readonly accepted: number;
  /** Asked of every other cell that is not null: its text, without quotes and escapes. */
  readonly fits: (cell: string) => boolean;
}

export interface ScanOptions extends FieldSyntax {
  readonly column_count: number;
  /** Where the first record begins, in bytes, and its line, from 1. */
  readonly offset: number;
  readonly line: number;
  /** Bytes of the file looked at in one pass; grows for a longer record up to the limit. */
  readonly capacity_bytes: number;
  readonly record_limit_bytes: number;
  /** Unquoted cells with one of these texts are null, as empty ones always are. */
  readonly null_texts: readonly string[];
  /** By column. */
  readonly given: ReadonlyMap<number, GivenTest>;
  /** Digits that a decimal may have behind its point. */
  readonly scales: readonly number[];
  /** Called for each record that is no row, in the order of the file. */
  readonly onBadRecord: (record: BadRecord) => void;
  /** What the good rows become; without it they are judged alone. */
  readonly output?: ColumnOutput | undefined;
}

export const BAD_REASONS = [
  "field_count",
  "text_behind_quote",
  "does_not_fit",
  "unclosed_quote",
  "unknown_escape",
] as const;
export type BadReason = (typeof BAD_REASONS)[number];

export interface BadRecord {
  readonly reason: BadReason;
  /** Among all records behind the header, from 0. */
  readonly row: number;
  readonly line: number;
  readonly field_count: number;
  /** The field at fault, from 0. */
  readonly field: number;
  /** As they stand in the file, the record without its line end. Valid during the call. */
  readonly bytes: Uint8Array;
  readonly field_bytes: Uint8Array;
}

/** Where a cell stands. */
export interface CellPlace {
  /** From 0, behind the header. */
  readonly row: number;
  /** Of the record's first line, from 1. */
  readonly line: number;
  /** Of the cell in the file, in bytes, its quotes included. */
  readonly offset: number;
  readonly length_bytes: number;
}

/** What is known of a column once every cell was seen. */
export interface ColumnFacts {
  /** Bits of `kinds`. Once a column can only be text, its cells are no longer looked at. */
  readonly kinds: number;
  /** Where each kind was seen first. */
  readonly first: ReadonlyMap<Kind, CellPlace>;
  readonly integer_digits: number;
  readonly fraction_digits: number;
  readonly empty_count: number;
  readonly quoted_empty_count: number;
  /** Of all cells, without quotes, each escape counted once: what a text column holds in the end. */
  readonly text_bytes: number;
}

export interface Scan {
  readonly columns: readonly ColumnFacts[];
  readonly row_count: number;
  readonly bad_count: number;
  /** Blank lines that are no rows. */
  readonly blank_count: number;
  readonly line_ends: ReadonlySet<"lf" | "crlf" | "cr">;
  /** Quotes inside unquoted cells. */
  readonly bare_quote_count: number;
  /** Cells with an escape inside quotes. */
  readonly escaped_count: number;
  /** Line breaks, those inside quotes too. */
  readonly line_break_count: number;
  readonly longest_record_bytes: number;
}

/** A record has more bytes than the limit, or, without one, more fields than can be told apart. */
export class RecordTooLong extends Error {
  readonly line: number;
  readonly limit_bytes: number | undefined;

  constructor(line: number, limit_bytes: number | undefined) {
    super("a record is too long");
    this.line = line;
    this.limit_bytes = limit_bytes;
  }
}

/** `FIRST_AT` and `FIRST_BYTES` of the kernel's column, see `assembly/memory.ts`. */
const FIRST_AT = 48;
const FIRST_BYTES = 32;
/** Positions in the input have 27 bits. */
const RECORD_BYTES_MAX = 1 << 26;

/**
 * Judges a CSV file as its bytes arrive, and may turn its rows into columns: `space` gives room for
 * bytes, `advance` says how many were written there, `finish` ends the file. It sees every byte once.
 */
export class CsvScanner {
  readonly #kernel: Kernel;
  readonly #options: ScanOptions;
  #capacity_bytes: number;
  #held_bytes = 0;
  #offset: number;
  #line: number;
  #groups: ColumnGroups | undefined;

  constructor(kernel: Kernel, options: ScanOptions) {
    this.#kernel = kernel;
    this.#options = options;
    this.#capacity_bytes = options.capacity_bytes;
    this.#offset = options.offset;
    this.#line = options.line;
    const nulls = options.null_texts.flatMap((text) => [
      Buffer.byteLength(text),
      ...Buffer.from(text),
    ]);
    const begun = kernel.begin(
      codeOf(options.delimiter),
      codeOf(options.quote),
      options.escape === options.quote ? 0 : codeOf(options.escape),
      options.column_count,
      options.capacity_bytes,
      nulls.length,
      options.scales.reduce((bits, scale) => bits | (1n << BigInt(scale)), 0n),
    );
    if (begun === 0) throw noMemory();
    new Uint8Array(kernel.memory.buffer, numberOf(kernel.nulls), nulls.length).set(nulls);
    for (const [column, { accepted }] of options.given) kernel.giveType(column, accepted);
    if (options.output !== undefined) this.#groups = new ColumnGroups(kernel, options.output);
  }

  /** Where the next bytes of the file go; valid until the next call. Never empty. */
  space(): Uint8Array {
    const at: unknown = this.#kernel.input.value;
    if (typeof at !== "number") throw new TypeError("the kernel has no input");
    return new Uint8Array(
      this.#kernel.memory.buffer,
      at + this.#held_bytes,
      this.#capacity_bytes - this.#held_bytes,
    );
  }

  /** So many bytes were written into `space()`. Throws `RecordTooLong`. */
  advance(written_bytes: number): void {
    this.#held_bytes += written_bytes;
    this.#pass(false);
    if (this.#held_bytes < this.#capacity_bytes) return;
    const wanted_bytes = this.#capacity_bytes * 2;
    const record_limit_bytes = Math.min(this.#options.record_limit_bytes, RECORD_BYTES_MAX);
    if (
      this.#capacity_bytes >= record_limit_bytes ||
      this.#kernel.enlarge(wanted_bytes, this.#held_bytes) === 0
    ) {
      throw new RecordTooLong(this.#line, record_limit_bytes);
    }
    this.#capacity_bytes = wanted_bytes;
  }

  /** Cells so far that had no value in the type of their output column. */
  get misfit_count(): number {
    return numberOf(this.#kernel.misfits);
  }

  /** The rest is judged alone. */
  stopWriting(): void {
    this.#groups = undefined;
    this.#kernel.endColumns();
  }

  /** The facts of the rows so far. */
  columns(): ColumnFacts[] {
    return Array.from({ length: this.#options.column_count }, (_, index) => this.#facts(index));
  }

  finish(): Scan {
    this.#pass(true);
    if (this.#held_bytes > 0) throw new RecordTooLong(this.#line, undefined);
    this.#kernel.endBlanks();
    this.#groups?.finish();
    const ends = numberOf(this.#kernel.line_ends);
    const named = [
      ["lf", 1],
      ["crlf", 2],
      ["cr", 4],
    ] as const;
    return {
      columns: this.columns(),
      row_count: numberOf(this.#kernel.row_count),
      bad_count: numberOf(this.#kernel.bad_count),
      blank_count: numberOf(this.#kernel.blank_count),
      line_ends: new Set(named.filter(([, bit]) => (ends & bit) !== 0).map(([name]) => name)),
      bare_quote_count: numberOf(this.#kernel.bare_quotes),
      escaped_count: numberOf(this.#kernel.escaped_count),
      line_break_count: this.#line - this.#options.line,
      longest_record_bytes: numberOf(this.#kernel.longest_record),
    };
  }

  /** Indexes and judges what is held, as often as it yields records; the rest moves to the front. */
  #pass(final: boolean): void {
    const kernel = this.#kernel;
    const input = numberOf(kernel.input);
    for (;;) {
      const used_bytes = kernel.indexRecords(this.#held_bytes, final);
      const count = numberOf(kernel.record_count);
      for (let record = 0; record < count; record = numberOf(kernel.listed_records)) {
        if (kernel.takeRecords(record, this.#offset, this.#line) === 0) throw noMemory();
        this.#groups?.advance();
      }
      new Uint8Array(kernel.memory.buffer).copyWithin(
        input,
        input + used_bytes,
        input + this.#held_bytes,
      );
      this.#held_bytes -= used_bytes;
      this.#offset += used_bytes;
      this.#line += numberOf(kernel.line_count);
      if (used_bytes === 0 || this.#held_bytes === 0) return;
    }
  }

  #facts(index: number): ColumnFacts {
    const { memory, columns, COLUMN_BYTES } = this.#kernel;
    const size = numberOf(COLUMN_BYTES);
    const view = new DataView(memory.buffer, numberOf(columns) + index * size, size);
    const set = view.getUint32(0, true);
    const first = new Map<Kind, CellPlace>();
    for (const kind of kindNames) {
      if ((set & kinds[kind]) === 0) continue;
      const at = FIRST_AT + FIRST_BYTES * Math.log2(kinds[kind]);
      first.set(kind, {
        row: view.getFloat64(at, true),
        line: view.getFloat64(at + 8, true),
        offset: view.getFloat64(at + 16, true),
        length_bytes: view.getUint32(at + 24, true),
      });
    }
    return {
      kinds: set,
      first,
      integer_digits: view.getUint32(8, true),
      fraction_digits: view.getUint32(12, true),
      empty_count: view.getFloat64(16, true),
      quoted_empty_count: view.getFloat64(24, true),
      text_bytes: view.getFloat64(32, true),
    };
  }
}

const kindNames: readonly Kind[] = Object.keys(kinds).filter((name): name is Kind =>
  Object.hasOwn(kinds, name),
);

const noMemory = (): RangeError => new RangeError("no memory for the CSV kernel");
