/** A literal as its significant digits and the power of ten of the last one; pure. */
interface Digits {
  readonly digits: string;
  readonly exponent: number;
}

/** Takes a decimal or scientific literal apart; zeros at either end of the digits do not count. */
function significant(literal: string): Digits {
  const [mantissa = "", power = "0"] = literal.toLowerCase().replace(/^-/, "").split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const all = whole + fraction;
  const [start, end] = withoutZeros(all);
  const digits = all.slice(start, end);
  return {
    digits,
    exponent: digits === "" ? 0 : Number(power) - fraction.length + all.length - end,
  };
}

/** Where the digits begin and end without the zeros around them: in one pass, however many. Pure. */
export function withoutZeros(digits: string): readonly [start: number, end: number] {
  let start = 0;
  let end = digits.length;
  while (start < end && digits[start] === "0") start += 1;
  while (end > start && digits[end - 1] === "0") end -= 1;
  return [start, end];
}

/**
 * True if the nearest double, printed as briefly as possible, has the digits of the literal: then
 * nothing is lost. `1.10` does, `1.2248000000000001e300` may not, `1e999` has no double at all.
 */
export function printsBack(literal: string): boolean {
  const value = Number(literal);
  const printed_text = String(value);
  // How programs write numbers; nothing else needs a closer look.
  if (printed_text === literal) return value !== Infinity;
  if (!Number.isFinite(value)) return false;
  const given = significant(literal);
  const printed = significant(printed_text);
  return given.digits === printed.digits && given.exponent === printed.exponent;
}
