import { hexValue, isEscape, isHighSurrogate, isLowSurrogate } from "./jsonl-string.ts";

/** What a JSON value is (RFC 8259 §3). */
export const NULL = 1;
export const STRING = 2;
export const NUMBER = 3;
export const BOOLEAN = 4;
/** An object or an array. */
export const NESTED = 5;
export type ValueKind =
  | typeof NULL
  | typeof STRING
  | typeof NUMBER
  | typeof BOOLEAN
  | typeof NESTED;

export type JsonFault =
  | "not_an_object"
  | "unexpected_character"
  | "unexpected_end"
  | "bad_escape"
  | "lone_surrogate"
  | "control_character"
  | "bad_number"
  | "nested_too_deep"
  | "text_behind_object"
  | "duplicate_key"
  | "key_control_character";

/** Deeper values crash parsers further down the road. */
const DEPTH_LIMIT = 256;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const [TRUE, FALSE, NULL_WORD] = ["true", "false", "null"].map((word) => Buffer.from(word));

/**
 * Reads JSON values (RFC 8259) in place, byte by byte, and never turns one into a JavaScript value:
 * a double would lose digits. Positions are offsets into the bytes given to `open`; each method
 * returns the position behind what it read, or -1 with the reason in `fault`, the place in `at`.
 */
export class JsonReader {
  fault: JsonFault | undefined;
  at = 0;
  /** Of the value read last. */
  kind: ValueKind = NULL;
  /** The string read last has a backslash in it. */
  escaped = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;
  readonly #closers = new Uint8Array(DEPTH_LIMIT);

  open(bytes: Uint8Array, end: number): void {
    this.#bytes = bytes;
    this.#end = end;
    this.fault = undefined;
  }

  fail(fault: JsonFault, at: number): -1 {
    this.fault = fault;
    this.at = at;
    return -1;
  }

