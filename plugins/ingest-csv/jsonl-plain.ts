import { LakehouseError } from "../../core/error.ts";
import { type ColumnType, TEXT } from "./column-types.ts";
import { forEachLine } from "./jsonl-lines.ts";
import { type Cell, JsonRows } from "./jsonl-row.ts";
import { writeDecoded } from "./jsonl-string.ts";
import { JSON_TEXT } from "./jsonl-types.ts";
import { NULL } from "./jsonl-value.ts";
import type { PlainSink } from "./segments.ts";

export const DELIMITER = ",";
const COMMA = 0x2c;
const LF = 0x0a;
const QUOTE = 0x22;
/** Rows are handed over in blocks of about this size. */
const BLOCK_BYTES = 256 * 1024;

export interface PlainOptions {
  /** Per column, in the order of the keys. */
  readonly types: readonly ColumnType[];
  readonly record_limit_bytes: number;
  /** Of all plain rows: sparse objects with many keys grow by far. */
  readonly total_limit_bytes: number;
}

/**
 * Writes the rows of a file that has been surveyed in the plain form of CSV: text always in quotes,
 * other values as they stand, nothing for null. Throws `limit_exceeded`.
 */
export function writePlainRows(path: string, sink: PlainSink, options: PlainOptions): void {
  const { types, record_limit_bytes, total_limit_bytes } = options;
  const rows = new JsonRows();
  const block = new PlainBlock(types);
  let total_bytes = 0;
  const flush = (length: number): void => {
    const { bytes, fresh } = sink.room();
    if (length > bytes && !fresh) sink.next();
    sink.write(block.take(length));
    total_bytes += length;
    if (total_bytes > total_limit_bytes) throw tooSparse(total_limit_bytes);
  };
  forEachLine(path, record_limit_bytes, ({ bytes, start, end }) => {
    if (rows.isBlank(bytes, start, end)) return;
    if (!rows.read(bytes, start, end)) throw new Error("the file changed since its survey");
    const before = block.length;
    block.append(bytes, rows, end - start);
    if (block.length < BLOCK_BYTES) return;
    // A long row in a block of its own: it may not fit where the others do.
    if (before > 0) flush(before);
    flush(block.length);
  });
  if (block.length > 0) flush(block.length);
}

class PlainBlock {
  length = 0;
  readonly #types: readonly ColumnType[];
  #bytes = new Uint8Array(2 * BLOCK_BYTES);

  constructor(types: readonly ColumnType[]) {
    this.#types = types;
  }

  append(bytes: Uint8Array, rows: JsonRows, line_bytes: number): void {
    const width = this.#types.length;
    this.#reserve(2 * line_bytes + 4 * width);
    for (let index = 0; index < width; index++) {
      if (index > 0) this.#bytes[this.length++] = COMMA;
      const cell = rows.cells[index];
      if (cell?.row === rows.row && cell.kind !== NULL) this.#put(bytes, cell, this.#types[index]);
    }
    // A row of one column must not be an empty line.
    if (width === 1) this.#bytes[this.length++] = COMMA;
    this.#bytes[this.length++] = LF;
  }

  #put(bytes: Uint8Array, cell: Cell, type: ColumnType | undefined): void {
    const { start, end, escaped } = cell;
    if (type === JSON_TEXT) this.#putQuoted(bytes, start, end);
    else if (type === TEXT && escaped) {
      this.#bytes[this.length++] = QUOTE;
      this.length = writeDecoded(bytes, [start + 1, end - 1], this.#bytes, this.length, true);
      this.#bytes[this.length++] = QUOTE;
    } else {
      // Without a backslash there is no quote inside: JSON and CSV write the same.
      for (let at = start; at < end; at++) this.#bytes[this.length++] = bytes[at] ?? 0;
    }
  }

  #putQuoted(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes[this.length++] = QUOTE;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === QUOTE) this.#bytes[this.length++] = QUOTE;
      this.#bytes[this.length++] = byte;
    }
    this.#bytes[this.length++] = QUOTE;
  }

  /** The first `length` bytes, valid until the next `append`; what is behind them stays. */
  take(length: number): Uint8Array {
    const taken = this.#bytes.slice(0, length);
    this.#bytes.copyWithin(0, length, this.length);
    this.length -= length;
    return taken;
  }

  #reserve(bytes: number): void {
    if (this.length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.length + bytes));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}

function tooSparse(limit_bytes: number): LakehouseError {
  return new LakehouseError(
    "limit_exceeded",
    `As a table the objects take more than ${limit_bytes} bytes: they have many keys and few values each.`,
    {
      hint: "Put what varies into one nested object, divide the file, or raise ingest_temp_bytes under [limits].",
      extra: { limit_bytes },
    },
  );
}
