import { LakehouseError } from "../../../core/error.ts";
import { printsBack } from "./exact-double.ts";
import { type FieldSyntax, textOf } from "./field-syntax.ts";
import { type Kernel, openKernel } from "./kernel.ts";
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
  /** Receives the good rows in plain form. */
  readonly plain?: PlainSink;
}

/**
 * Takes rows in the one form that leaves a reader nothing to decide: the file's delimiter, LF, and
 * quotes only around whole cells. Where it is cut depends on the rows alone.
 */
export interface PlainSink {
  /** Bytes that still fit into the present piece, and whether it holds none yet. */
  room(): { readonly bytes: number; readonly fresh: boolean };
  /** Whole rows; the bytes are valid during the call. */
  write(rows: Uint8Array): void;
  /** The next row has no room: begin another piece. */
  next(): void;
}

const REASONS = [
  "field_count",
  "text_behind_quote",
  "does_not_fit",
  "unclosed_quote",
  "unknown_escape",
] as const;
export type BadReason = (typeof REASONS)[number];

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

/** The delimiter and the line feed that a row may get. */
const CALL_SLACK_BYTES = 16;

/** `FIRST_AT` and `FIRST_BYTES` of the kernel's column, see `assembly/memory.ts`. */
const FIRST_AT = 48;
const FIRST_BYTES = 32;
/** Positions in the input have 27 bits. */
const RECORD_BYTES_MAX = 1 << 26;

/**
 * Judges a CSV file as its bytes arrive: `space` gives room for bytes, `advance` says how many were
 * written there, `finish` ends the file. It sees every byte once, at the speed of reading it.
 */
export class CsvScanner {
  readonly #kernel: Kernel;
  readonly #options: ScanOptions;
  #capacity_bytes: number;
  #held_bytes = 0;
  #offset: number;
  #line: number;

  static async open(options: ScanOptions): Promise<CsvScanner> {
    let scanner: CsvScanner | undefined;
    let memory = Buffer.alloc(0);
    const held = (): Buffer => {
      if (scanner === undefined) throw new Error("the kernel called before it began");
      const { buffer } = scanner.#kernel.memory;
      // Growing the memory replaces its buffer.
      if (memory.buffer !== buffer) memory = Buffer.from(buffer);
      return memory;
    };
    const view = (start: number, length: number): Buffer => held().subarray(start, start + length);
    const text = (start: number, length: number, encoding: "latin1" | "utf8"): string =>
      held().toString(encoding, start, start + length);
    const kernel = await openKernel({
      // Asked for every long number; numbers are ASCII, and Latin-1 is read three times faster.
      printsBack: (start, length) => printsBack(text(start, length, "latin1")),
      fits: (column, start, length) =>
        options.given.get(column)?.fits(textOf(text(start, length, "utf8"), options)) ?? true,
      badRecord: (reason, row, line, start, length, field_count, field, at, field_length) => {
        const input = scanner === undefined ? 0 : numberOf(scanner.#kernel.input);
        options.onBadRecord({
          reason: REASONS[reason - 1] ?? "field_count",
          row,
          line,
          field_count,
          field,
          bytes: view(input + start, length),
          field_bytes: view(input + at, field_length),
        });
      },
    });
    scanner = new CsvScanner(kernel, options);
    return scanner;
  }

  private constructor(kernel: Kernel, options: ScanOptions) {
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
      options.plain !== undefined,
    );
    if (begun === 0) throw new RangeError("no memory for the CSV kernel");
    new Uint8Array(kernel.memory.buffer, numberOf(kernel.nulls), nulls.length).set(nulls);
    for (const [column, { accepted }] of options.given) kernel.giveType(column, accepted);
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

  /** So many bytes were written into `space()`. Throws `limit_exceeded` for a record that is too long. */
  advance(written_bytes: number): void {
    this.#held_bytes += written_bytes;
    this.#pass(false);
    if (this.#held_bytes < this.#capacity_bytes) return;
    const wanted_bytes = this.#capacity_bytes * 2;
    const { plain } = this.#options;
    const record_limit_bytes = Math.min(this.#options.record_limit_bytes, RECORD_BYTES_MAX);
    if (
      this.#capacity_bytes >= record_limit_bytes ||
      this.#kernel.enlarge(wanted_bytes, plain !== undefined) === 0
    ) {
      throw new LakehouseError(
        "limit_exceeded",
        `The record that begins in line ${this.#line} is longer than ${record_limit_bytes} bytes.`,
        {
          hint: "Look for a quote that is never closed, or raise cell_bytes under [limits].",
          extra: { line: this.#line, limit_bytes: record_limit_bytes },
        },
      );
    }
    this.#capacity_bytes = wanted_bytes;
  }

  /** Of the records so far. */
  get longest_record_bytes(): number {
    return numberOf(this.#kernel.longest_record);
  }

  /** Of the rows so far. */
  get row_count(): number {
    return numberOf(this.#kernel.row_count);
  }

  /** The facts of the rows so far. */
  columns(): ColumnFacts[] {
    return Array.from({ length: this.#options.column_count }, (_, index) => this.#facts(index));
  }

  finish(): Scan {
    this.#pass(true);
    if (this.#held_bytes > 0) {
      throw new LakehouseError(
        "limit_exceeded",
        `The record that begins in line ${this.#line} has too many fields.`,
        {
          hint: "Name the delimiter with delimiter=, or look for line ends that are missing.",
          extra: { line: this.#line },
        },
      );
    }
    this.#kernel.endBlanks();
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
      kernel.judgeRecords(this.#offset, this.#line);
      if (this.#options.plain !== undefined) this.#emit(this.#options.plain);
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

  #emit(plain: PlainSink): void {
    const kernel = this.#kernel;
    const count = numberOf(kernel.record_count);
    // A row is never longer than the input: a call for so much always makes progress.
    const call_bytes = this.#capacity_bytes + CALL_SLACK_BYTES;
    for (let record = 0; record < count;) {
      const { bytes, fresh } = plain.room();
      const length = kernel.emitRecords(record, Math.min(bytes, call_bytes), fresh);
      if (length > 0) {
        plain.write(new Uint8Array(kernel.memory.buffer, numberOf(kernel.output), length));
      }
      record = numberOf(kernel.emitted_records);
      if (record < count && bytes <= call_bytes) plain.next();
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

function numberOf(global: WebAssembly.Global): number {
  return Number(global.value);
}

const codeOf = (character: string): number => (character === "" ? 0 : character.charCodeAt(0));
