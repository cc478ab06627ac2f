import { LakehouseError } from "../../core/error.ts";

/** How dates and times are written, as for strptime. */
export interface TimeFormat {
  readonly text: string;
  /** It says how far the time is from UTC. */
  readonly has_offset: boolean;
  /** A date of the calendar, and a time of the day, written just so. */
  readonly fits: (cell: string) => boolean;
}

/** Of the columns whose type the user gave; ISO 8601 where there is none. */
export interface TimeFormats {
  readonly date: TimeFormat | undefined;
  readonly timestamp: TimeFormat | undefined;
}

export type TimeFormatKind = "date" | "timestamp";

const MONTHS = [
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
const SHORT_MONTHS = MONTHS.map((month) => month.slice(0, 3));

/** Patterns of what can be read; numbers of one or two digits are handled in `patternOf`. */
const DIRECTIVES: ReadonlyMap<string, string> = new Map([
  ["Y", "[0-9]{4}"],
  ["y", "[0-9]{2}"],
  ["m", "2"],
  ["d", "2"],
  ["j", "[0-9]{3}"],
  ["b", SHORT_MONTHS.join("|")],
  ["B", MONTHS.join("|")],
  ["H", "2"],
  ["I", "2"],
  ["p", "am|pm"],
  ["M", "2"],
  ["S", "2"],
  ["f", "[0-9]{1,6}"],
  ["z", "[+-][0-9]{2}(?::?[0-9]{2})?"],
]);
const DATE_DIRECTIVES = "YymdjbB";
const FORMAT_CHARACTERS_MAX = 64;
/** Behind a literal that is no digit a number may be written without its leading zero. */
const NUMBERS = "YymdjHIMSf";

/**
 * Reads a format. Every value it accepts is read by the engine's `strptime` as the same moment.
 * Throws `invalid_request` for a directive that is not known, and where the format leaves a part of
 * the value open or would lose one.
 */
export function readTimeFormat(text: string, kind: TimeFormatKind): TimeFormat {
  const parameter = `${kind}_format`;
  const refuse = (detail: string): never => {
    throw new LakehouseError("invalid_request", `${parameter}: ${detail}`, {
      hint: `Use ${[...DIRECTIVES.keys()].map((each) => `%${each}`).join(" ")} and %%, as in strptime: %d/%m/%Y.`,
      extra: { parameter },
    });
  };
  if (!/^[\x20-\x7e]+$/.test(text) || text.length > FORMAT_CHARACTERS_MAX) {
    refuse(`a format has 1 to ${FORMAT_CHARACTERS_MAX} printable ASCII characters.`);
  }
  const items = text.match(/%.|[^%]|%$/gs) ?? [];
  const names = items.filter((item) => /^%[^%]/.test(item)).map((item) => item.slice(1));
  const unknown = items.find((item) => item === "%" || !isKnown(item));
  if (unknown !== undefined) refuse(`${unknown} is not known.`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) refuse(`%${twice} stands in it twice.`);
  const fault = faultOf(new Set(names), kind);
  if (fault !== undefined) refuse(fault);
  const pattern = new RegExp(`^${items.map(patternOf).join("")}$`, "i");
  return {
    text,
    has_offset: names.includes("z"),
    fits: (cell) => isMoment(pattern.exec(cell)?.groups),
  };
}

const isKnown = (item: string): boolean =>
  item.length === 1 || item === "%%" || DIRECTIVES.has(item.slice(1));

function patternOf(item: string, index: number, items: readonly string[]): string {
  if (item === "%%") return "%";
  if (item.length === 1) return item.replace(/[\\^$.*+?()[\]{}|/-]/, String.raw`\$&`);
  const name = item.slice(1);
  const next = items[index + 1] ?? "";
  const number_follows = next.length === 2 && NUMBERS.includes(next.charAt(1));
  const is_open = !number_follows && !/^[0-9]$/.test(next);
  const pattern = DIRECTIVES.get(name);
  return `(?<${name}>${pattern === "2" ? (is_open ? "[0-9]{1,2}" : "[0-9]{2}") : pattern})`;
}

/** What is missing in a format, or is too much in it. */
function faultOf(names: ReadonlySet<string>, kind: TimeFormatKind): string | undefined {
  const count = (...of: readonly string[]): number => of.filter((name) => names.has(name)).length;
  if (count("Y", "y") !== 1) return "it must have a year, %Y or %y, once.";
  const months = count("m", "b", "B");
  const by_month = months === 1 && names.has("d") && !names.has("j");
  const by_day = months === 0 && !names.has("d") && names.has("j");
  if (!by_month && !by_day) return "it must have a month (%m, %b or %B) and %d, or %j, once.";
  if (kind === "date") {
    const time = [...names].find((name) => !DATE_DIRECTIVES.includes(name));
    return time === undefined ? undefined : `a date has no %${time}; call the column a TIMESTAMP.`;
  }
  if (count("H", "I") !== 1) return "it must have an hour, %H or %I, once.";
  if (names.has("I") !== names.has("p")) return "%I and %p belong together.";
  if (count("M") < count("S") || count("S") < count("f")) return "%f needs %S, and %S needs %M.";
  return undefined;
}

type Parts = Readonly<Record<string, string | undefined>>;

function isMoment(parts: Parts | undefined): boolean {
  if (parts === undefined) return false;
  const number = (name: string, absent: number): number => Number(parts[name] ?? absent);
  // As in POSIX: 69 to 99 are of the last century.
  const short = number("y", 0);
  const year = parts["y"] === undefined ? number("Y", 0) : short + (short < 69 ? 2000 : 1900);
  if (year === 0) return false;
  const [hours, minutes] = [number("H", 0), number("M", 0)];
  const half = number("I", 1);
  if (hours > 23 || half < 1 || half > 12 || minutes > 59 || number("S", 0) > 59) return false;
  return isDay(year, parts) && isOffset(parts["z"]);
}

function isDay(year: number, parts: Parts): boolean {
  const is_leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (parts["j"] !== undefined) {
    const day = Number(parts["j"]);
    return day >= 1 && day <= (is_leap ? 366 : 365);
  }
  const name = (parts["b"] ?? parts["B"])?.toLowerCase().slice(0, 3);
  const month = name === undefined ? Number(parts["m"]) : SHORT_MONTHS.indexOf(name) + 1;
  const day = Number(parts["d"]);
  return day >= 1 && day <= daysIn(month, is_leap);
}

function daysIn(month: number, is_leap: boolean): number {
  if (month < 1 || month > 12) return 0;
  if (month === 2) return is_leap ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** Offsets in use reach from -12:00 to +14:00. */
function isOffset(text: string | undefined): boolean {
  if (text === undefined) return true;
  const digits = text.replace(":", "");
  return Number(digits.slice(1, 3)) <= 14 && Number(digits.slice(3)) <= 59;
}
