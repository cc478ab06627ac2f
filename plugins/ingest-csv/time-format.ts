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

/**
 * Of a number of one or two digits both are taken if they stand there, as the engine does: so there
 * are exactly two where another number follows at once.
 */
const DIRECTIVES: ReadonlyMap<string, Step> = new Map<string, Step>([
  ["Y", (cursor) => cursor.takeYear()],
  ["y", (cursor) => cursor.takeShortYear()],
  ["m", (cursor) => cursor.takeMonth(1)],
  ["d", (cursor) => cursor.takeDay(1)],
  ["j", (cursor) => cursor.takeDayOfYear()],
  ["b", (cursor) => cursor.takeMonthName(SHORT_MONTHS)],
  ["B", (cursor) => cursor.takeMonthName(MONTHS)],
  ["H", (cursor) => cursor.takeHour(1)],
  ["I", (cursor) => cursor.takeHalfHour(1)],
  ["p", (cursor) => cursor.takeHalf()],
  ["M", (cursor) => cursor.takeMinute(1)],
  ["S", (cursor) => cursor.takeSecond(1)],
  ["f", (cursor) => cursor.takeFraction()],
  ["z", (cursor) => cursor.takeOffset()],
]);
const DATE_DIRECTIVES = "YymdjbB";
const FORMAT_CHARACTERS_MAX = 64;
const NUMBER_DIRECTIVES = "YymdjHIMSf";

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

function stepOf(item: string): Step {
  const directive = item.startsWith("%") ? DIRECTIVES.get(item.slice(1)) : undefined;
  const literal = item === "%%" ? "%" : item;
  return directive ?? ((cursor) => cursor.takeLiteral(literal));
}

/** An offset ends where it cannot go on: `+02` and `2024` in one would be read as `+0220`. */
function runOn(items: readonly string[]): string | undefined {
  const next = items[items.indexOf("%z") + 1];
  if (!items.includes("%z") || next === undefined) return undefined;
  const goes_on = next.startsWith("%")
    ? NUMBER_DIRECTIVES.includes(next.slice(1))
    : /^[0-9:]/.test(next);
  return goes_on ? "behind %z there can be no number and no colon." : undefined;
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
