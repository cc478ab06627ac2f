/**
 * Finds places where a file can be cut between two records, without looking at anything but quotes
 * on the way. A cut never stands behind a blank line: whether that is a row shows only behind it.
 */
import { delimiter, escape, input, quote } from "./memory";

const LF: u8 = 10;
const CR: u8 = 13;

/** Where the last call stopped: behind a record if it found one, else what it is to go on with. */
export let cut_at: u32 = 0;
/** Behind the last line end outside of quotes that the last call came across; 0 if there was none. */
export let line_at: u32 = 0;
let quoted: bool = false;
/** The byte before; the first record begins as if behind a line end. */
let before: u8 = LF;
/** The byte before was a quote that closed. */
let closed: bool = false;
/** The byte before was an escape, so that the next one may be part of a pair. */
let escaped: bool = false;

export function clearCuts(): void {
  quoted = false;
  before = LF;
  closed = false;
  escaped = false;
}

/** One byte that may mean something, with the one before it. */
@inline
function step(byte: u8, previous: u8, adjacent: bool): void {
  const paired = escaped && adjacent;
  const reopened = closed && adjacent && !escape;
  escaped = false;
  closed = false;
  if (quoted) {
    if (paired && (byte == quote || byte == escape)) return;
    if (escape && byte == escape) escaped = true;
    else if (byte == quote) {
      quoted = false;
      closed = true;
    }
  } else if (byte == quote) {
    quoted = reopened || previous == delimiter || previous == LF || previous == CR;
  }
}

/** Goes over `input[from, to)`. */
export function skipTo(from: u32, to: u32): void {
  let last: u32 = from - 1;
  if (quote) {
    for (let at = from; at < to; at += 16) {
      const bytes = v128.load(input + at);
      let marks = i8x16.eq(bytes, i8x16.splat(quote));
      if (escape) marks = v128.or(marks, i8x16.eq(bytes, i8x16.splat(escape)));
      let mask = i8x16.bitmask(marks);
      if (to - at < 16) mask &= (1 << (to - at)) - 1;
      while (mask) {
        const position = at + ctz(mask);
        mask &= mask - 1;
        const previous = position > from ? load<u8>(input + position - 1) : before;
        step(load<u8>(input + position), previous, position == last + 1);
        last = position;
      }
    }
  }
  if (to > from) {
    before = load<u8>(input + to - 1);
    if (last != to - 1) closed = escaped = false;
  }
}

/**
 * Goes on from `from` to behind the next record that is not blank; false, with all of `[from, to)`
 * gone over but for a CR at its end, if there is none. With `final` nothing follows.
 */
export function cutAfter(from: u32, to: u32, final: bool): bool {
  line_at = 0;
  for (let at = from; at < to; at++) {
    const byte = load<u8>(input + at);
    if (!quoted && (byte == LF || byte == CR)) {
      if (byte == CR && at + 1 == to && !final) {
        cut_at = at;
        return false;
      }
      const blank = before == LF || before == CR;
      const pair = byte == CR && at + 1 < to && load<u8>(input + at + 1) == LF;
      if (pair) at++;
      before = LF;
      closed = escaped = false;
      line_at = at + 1;
      if (blank) continue;
      cut_at = at + 1;
      return true;
    }
    if (quote && (byte == quote || byte == escape)) step(byte, before, true);
    else closed = escaped = false;
    before = byte;
  }
  cut_at = to;
  return false;
}
