import { decimalDigits, outputType } from "../../plugins/ingest-csv/column-types.ts";
import { patternBytes } from "../conformance/storage-bytes.ts";
import type { Value } from "./csv-values.ts";

/** Columns made from a few numbers, and how their values are written as cells. */

/** What is to be a column of a Parquet file: its Arrow name, and a value per row. */
export interface ValueColumn {
  readonly arrow: string;
  readonly values: readonly Value[];
}

/** Every type that comes from a CSV file, and a decimal of each number of bytes. */
export const ARROW_TYPES: readonly string[] = [
  "utf8",
  "int64",
  "float64",
  "bool",
  "date32[day]",
  "timestamp[us]",
  "timestamp[us, tz=UTC]",
  ...[4, 9, 18, 19, 21, 24, 26, 28, 31, 33, 36, 38].map((digits) => `decimal128(${digits}, 4)`),
];

/** Numbers that depend on the seed alone (splitmix64). */
export class Random {
  #state: bigint;

  constructor(seed: number) {
    this.#state = BigInt(seed);
  }

  /** So many bits, at most 64. */
  bits(count: number): bigint {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e37_79b9_7f4a_7c15n);
    let mixed = this.#state;
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d0_49bb_1331_11ebn);
    return BigInt.asUintN(count, mixed ^ (mixed >> 31n));
  }

  below(end: number): number {
    return Number(this.bits(53) % BigInt(end));
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }

  /** ASCII that no search for matches makes smaller. */
  text(length_bytes: number): string {
    const bytes = patternBytes(length_bytes, this.below(1 << 30));
    for (const [at, byte] of bytes.entries()) bytes[at] = 33 + (byte % 94);
    return Buffer.from(bytes).toString("latin1");
  }
}

/** The least and the greatest whole number of a type; those of a double are its bits. */
export function rangeOf(arrow: string): readonly [bigint, bigint] {
  const digits = decimalDigits(arrow);
  if (digits !== undefined) {
    const end = 10n ** BigInt(digits.precision);
    return [1n - end, end - 1n];
  }
  const type = outputType(arrow);
  if (type === "date32") return [-719_162n, 2_932_896n];
  if (type === "timestamp" || type === "timestamp_utc")
    return [-62_135_596_800_000_000n, 253_402_300_799_999_999n];
  return [-(2n ** 63n), 2n ** 63n - 1n];
}

export const STYLES = ["constant", "ascending", "falling", "random", "extreme", "few"] as const;
export type Style = (typeof STYLES)[number];

/** `bits`: of the differences, or of what is picked from. */
export function styledValues(
  arrow: string,
  style: Style,
  { count, bits, random }: { count: number; bits: number; random: Random },
): Value[] {
  const one = (): Value => randomValue(arrow, bits, random);
  const rows = <T>(value: (row: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => value(i));
  const type = outputType(arrow);
  const is_number = type !== "utf8" && type !== "bool" && type !== "float64";
  if (style === "constant") {
    const value = one();
    return rows(() => value);
  }
  if (style === "few") {
    const some = Array.from({ length: 1 + random.below(1 + (count >> 4)) }, one);
    return rows(() => random.pick(some));
  }
  if (style === "extreme") return rows(() => random.pick(extremes(arrow)));
  if (style === "random" || !is_number) return rows(one);
  const [least, greatest] = rangeOf(arrow);
  const step = random.bits(bits) % ((greatest - least) / BigInt(count + 1) + 1n);
  return rows((row) =>
    style === "ascending" ? least + step * BigInt(row) : greatest - step * BigInt(row),
  );
}

function randomValue(arrow: string, bits: number, random: Random): Value {
  const type = outputType(arrow);
  if (type === "bool") return random.bits(1) === 1n;
  if (type === "utf8") return randomText(random);
  if (type === "float64") return randomDouble(random);
  const [least, greatest] = rangeOf(arrow);
  const wide = (random.bits(64) << 64n) | random.bits(64);
  // Around zero, with a sign.
  const value = BigInt.asIntN(bits * (type === "decimal128" ? 2 : 1), wide);
  return value < least ? least - (value % least) : value % (greatest + 1n);
}

/** Texts of 0 to 40 bytes that share their beginnings, and end in zero bytes or others. */
function randomText(random: Random): string {
  const beginning = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL".slice(0, random.below(39));
  return beginning + random.pick(["", "\0", "\0\0", "\x01", "é", "z", "\0z"]);
}

function randomDouble(random: Random): bigint {
  for (;;) {
    const bits = random.pick([
      () => random.bits(64),
      () => bitsOf(random.below(2000) / 100 - 10),
      () => bitsOf(random.below(1_000_000)),
    ])();
    if (Number.isFinite(doubleOf(bits))) return bits;
  }
}

/** The ends of the range next to each other, whose differences leave 64 bits, and what is near zero. */
export function extremes(arrow: string): readonly Value[] {
  const type = outputType(arrow);
  if (type === "bool") return [true, false];
  if (type === "utf8")
    return ["", "\0", "é".repeat(32), "\u{10ffff}", "x".repeat(64), "x".repeat(65)];
  if (type === "float64")
    return [0, -0, 5e-324, -5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 1, 0.1].map(bitsOf);
  const [least, greatest] = rangeOf(arrow);
  return [least, greatest, least + 1n, greatest - 1n, 0n, -1n, 1n];
}

export const NULLS = ["none", "all", "every other", "at the ends", "random"] as const;

/** Some of the values replaced by null. */
export function withNulls(
  values: readonly Value[],
  nulls: (typeof NULLS)[number],
  random: Random,
): Value[] {
  const at_end = 1 + random.below(40);
  const is_null = (row: number): boolean => {
    switch (nulls) {
      case "none":
        return false;
      case "all":
        return true;
      case "every other":
        return row % 2 === 0;
      case "at the ends":
        return row < at_end || row >= values.length - at_end;
      case "random":
        return random.below(3) === 0;
    }
  };
  return values.map((value, row) => (is_null(row) ? null : value));
}

export function bitsOf(value: number): bigint {
  return new BigUint64Array(Float64Array.of(value).buffer)[0] ?? 0n;
}

export function doubleOf(bits: bigint): number {
  return new Float64Array(BigUint64Array.of(bits).buffer)[0] ?? 0;
}

/** As it stands in a CSV file. */
export function cellOf(arrow: string, value: Value): string {
  if (value === null) return "";
  if (typeof value === "string") return `"${value.replaceAll('"', '""')}"`;
  return textOf(arrow, value);
}

/** As both CSV and SQL have it. */
export function textOf(arrow: string, value: bigint | boolean): string {
  if (typeof value === "boolean") return String(value);
  const type = outputType(arrow);
  if (type === "float64") {
    const double = doubleOf(value);
    return Object.is(double, -0) ? "-0" : String(double);
  }
  if (type === "date32") return dayOf(value * 86_400_000n).slice(0, 10);
  if (type === "timestamp" || type === "timestamp_utc") {
    const micros = ((value % 1_000_000n) + 1_000_000n) % 1_000_000n;
    const seconds = dayOf((value - micros) / 1000n).slice(0, 19);
    return `${seconds}.${String(micros).padStart(6, "0")}${type === "timestamp" ? "" : "Z"}`;
  }
  const scale = decimalDigits(arrow)?.scale ?? 0;
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
  const point = digits.length - scale;
  const fraction = scale === 0 ? "" : `.${digits.slice(point)}`;
  return `${value < 0n ? "-" : ""}${digits.slice(0, point)}${fraction}`;
}

const dayOf = (milliseconds: bigint): string => new Date(Number(milliseconds)).toISOString();
