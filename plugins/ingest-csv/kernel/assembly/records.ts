/**
 * Finds records and fields (RFC 4180): one pass over the input, sixteen bytes at a time, that stops
 * only at delimiters, quotes, line feeds and carriage returns. All three line ends are understood,
 * in any mixture.
 */
import {
  BAD_ESCAPE,
  BARE_QUOTE,
  delimiter,
  ends,
  escape,
  ESCAPED,
  field_capacity,
  input,
  POSITION,
  QUOTED,
  quote,
  records,
  starts,
  TRAILING_TEXT,
} from "./memory";

const LF: u8 = 10;
const CR: u8 = 13;

/** Of the last pass: complete records, and line breaks in them. */
export let record_count: u32 = 0;
export let line_count: u32 = 0;
/** Over the whole file. Which line ends were seen: 1 LF, 2 CRLF, 4 CR alone. */
export let line_ends: u32 = 0;
export let bare_quotes: f64 = 0;
export let longest_record: u32 = 0;
/** Somewhere in this input a field breaks the quoting rules. */
export let has_broken_fields: bool = false;
/** The file ended inside quotes. */
export let unclosed: bool = false;

export function clearRecords(): void {
  line_ends = 0;
  bare_quotes = 0;
  longest_record = 0;
  unclosed = false;
}

@inline
export function firstField(record: u32): u32 {
  return load<u32>(records + (<usize>record << 3));
}

@inline
export function linesBefore(record: u32): u32 {
  return load<u32>(records + (<usize>record << 3), 4);
}

@inline
export function fieldStart(field: u32): u32 {
  return load<u32>(starts + (<usize>field << 2));
}

/** With the flags in its upper bits. */
@inline
export function fieldEnd(field: u32): u32 {
  return load<u32>(ends + (<usize>field << 2));
}

/** 1 for a field in quotes, else 0: as many bytes as are in front of its text, and behind it. */
@inline
export function isQuoted(flagged: u32): u32 {
  return flagged & QUOTED ? 1 : 0;
}

@inline
function putField(field: u32, start: u32, end: u32): void {
  store<u32>(starts + (<usize>field << 2), start);
  store<u32>(ends + (<usize>field << 2), end);
}

@inline
function putRecord(record: u32, first_field: u32, lines: u32): void {
  store<u32>(records + (<usize>record << 3), first_field);
  store<u32>(records + (<usize>record << 3), lines, 4);
}

/** Bits of the bytes at `at` that mean something. */
@inline
function special(at: usize): u32 {
  const bytes = v128.load(at);
  const breaks = v128.or(i8x16.eq(bytes, i8x16.splat(LF)), i8x16.eq(bytes, i8x16.splat(CR)));
  let marks = v128.or(i8x16.eq(bytes, i8x16.splat(delimiter)), i8x16.eq(bytes, i8x16.splat(quote)));
  if (escape) marks = v128.or(marks, i8x16.eq(bytes, i8x16.splat(escape)));
  return i8x16.bitmask(v128.or(breaks, marks));
}

@inline
function isEscape(byte: u8): bool {
  return escape != 0 && byte == escape;
}

/** True for a byte, or the end of the file, that an escape in front of it could be meant for. */
function isSpecial(byte: u8, is_there: bool): bool {
  if (!is_there) return true;
  return byte == delimiter || byte == quote || byte == escape || byte == LF || byte == CR;
}

/**
 * Indexes the complete records of `input[0, length)`. With `final` the last one needs no line end.
 * Returns the bytes consumed; the rest is to be given again with more behind it. Zero, although more
 * is there than a record can have, means that the record is too long or has too many fields.
 */
export function indexRecords(length: u32, final: bool): u32 {
  let fields: u32 = 0;
  let count: u32 = 0;
  let consumed: u32 = 0;
  let start: u32 = 0;
  let flags: u32 = 0;
  let quoted = false;
  let lines: u32 = 0;
  let ignored: u32 = u32.MAX_VALUE;
  let complete_lines: u32 = 0;
  let bare: u32 = 0;
  has_broken_fields = false;
  putRecord(0, 0, 0);
  for (let at: u32 = 0; at < length; at += 16) {
    let mask = special(input + at);
    if (length - at < 16) mask &= (1 << (length - at)) - 1;
    while (mask) {
      const position = at + ctz(mask);
      mask &= mask - 1;
      if (position == ignored) continue;
      if (fields + 2 >= field_capacity) {
        return endPass(count, complete_lines, consumed);
      }
      const byte = load<u8>(input + position);
      const next = position + 1;
      // Whether a quote is doubled or a CR followed by LF shows only in the next byte.
      if (next >= length && !final && (byte == CR || (quoted && byte == quote) || isEscape(byte))) {
        return endPass(count, complete_lines, consumed);
      }
      const following = next < length ? load<u8>(input + next) : 0;
      if (isEscape(byte)) {
        if (quoted && (following == quote || following == escape)) {
          flags |= ESCAPED;
          ignored = next;
        } else if (quoted || isSpecial(following, next < length)) {
          flags |= BAD_ESCAPE;
          has_broken_fields = true;
        }
        continue;
      }
      if (quoted) {
        if (byte == quote) {
          if (!escape && next < length && following == quote) {
            flags |= ESCAPED;
            ignored = next;
          } else {
            quoted = false;
            flags |= QUOTED;
            if (next < length && following != delimiter && following != LF && following != CR) {
              flags |= TRAILING_TEXT;
              has_broken_fields = true;
            }
          }
        } else if (byte == LF || (byte == CR && !(next < length && following == LF))) {
          lines++;
        }
        continue;
      }
      if (byte == delimiter) {
        putField(fields++, start, position | flags);
        flags = 0;
        start = next;
        continue;
      }
      if (byte == quote) {
        if (position == start) quoted = true;
        else {
          flags |= BARE_QUOTE;
          bare++;
        }
        continue;
      }
      let after = next;
      if (byte == LF) line_ends |= 1;
      else if (next < length && following == LF) {
        line_ends |= 2;
        ignored = next;
        after = next + 1;
      } else line_ends |= 4;
      putField(fields++, start, position | flags);
      flags = 0;
      start = after;
      lines++;
      if (after - consumed > longest_record) longest_record = after - consumed;
      consumed = after;
      bare_quotes += bare;
      bare = 0;
      complete_lines = lines;
      putRecord(++count, fields, lines);
    }
  }
  if (final && consumed < length) {
    if (quoted) unclosed = true;
    putField(fields++, start, length | flags);
    if (length - consumed > longest_record) longest_record = length - consumed;
    consumed = length;
    bare_quotes += bare;
    complete_lines = lines;
    putRecord(++count, fields, lines);
  }
  return endPass(count, complete_lines, consumed);
}

function endPass(count: u32, lines: u32, consumed: u32): u32 {
  record_count = count;
  line_count = lines;
  return consumed;
}

/** True for a record without a single byte. */
export function isBlank(record: u32): bool {
  const field = firstField(record);
  return firstField(record + 1) - field == 1 && fieldStart(field) == fieldEnd(field);
}

export function recordStart(record: u32): u32 {
  return fieldStart(firstField(record));
}

/** Without its line end. */
export function recordEnd(record: u32): u32 {
  return fieldEnd(firstField(record + 1) - 1) & POSITION;
}
