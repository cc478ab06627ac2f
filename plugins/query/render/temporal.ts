/**
 * ISO 8601 text for the engine's temporal values. Pure; no Date, which ends at year 275,760 and
 * knows only milliseconds.
 *
 * Years 0 to 9999 have four digits; others have a sign and at least six (ECMA-262 §21.4.1.32.1),
 * year 0 being 1 BC. Fractions have as many digits as are not trailing zeros.
 */

const DAY_SECONDS = 86_400;

const pad2 = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** The date `days` after 1970-01-01 in the proleptic Gregorian calendar. */
export function isoDate(days: number): string {
  // Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const day_of_era = shifted - era * 146_097;
  const year_of_era = Math.floor(
    (day_of_era -
      Math.floor(day_of_era / 1460) +
      Math.floor(day_of_era / 36_524) -
      Math.floor(day_of_era / 146_096)) /
      365,
  );
  const day_of_year =
    day_of_era - (365 * year_of_era + Math.floor(year_of_era / 4) - Math.floor(year_of_era / 100));
  const shifted_month = Math.floor((5 * day_of_year + 2) / 153);
  const day = day_of_year - Math.floor((153 * shifted_month + 2) / 5) + 1;
  const month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return `${isoYear(year)}-${pad2(month)}-${pad2(day)}`;
}

function isoYear(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, "0");
  return `${year < 0 ? "-" : "+"}${String(Math.abs(year)).padStart(6, "0")}`;
}

/** A fraction of a second of `digits` digits, with its dot, or nothing. */
function fraction(value: number, digits: number): string {
  if (value === 0) return "";
  return `.${String(value).padStart(digits, "0").replace(/0+$/, "")}`;
}

/** A time of day; 24:00:00 is a value of the engine. */
export function isoTime(seconds: number, part: number, digits: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return `${pad2(hours)}:${pad2(minutes)}:${pad2(seconds % 60)}${fraction(part, digits)}`;
}

/** `count` units of 10^-digits seconds since midnight. */
export function isoTimeOfDay(count: bigint, digits: number): string {
  const unit = 10n ** BigInt(digits);
  return isoTime(Number(count / unit), Number(count % unit), digits);
}

/** `count` units of 10^-digits seconds since 1970-01-01T00:00:00, without a zone. */
export function isoTimestamp(count: bigint, digits: number): string {
  const unit = 10n ** BigInt(digits);
  let seconds = count / unit;
  let part = count % unit;
  if (part < 0n) {
    part += unit;
    seconds -= 1n;
  }
  return isoDateTime(Number(seconds), Number(part), digits);
}

/** The same from whole seconds, which are always safe integers. */
export function isoDateTime(seconds: number, part: number, digits: number): string {
  const days = Math.floor(seconds / DAY_SECONDS);
  return `${isoDate(days)}T${isoTime(seconds - days * DAY_SECONDS, part, digits)}`;
}

/** The engine packs a time with zone as 40 bits of microseconds and 24 bits of reversed offset. */
export function isoTimeTz(bits: bigint): string {
  const offset = 57_599 - Number(bits & 0xff_ffffn);
  const absolute = Math.abs(offset);
  const seconds = absolute % 60 === 0 ? "" : `:${pad2(absolute % 60)}`;
  const zone = `${pad2(Math.floor(absolute / 3600))}:${pad2(Math.floor(absolute / 60) % 60)}`;
  return `${isoTimeOfDay(bits >> 24n, 6)}${offset < 0 ? "-" : "+"}${zone}${seconds}`;
}

/**
 * An ISO 8601 duration. Months, days and microseconds are kept apart, as the engine does; each
 * part carries its own sign (ISO 8601-2 §4.4.1.9): `P1Y2M-3DT4H5M6.789S`.
 */
export function isoDuration(months: number, days: number, micros: bigint): string {
  const years = Math.trunc(months / 12);
  let date = "";
  if (years !== 0) date += `${years}Y`;
  if (months % 12 !== 0) date += `${months % 12}M`;
  if (days !== 0) date += `${days}D`;

  const negative = micros < 0n;
  const total = negative ? -micros : micros;
  const sign = negative ? "-" : "";
  const hours = total / 3_600_000_000n;
  const minutes = (total / 60_000_000n) % 60n;
  const seconds = (total / 1_000_000n) % 60n;
  const part = Number(total % 1_000_000n);
  let time = "";
  if (hours !== 0n) time += `${sign}${hours}H`;
  if (minutes !== 0n) time += `${sign}${minutes}M`;
  if (seconds !== 0n || part !== 0) time += `${sign}${seconds}${fraction(part, 6)}S`;

  if (date === "" && time === "") return "PT0S";
  return `P${date}${time === "" ? "" : `T${time}`}`;
}
