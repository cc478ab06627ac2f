import { dayOf, dayOfYear, microsecondsOf } from "./calendar.ts";

export const MONTHS = [
  "january",
  "february",
  "march",
  "april",
  "may",
  "june",
  "july",
  "august",
  "september",
  "october",
  "november",
  "december",
] as const;
export const SHORT_MONTHS: readonly string[] = MONTHS.map((month) => month.slice(0, 3));

const ZERO = 0x30;
const COLON = 0x3a;
const PLUS = 0x2b;
const MINUS = 0x2d;
/** Turns an ASCII capital into its small letter, and nothing else into a letter. */
const SMALL_BIT = 0x20;
const FRACTION_DIGITS = 6;
const FRACTION_SCALES = [1_000_000, 100_000, 10_000, 1000, 100, 10, 1] as const;
/** Offsets in use reach from -12:00 to +14:00. */
const OFFSET_HOURS_MAX = 14;

/**
 * Takes the text of a date or a time apart, from left to right. One is used for many cells, and
 * nothing is allocated for a cell: files have millions of them. Each `take…` says whether the part
 * stood there; after one that did not, the cell is done with.
 */
export class MomentCursor {
  #text = "";
  #at = 0;
  #year = 0;
  #month = 0;
  #day = 0;
  #day_of_year = 0;
  #hour = 0;
  /** The hours that `pm` adds. */
  #half = 0;
  #minute = 0;
  #second = 0;
  #microsecond = 0;
  #offset_minutes = 0;

  start(text: string): void {
    this.#text = text;
    this.#at = 0;
    // What is optional in ISO 8601; all else was either taken, or is not asked for.
    this.#hour = 0;
    this.#minute = 0;
    this.#second = 0;
    this.#microsecond = 0;
    this.#offset_minutes = 0;
  }

  get is_end(): boolean {
    return this.#at === this.#text.length;
  }

  /** Days since 1970-01-01 of the month and day taken; undefined if the calendar has none. */
  day(): number | undefined {
    return dayOf(this.#year, this.#month, this.#day);
  }

  /** The same of the day of the year taken. */
  dayOfYear(): number | undefined {
    return dayOfYear(this.#year, this.#day_of_year);
  }

  /** Since the epoch, of the time taken on this day. */
  microseconds(days: number): bigint {
    const minutes = (this.#hour + this.#half) * 60 + this.#minute - this.#offset_minutes;
    return microsecondsOf(days, minutes * 60 + this.#second, this.#microsecond);
  }

  /** As it is written, in this case. */
  takeLiteral(literal: string): boolean {
    // With startsWith a cell of `%d/%m/%Y` takes half as long again.
    for (let index = 0; index < literal.length; index++) {
      if (this.#text.charCodeAt(this.#at + index) !== literal.charCodeAt(index)) return false;
    }
    this.#at += literal.length;
    return true;
  }

  takeYear(): boolean {
    this.#year = this.#number(4, 4);
    return this.#year > 0;
  }

  /** As in POSIX: 69 to 99 are of the last century. */
  takeShortYear(): boolean {
    const year = this.#number(2, 2);
    this.#year = year + (year < 69 ? 2000 : 1900);
    return year >= 0;
  }

  takeMonth(digits_min: number): boolean {
    this.#month = this.#number(digits_min, 2);
    return this.#month > 0;
  }

  /** In letters of any case. */
  takeMonthName(names: readonly string[]): boolean {
    for (let index = 0; index < names.length; index++) {
      if (!this.#takeWord(names[index] ?? "")) continue;
      this.#month = index + 1;
      return true;
    }
    return false;
  }

  takeDay(digits_min: number): boolean {
    this.#day = this.#number(digits_min, 2);
    return this.#day > 0;
  }

  takeDayOfYear(): boolean {
    this.#day_of_year = this.#number(3, 3);
    return this.#day_of_year > 0;
  }

  takeHour(digits_min: number): boolean {
    this.#hour = this.#number(digits_min, 2);
    return this.#hour >= 0 && this.#hour <= 23;
  }

  /** Of twelve; the twelfth comes first. */
  takeHalfHour(digits_min: number): boolean {
    const hour = this.#number(digits_min, 2);
    this.#hour = hour % 12;
    return hour >= 1 && hour <= 12;
  }

  takeHalf(): boolean {
    const is_before = this.#takeWord("am");
    this.#half = is_before ? 0 : 12;
    return is_before || this.#takeWord("pm");
  }

  takeMinute(digits_min: number): boolean {
    this.#minute = this.#number(digits_min, 2);
    return this.#minute >= 0 && this.#minute <= 59;
  }

  takeSecond(digits_min: number): boolean {
    this.#second = this.#number(digits_min, 2);
    return this.#second >= 0 && this.#second <= 59;
  }

  /** One to six digits behind the point. */
  takeFraction(): boolean {
    const start = this.#at;
    const fraction = this.#number(1, FRACTION_DIGITS);
    this.#microsecond = fraction * (FRACTION_SCALES[this.#at - start] ?? 0);
    return fraction >= 0;
  }

  /** `+02`, `+0230`, `+02:30`. */
  takeOffset(): boolean {
    const sign = this.#text.charCodeAt(this.#at);
    if (sign !== PLUS && sign !== MINUS) return false;
    this.#at += 1;
    const hours = this.#number(2, 2);
    if (hours < 0 || hours > OFFSET_HOURS_MAX) return false;
    const end = this.#at;
    if (this.#text.charCodeAt(this.#at) === COLON) this.#at += 1;
    let minutes = this.#number(2, 2);
    if (minutes > 59) return false;
    if (minutes < 0) {
      minutes = 0;
      this.#at = end;
    }
    this.#offset_minutes = (hours * 60 + minutes) * (sign === MINUS ? -1 : 1);
    return true;
  }

  /** As many digits as there are up to `most`; -1 if there are fewer than `least`. */
  #number(least: number, most: number): number {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    let value = 0;
    while (at < start + most) {
      const digit = text.charCodeAt(at) - ZERO;
      // Not a number behind the end of the text.
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
      at += 1;
    }
    if (at < start + least) return -1;
    this.#at = at;
    return value;
  }

  /** The word in letters of any case. */
  #takeWord(word: string): boolean {
    for (let index = 0; index < word.length; index++) {
      const letter = this.#text.charCodeAt(this.#at + index) | SMALL_BIT;
      if (letter !== word.charCodeAt(index)) return false;
    }
    this.#at += word.length;
    return true;
  }
}
