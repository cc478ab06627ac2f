import { MomentCursor } from "./moment-cursor.ts";

/** Dates and times as ISO 8601 writes them, with a space or a `T` between the two. */

const cursor = new MomentCursor();

/** `2024-02-29`: days since 1970-01-01; undefined for any other text. */
export function readIsoDay(text: string): number | undefined {
  cursor.start(text);
  return takeDate() && cursor.is_end ? cursor.day() : undefined;
}

/** `2024-02-29`, or with a time to the minute, the second or its fraction: microseconds. */
export function readIsoTimestamp(text: string): bigint | undefined {
  cursor.start(text);
  if (!takeDate()) return undefined;
  if (!cursor.is_end && !(takeMinutes() && (cursor.is_end || takeSeconds()))) return undefined;
  return momentAtEnd();
}

/** A time to the second or its fraction, with `Z` or an offset: microseconds in UTC. */
export function readIsoInstant(text: string): bigint | undefined {
  cursor.start(text);
  if (!takeDate() || !takeMinutes() || !takeSeconds()) return undefined;
  return cursor.takeLiteral("Z") || cursor.takeOffset() ? momentAtEnd() : undefined;
}

function momentAtEnd(): bigint | undefined {
  const days = cursor.is_end ? cursor.day() : undefined;
  return days === undefined ? undefined : cursor.microseconds(days);
}

const takeDate = (): boolean =>
  cursor.takeYear() &&
  cursor.takeLiteral("-") &&
  cursor.takeMonth(2) &&
  cursor.takeLiteral("-") &&
  cursor.takeDay(2);

const takeMinutes = (): boolean =>
  (cursor.takeLiteral("T") || cursor.takeLiteral(" ")) &&
  cursor.takeHour(2) &&
  cursor.takeLiteral(":") &&
  cursor.takeMinute(2);

const takeSeconds = (): boolean =>
  cursor.takeLiteral(":") &&
  cursor.takeSecond(2) &&
  (!cursor.takeLiteral(".") || cursor.takeFraction());
