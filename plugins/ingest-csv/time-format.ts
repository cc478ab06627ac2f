import { LakehouseError } from "../../core/error.ts";
import { MomentCursor, MONTHS, SHORT_MONTHS } from "./moment-cursor.ts";

/** How dates and times are written, as for strptime. */
export interface TimeFormat {
  readonly text: string;
  /** It says how far the time is from UTC. */
  readonly has_offset: boolean;
  /** True of a date of the calendar, and a time of the day, written just so. */
  readonly fits: (cell: string) => boolean;
  /** Microseconds since the epoch, of a date its midnight; undefined if the cell does not fit. */
  readonly read: (cell: string) => bigint | undefined;
  /** Days since 1970-01-01, of a moment the day it is written with. */
  readonly readDay: (cell: string) => number | undefined;
}

/** Of the columns whose type the user gave; ISO 8601 where there is none. */
export interface TimeFormats {
  readonly date: TimeFormat | undefined;
  readonly timestamp: TimeFormat | undefined;
}

export type TimeFormatKind = "date" | "timestamp";

/** Takes a part of the cell; false if it does not stand there. */
type Step = (cursor: MomentCursor) => boolean;

/** What takes a part, given the least digits of a number of one or two. */
const DIRECTIVES: ReadonlyMap<string, (digits_min: number) => Step> = new Map([
  ["Y", () => (cursor) => cursor.takeYear()],
  ["y", () => (cursor) => cursor.takeShortYear()],
  ["m", (digits_min) => (cursor) => cursor.takeMonth(digits_min)],
  ["d", (digits_min) => (cursor) => cursor.takeDay(digits_min)],
  ["j", () => (cursor) => cursor.takeDayOfYear()],
  ["b", () => (cursor) => cursor.takeMonthName(SHORT_MONTHS)],
  ["B", () => (cursor) => cursor.takeMonthName(MONTHS)],
  ["H", (digits_min) => (cursor) => cursor.takeHour(digits_min)],
  ["I", (digits_min) => (cursor) => cursor.takeHalfHour(digits_min)],
  ["p", () => (cursor) => cursor.takeHalf()],
  ["M", (digits_min) => (cursor) => cursor.takeMinute(digits_min)],
  ["S", (digits_min) => (cursor) => cursor.takeSecond(digits_min)],
  ["f", () => (cursor) => cursor.takeFraction()],
  ["z", () => (cursor) => cursor.takeOffset()],
] satisfies [string, (digits_min: number) => Step][]);
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
  const items = text.match(/%.|[^%]+|%$/gs) ?? [];
  const names = items.filter((item) => /^%[^%]/.test(item)).map((item) => item.slice(1));
  const unknown = items.find((item) => item === "%" || !isKnown(item));
  if (unknown !== undefined) refuse(`${unknown} is not known.`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) refuse(`%${twice} stands in it twice.`);
  const fault = faultOf(new Set(names), kind) ?? runOn(items);
  if (fault !== undefined) refuse(fault);
  return { text, has_offset: names.includes("z"), ...readers(items, names.includes("j")) };
}

const isKnown = (item: string): boolean =>
  !item.startsWith("%") || item === "%%" || DIRECTIVES.has(item.slice(1));

function readers(
  items: readonly string[],
  by_day_of_year: boolean,
): Pick<TimeFormat, "fits" | "read" | "readDay"> {
  const cursor = new MomentCursor();
  const steps = items.map(stepOf);
  const readDay = (cell: string): number | undefined => {
    cursor.start(cell);
    for (const step of steps) {
      if (!step(cursor)) return undefined;
    }
    if (!cursor.is_end) return undefined;
    return by_day_of_year ? cursor.dayOfYear() : cursor.day();
  };
  return {
    readDay,
    read: (cell) => {
      const days = readDay(cell);
      return days === undefined ? undefined : cursor.microseconds(days);
    },
    fits: (cell) => readDay(cell) !== undefined,
  };
}

function stepOf(item: string, index: number, items: readonly string[]): Step {
  const literal = item === "%%" ? "%" : item;
  const directive = item === "%%" ? undefined : DIRECTIVES.get(item.slice(1));
  if (!item.startsWith("%") || directive === undefined)
    return (cursor) => cursor.takeLiteral(literal);
  return directive(beginsWithDigit(items[index + 1]) ? 2 : 1);
}

const beginsWithDigit = (item: string | undefined): boolean =>
  item !== undefined &&
  (item.startsWith("%") ? NUMBERS.includes(item.charAt(1)) : /^[0-9]/.test(item));

/** An offset ends where it cannot go on: `+02` and `2024` in one would be read as `+0220`. */
function runOn(items: readonly string[]): string | undefined {
  const next = items[items.indexOf("%z") + 1];
  return items.includes("%z") && (beginsWithDigit(next) || next?.startsWith(":") === true)
    ? "behind %z there can be no number and no colon."
    : undefined;
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
