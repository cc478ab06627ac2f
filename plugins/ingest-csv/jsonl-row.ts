import { decodeString } from "./jsonl-string.ts";
import { type JsonFault, JsonReader, NULL } from "./jsonl-value.ts";

const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
/** NUL ends strings in C; the other two are the separators of the schema fingerprint. */
// oxlint-disable-next-line no-control-regex -- control characters are what this finds
const FORBIDDEN_IN_KEYS = /[\u0000\u001e\u001f]/u;

/** Where one value stands in the line. */
export interface Cell {
  /** The number of the row it belongs to; of any other row the column has no value. */
  row: number;
  kind: number;
  /** With the quotes of a string. */
  start: number;
  end: number;
  /** A string with a backslash in it. */
  escaped: boolean;
}

/**
 * Reads lines as rows. A column is a key, in the order they first appear in the file; `cells` has
 * one `Cell` per column, used anew for each row.
 */
export class JsonRows {
  readonly keys: string[] = [];
  readonly cells: Cell[] = [];
  /** Of the row read last, from 1; bad lines count too. */
  row = 0;
  readonly #reader = new JsonReader();
  readonly #by_key = new Map<string, number>();
  /** As the key is written where it was first seen. */
  readonly #written: Uint8Array[] = [];
  /** Columns of the last row in its order: the next row most likely has the same. */
  readonly #order: number[] = [];

  /** Why the line read last is no row, and where in the bytes. */
  get fault(): JsonFault | undefined {
    return this.#reader.fault;
  }
  get fault_at(): number {
    return this.#reader.at;
  }

  /** True for a line without anything in it. */
  isBlank(bytes: Uint8Array, start: number, end: number): boolean {
    this.#reader.open(bytes, end);
    return this.#reader.skipSpace(start) === end;
  }

  /** Fills `cells` from the object in `bytes[start, end)`; false if it is none, with `fault`. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    const reader = this.#reader;
    reader.open(bytes, end);
    this.row += 1;
    let at = reader.skipSpace(start);
    if (at >= end || bytes[at] !== OPEN_OBJECT) return this.#bad("not_an_object", at);
    at = reader.skipSpace(at + 1);
    if (at < end && bytes[at] === CLOSE_OBJECT) return this.#ends(at + 1, end);
    for (let member = 0; ; member++) {
      at = this.#member(bytes, at, member);
      if (at === -1) return false;
      at = reader.skipSpace(at);
      const byte = at < end ? bytes[at] : 0;
      if (byte === CLOSE_OBJECT) return this.#ends(at + 1, end);
      at = reader.expect(COMMA, at);
      if (at === -1) return false;
      at = reader.skipSpace(at);
    }
  }

  /** Reads `"key": value`; returns the position behind it or -1. */
  #member(bytes: Uint8Array, from: number, member: number): number {
    const reader = this.#reader;
    const behind = reader.string(from);
    if (behind === -1) return -1;
    const column = this.#column(bytes, from + 1, behind - 1, member);
    if (column === -1) return reader.fail("key_control_character", from);
    const colon = reader.expect(COLON, behind);
    if (colon === -1) return -1;
    const start = reader.skipSpace(colon);
    const end = reader.value(start);
    if (end === -1) return -1;
    const cell = this.cells[column];
    if (cell === undefined) throw new Error("a column without a cell");
    if (cell.row === this.row) return reader.fail("duplicate_key", from);
    cell.row = this.row;
    cell.kind = reader.kind;
    cell.start = start;
    cell.end = end;
    cell.escaped = reader.escaped;
    return end;
  }

  /** The column of the key `bytes[start, end)`, a new one if need be; -1 if it can be no name. */
  #column(bytes: Uint8Array, start: number, end: number, member: number): number {
    const expected = this.#order[member];
    if (expected !== undefined && isSame(this.#written[expected], bytes, start, end))
      return expected;
    const key = decodeString(bytes, start, end);
    const known = this.#by_key.get(key);
    const column = known ?? this.keys.length;
    if (known === undefined) {
      if (FORBIDDEN_IN_KEYS.test(key)) return -1;
      this.keys.push(key);
      this.cells.push({ row: 0, kind: NULL, start: 0, end: 0, escaped: false });
      // A copy: `slice` of a Buffer would be a view of bytes that change.
      this.#written.push(new Uint8Array(bytes.subarray(start, end)));
      this.#by_key.set(key, column);
    }
    this.#order[member] = column;
    return column;
  }

  /** Nothing but white space may follow the object. */
  #ends(at: number, end: number): boolean {
    const rest = this.#reader.skipSpace(at);
    return rest === end || this.#bad("text_behind_object", rest);
  }

  #bad(fault: JsonFault, at: number): false {
    this.#reader.fail(fault, at);
    return false;
  }
}

function isSame(
  one: Uint8Array | undefined,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (one === undefined || one.length !== end - start) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== bytes[start + i]) return false;
  return true;
}