  /** The position of the next byte that is no white space. */
  skipSpace(from: number): number {
    const bytes = this.#bytes;
    let at = from;
    while (at < this.#end) {
      const byte = bytes[at];
      if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d && byte !== 0x0a) break;
      at++;
    }
    return at;
  }

  /** Behind this byte, white space before it skipped. */
  expect(byte: number, from: number): number {
    const at = this.skipSpace(from);
    if (at < this.#end && this.#bytes[at] === byte) return at + 1;
    return this.#unexpected(at);
  }

  /** A value of any kind, from its first byte on. */
  value(from: number): number {
    const byte = from < this.#end ? this.#bytes[from] : 0;
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) return this.#nested(from);
    return this.#scalar(from);
  }

  #scalar(from: number): number {
    const byte = from < this.#end ? (this.#bytes[from] ?? 0) : 0;
    if (byte === QUOTE) {
      this.kind = STRING;
      return this.string(from);
    }
    if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) {
      this.kind = NUMBER;
      return this.#number(from);
    }
    this.kind = byte === 0x6e ? NULL : BOOLEAN;
    if (byte === 0x74) return this.#word(TRUE, from);
    if (byte === 0x66) return this.#word(FALSE, from);
    if (byte === 0x6e) return this.#word(NULL_WORD, from);
    return this.#unexpected(from);
  }

  /** A string, from its opening quote on. */
  string(from: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    this.escaped = false;
    if (from >= end || bytes[from] !== QUOTE) return this.#unexpected(from);
    for (let at = from + 1; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === QUOTE) return at + 1;
      if (byte === BACKSLASH) {
        this.escaped = true;
        at = this.#escape(at);
        if (at === -1) return -1;
      } else if (byte < 0x20) return this.fail("control_character", at);
    }
    return this.fail("unexpected_end", end);
  }

  /** Returns the position of the last byte of the escape at `from`. */
  #escape(from: number): number {
    const letter = from + 1 < this.#end ? (this.#bytes[from + 1] ?? 0) : 0;
    if (letter !== 0x75) return isEscape(letter) ? from + 1 : this.fail("bad_escape", from);
    const unit = this.#unit(from);
    if (unit === -1) return this.fail("bad_escape", from);
    if (isLowSurrogate(unit)) return this.fail("lone_surrogate", from);
    if (!isHighSurrogate(unit)) return from + 5;
    return isLowSurrogate(this.#unit(from + 6)) ? from + 11 : this.fail("lone_surrogate", from);
  }

  /** The UTF-16 code unit of a `\uXXXX` at `from`, or -1. */
  #unit(from: number): number {
    const is_unit =
      from + 6 <= this.#end && this.#bytes[from] === BACKSLASH && this.#bytes[from + 1] === 0x75;
    return is_unit ? hexValue(this.#bytes, from + 2) : -1;
  }

  /** RFC 8259 §6. */
  #number(from: number): number {
    const bytes = this.#bytes;
    let at = bytes[from] === 0x2d ? from + 1 : from;
    const integer = at;
    at = this.#digits(at);
    if (at === integer || (bytes[integer] === 0x30 && at > integer + 1))
      return this.fail("bad_number", from);
    if (at < this.#end && bytes[at] === 0x2e) {
      const fraction = at + 1;
      at = this.#digits(fraction);
      if (at === fraction) return this.fail("bad_number", from);
    }
    if (at < this.#end && ((bytes[at] ?? 0) | 0x20) === 0x65) {
      const sign = bytes[at + 1];
      const exponent = at + 1 < this.#end && (sign === 0x2b || sign === 0x2d) ? at + 2 : at + 1;
      at = this.#digits(exponent);
      if (at === exponent) return this.fail("bad_number", from);
    }
    return at;
  }

  #digits(from: number): number {
    let at = from;
    while (at < this.#end) {
      const byte = this.#bytes[at] ?? 0;
      if (byte < 0x30 || byte > 0x39) break;
      at++;
    }
    return at;
  }

  #word(word: Buffer | undefined, from: number): number {
    const length = word?.length ?? 0;
    for (let i = 0; i < length; i++) {
      if (from + i >= this.#end || this.#bytes[from + i] !== word?.[i])
        return this.#unexpected(from + i);
    }
    return from + length;
  }

  /** An object or array with all that is in it, without recursion. */
  #nested(from: number): number {
    const bytes = this.#bytes;
    const closers = this.#closers;
    let depth = 0;
    for (let at = from; ;) {
      // A value begins at `at`.
      const opener = at < this.#end ? bytes[at] : 0;
      if (opener === OPEN_OBJECT || opener === OPEN_ARRAY) {
        if (depth === DEPTH_LIMIT) return this.fail("nested_too_deep", at);
        // In ASCII each closing bracket is two behind its opening one.
        closers[depth++] = opener + 2;
        at = this.skipSpace(at + 1);
        const is_empty = at < this.#end && bytes[at] === opener + 2;
        if (!is_empty) {
          if (opener === OPEN_OBJECT) at = this.#memberName(at);
          if (at === -1) return -1;
          continue;
        }
      } else {
        at = this.#scalar(at);
        if (at === -1) return -1;
      }
      at = this.#closeNested(at, depth);
      if (at === -1) return -1;
      depth = this.#depth;
      if (depth === 0) {
        this.kind = NESTED;
        return at;
      }
    }
  }

  #depth = 0;

  /** Behind a value: closes what ends there; else goes to where the next value begins. */
  #closeNested(from: number, depth: number): number {
    let at = from;
    for (this.#depth = depth; this.#depth > 0;) {
      const closer = this.#closers[this.#depth - 1];
      at = this.skipSpace(at);
      const byte = at < this.#end ? this.#bytes[at] : 0;
      if (byte === closer) {
        at += 1;
        this.#depth -= 1;
      } else if (byte === COMMA) {
        at = this.skipSpace(at + 1);
        return closer === CLOSE_OBJECT ? this.#memberName(at) : at;
      } else return this.#unexpected(at);
    }
    return at;
  }

  /** From the name of a member to its value. */
  #memberName(from: number): number {
    const behind = this.string(from);
    const colon = behind === -1 ? -1 : this.expect(COLON, behind);
    return colon === -1 ? -1 : this.skipSpace(colon);
  }

  #unexpected(at: number): -1 {
    return at >= this.#end
      ? this.fail("unexpected_end", this.#end)
      : this.fail("unexpected_character", at);
  }
}
