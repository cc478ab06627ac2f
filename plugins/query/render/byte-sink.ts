import { LakehouseError } from "../../../core/error.ts";

const encoder = new TextEncoder();

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const HEX = encoder.encode("0123456789abcdef");

/** The two-character escapes of RFC 8259 §7, by byte; 0 means `\u00xx`. */
const SHORT_ESCAPE = new Uint8Array(0x20);
for (const [byte, letter] of [
  [0x08, "b"],
  [0x09, "t"],
  [0x0a, "n"],
  [0x0c, "f"],
  [0x0d, "r"],
] as const) {
  SHORT_ESCAPE[byte] = letter.charCodeAt(0);
}

/** Strings longer than this are copied in slices, so that the worst case of escaping stays small. */
const SLICE_BYTES = 64 * 1024;

/**
 * A growing buffer of UTF-8. Results are written as bytes, because the engine holds text as UTF-8
 * already: decoding it to JavaScript strings and encoding it again would cost more than the query.
 */
export class ByteSink {
  bytes = new Uint8Array(96 * 1024);
  at = 0;

  /** Makes room for this many more bytes; every writer below calls it for itself. */
  reserve(count: number): void {
    const needed = this.at + count;
    if (needed <= this.bytes.length) return;
    let capacity = this.bytes.length;
    while (capacity < needed) capacity *= 2;
    let grown: Uint8Array<ArrayBuffer>;
    try {
      grown = new Uint8Array(capacity);
    } catch (cause) {
      throw new LakehouseError("result_too_large", "One row of the result needs too much memory.", {
        hint: "Select less in one value.",
        cause,
      });
    }
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  /** Text of ASCII characters only. */
  ascii(text: string): void {
    const length = text.length;
    this.reserve(length);
    const bytes = this.bytes;
    let at = this.at;
    for (let index = 0; index < length; index++) bytes[at++] = text.charCodeAt(index);
    this.at = at;
  }

  raw(source: Uint8Array): void {
    const length = source.length;
    this.reserve(length);
    // A call of `set` costs more than a few bytes do.
    if (length > 32) this.bytes.set(source, this.at);
    else
      for (let index = 0; index < length; index++) this.bytes[this.at + index] = source[index] ?? 0;
    this.at += length;
  }

  /** A safe integer in decimal. */
  integer(value: number): void {
    if (value < 0) {
      this.byte(MINUS);
      this.digits(-value, 1);
    } else {
      this.digits(value, 1);
    }
  }

  /** A safe integer ≥ 0, with leading zeros up to `width`, which is at most 9 beyond 2^31. */
  digits(value: number, width: number): void {
    if (value > 0x7fff_ffff) {
      // The quotient may round up to the next whole number; the remainder tells.
      let high = Math.floor(value / 1e9);
      let low = value - high * 1e9;
      if (low < 0) {
        high -= 1;
        low += 1e9;
      }
      this.digits(high, 1);
      this.digits(low, 9);
      return;
    }
    let length = width;
    for (let bound = 10 ** width; length < 10 && value >= bound; bound *= 10) length++;
    this.reserve(length);
    const bytes = this.bytes;
    const start = this.at;
    let at = start + length;
    this.at = at;
    let rest = value | 0;
    while (at > start) {
      const next = (rest / 10) | 0;
      bytes[--at] = ZERO + (rest - next * 10);
      rest = next;
    }
  }

  /** A safe integer ≥ 0 times 10^-scale, in plain notation with all `scale` digits. */
  scaled(value: number, scale: number): void {
    const from = this.at;
    this.digits(value, 1);
    if (scale === 0) return;
    const length = this.at - from;
    const missing = scale + 1 - length;
    this.reserve(Math.max(missing, 0) + 1);
    if (missing > 0) {
      this.bytes.copyWithin(from + missing, from, this.at);
      this.bytes.fill(ZERO, from, from + missing);
      this.at += missing;
    }
    const bytes = this.bytes;
    const point = this.at - scale;
    for (let at = this.at; at > point; at--) bytes[at] = bytes[at - 1] ?? 0;
    bytes[point] = POINT;
    this.at += 1;
  }

  /** A JSON string (RFC 8259 §7) from `length` bytes of UTF-8. */
  jsonString(source: Uint8Array, start: number, length: number): void {
    this.byte(QUOTE);
    const end = start + length;
    for (let from = start; from < end; from += SLICE_BYTES) {
      this.#escaped(source, from, Math.min(end, from + SLICE_BYTES));
    }
    this.byte(QUOTE);
  }

  #escaped(source: Uint8Array, start: number, end: number): void {
    this.reserve((end - start) * 6);
    const bytes = this.bytes;
    let at = this.at;
    for (let index = start; index < end; index++) {
      const byte = source[index] ?? 0;
      if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) {
        bytes[at++] = byte;
        continue;
      }
      bytes[at++] = BACKSLASH;
      if (byte >= 0x20) {
        bytes[at++] = byte;
        continue;
      }
      const short = SHORT_ESCAPE[byte] ?? 0;
      if (short !== 0) {
        bytes[at++] = short;
        continue;
      }
      bytes[at++] = 0x75;
      bytes[at++] = 0x30;
      bytes[at++] = 0x30;
      bytes[at++] = HEX[byte >> 4] ?? 0;
      bytes[at++] = HEX[byte & 15] ?? 0;
    }
    this.at = at;
  }

  /**
   * A CSV field (RFC 4180 §2) from `length` bytes of UTF-8. Quoted if it holds a comma, a quote or
   * a line break, and also if it is empty: an unquoted empty field is NULL.
   */
  csvField(source: Uint8Array, start: number, length: number): void {
    this.reserve(length);
    const bytes = this.bytes;
    const begin = this.at;
    let special = length === 0;
    for (let index = 0; index < length && !special; index++) {
      const byte = source[start + index] ?? 0;
      special = byte === QUOTE || byte === COMMA || byte === LINE_FEED || byte === CARRIAGE_RETURN;
      bytes[begin + index] = byte;
    }
    if (special) this.#quoted(source, start, length);
    else this.at = begin + length;
  }

  #quoted(source: Uint8Array, start: number, length: number): void {
    this.reserve(length * 2 + 2);
    const bytes = this.bytes;
    let at = this.at;
    bytes[at++] = QUOTE;
    for (let index = start; index < start + length; index++) {
      const byte = source[index] ?? 0;
      if (byte === QUOTE) bytes[at++] = QUOTE;
      bytes[at++] = byte;
    }
    bytes[at++] = QUOTE;
    this.at = at;
  }

  /** Hands over what was written, in a buffer of its own, and starts again. */
  take(): Uint8Array {
    const taken = this.bytes.slice(0, this.at);
    this.at = 0;
    return taken;
  }
}

/** A JSON string as bytes, for names that are written once per result or once per row. */
export function jsonBytes(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}
