/** The proleptic Gregorian calendar, of the years from 1 on. Pure. */

const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334] as const;
const FEBRUARY = 2;
/** From 0001-01-01 to 1970-01-01. */
const EPOCH_DAYS = 719_162;
const DAY_SECONDS = 86_400;
const SECOND_MICROSECONDS = 1_000_000;
/** Microseconds of fewer seconds are exact as a double: 1684 to 2255. */
const EXACT_SECONDS_MAX = Math.floor(Number.MAX_SAFE_INTEGER / SECOND_MICROSECONDS) - 1;

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

function daysIn(year: number, month: number): number {
  if (month === FEBRUARY) return isLeap(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days from 1970-01-01 to the first of January. */
function firstDay(year: number): number {
  const past = year - 1;
  const leap_days = Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
  return past * 365 + leap_days - EPOCH_DAYS;
}

/** Days since 1970-01-01; undefined for what is no day of the calendar. */
export function dayOf(year: number, month: number, day: number): number | undefined {
  const before = DAYS_BEFORE_MONTH[month - 1];
  if (before === undefined || year < 1 || day < 1 || day > daysIn(year, month)) return undefined;
  return firstDay(year) + before + (month > FEBRUARY && isLeap(year) ? 1 : 0) + day - 1;
}

/** The same for a day of the year, from 1. */
export function dayOfYear(year: number, day: number): number | undefined {
  if (year < 1 || day < 1 || day > (isLeap(year) ? 366 : 365)) return undefined;
  return firstDay(year) + day - 1;
}

/** Microseconds since the epoch. The seconds may be fewer than none, or more than a day has. */
export function microsecondsOf(days: number, seconds: number, microseconds: number): bigint {
  const whole = days * DAY_SECONDS + seconds;
  if (Math.abs(whole) < EXACT_SECONDS_MAX)
    return BigInt(whole * SECOND_MICROSECONDS + microseconds);
  return BigInt(whole) * BigInt(SECOND_MICROSECONDS) + BigInt(microseconds);
}
