/**
 * The kinds of cell, as the kernel's bits (`assembly/memory.ts`; a test holds the two together). A
 * column's `kinds` is the set of those its cells have.
 */
export const kinds = {
  text: 1 << 0,
  /** Canonical, and fits 64 bits: `0`, `-42`. */
  integer: 1 << 1,
  /** Canonical, and does not. */
  big_integer: 1 << 2,
  /** `1.50`, `.5`, and `-0`, which no integer is. */
  decimal: 1 << 3,
  scientific: 1 << 4,
  /** Beside one of the four above: no double prints these digits. */
  inexact: 1 << 5,
  /** `true` and `false`. */
  boolean_lower: 1 << 6,
  boolean_title: 1 << 7,
  boolean_upper: 1 << 8,
  date: 1 << 9,
  timestamp: 1 << 10,
  timestamp_utc: 1 << 11,
  /** Beside the kind of a number: `-0`, `-0.0`. */
  negative_zero: 1 << 12,
} as const;

export type Kind = keyof typeof kinds;

/** True if every kind of the set is one of `allowed`. */
export const within = (set: number, ...allowed: readonly Kind[]): boolean =>
  (set & ~allowed.reduce((bits, kind) => bits | kinds[kind], 0)) === 0;
