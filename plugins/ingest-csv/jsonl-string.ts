const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** What stands for one byte behind a backslash (RFC 8259 §7). */
const ESCAPES = new Uint8Array(128);
for (const [letter, character] of Object.entries({
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
})) {
  ESCAPES[letter.charCodeAt(0)] = character.charCodeAt(0);
}

/** True for a letter that may follow a backslash, other than `u`. */
export const isEscape = (byte: number): boolean => byte < 128 && ESCAPES[byte] !== 0;

/** The value of four hexadecimal digits, or -1. */
export function hexValue(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i] ?? 0;
    const digit =
      byte >= 0x30 && byte <= 0x39
        ? byte - 0x30
        : (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66
          ? (byte | 0x20) - 0x57
          : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

export const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;
export const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000;

/**
 * Writes what the JSON string `bytes[start, end)` (without its quotes, and known to be well formed)
 * says, in UTF-8, to `output` from `at`; with `double_quotes` each `"` twice, as CSV wants it.
 * Returns the position behind. Never more than two bytes for each byte read.
 */
export function writeDecoded(
  bytes: Uint8Array,
  [start, end]: readonly [number, number],
  output: Uint8Array,
  at: number,
  double_quotes: boolean,
): number {
  let to = at;
  for (let i = start; i < end; i++) {
    let byte = bytes[i] ?? 0;
    if (byte === BACKSLASH) {
      const letter = bytes[++i] ?? 0;
      if (letter === 0x75) {
        const unit = hexValue(bytes, i + 1);
        i += 4;
        if (isHighSurrogate(unit)) {
          const low = hexValue(bytes, i + 3);
          i += 6;
          to = writeCodePoint(output, to, 0x10000 + (unit - 0xd800) * 0x400 + (low - 0xdc00));
          continue;
        }
        if (unit !== QUOTE) {
          to = writeCodePoint(output, to, unit);
          continue;
        }
        byte = QUOTE;
      } else byte = ESCAPES[letter] ?? 0;
    }
    if (byte === QUOTE && double_quotes) output[to++] = QUOTE;
    output[to++] = byte;
  }
  return to;
}

/** UTF-8 (RFC 3629 §3). */
function writeCodePoint(output: Uint8Array, at: number, point: number): number {
  let to = at;
  if (point < 0x80) {
    output[to++] = point;
  } else if (point < 0x800) {
    output[to++] = 0xc0 | (point >> 6);
    output[to++] = 0x80 | (point & 0x3f);
  } else if (point < 0x10000) {
    output[to++] = 0xe0 | (point >> 12);
    output[to++] = 0x80 | ((point >> 6) & 0x3f);
    output[to++] = 0x80 | (point & 0x3f);
  } else {
    output[to++] = 0xf0 | (point >> 18);
    output[to++] = 0x80 | ((point >> 12) & 0x3f);
    output[to++] = 0x80 | ((point >> 6) & 0x3f);
    output[to++] = 0x80 | (point & 0x3f);
  }
  return to;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** What such a string says, as text. */
export function decodeString(bytes: Uint8Array, start: number, end: number): string {
  const output = new Uint8Array(2 * (end - start));
  return utf8.decode(output.subarray(0, writeDecoded(bytes, [start, end], output, 0, false)));
}
