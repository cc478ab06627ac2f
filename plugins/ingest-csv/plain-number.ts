const ZERO = 0x30;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
/** So many digits always survive a double (IEEE 754, DBL_DIG). */
export const DOUBLE_DIGITS = 15;

/**
 * A number without an exponent: `-007.50`, `5.`, `.5`, with a plus or without. One is used for many
 * cells, and takes each apart in one pass.
 */
export class PlainNumber {
  #text = "";
  /** Of its digits; the point may stand among them, or at either end. */
  #start = 0;
  #point = 0;
  /** Of the first and behind the last digit that counts: zeros at the ends do not. */
  #first = 0;
  #end = 0;

  /** False if the text is no such number; then the rest is not to be asked. */
  scan(text: string): boolean {
    const sign = text.charCodeAt(0);
    const start = sign === PLUS || sign === MINUS ? 1 : 0;
    let [point, first, end] = [-1, -1, -1];
    for (let at = start; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === POINT && point < 0) point = at;
      else if (code < ZERO || code > ZERO + 9) return false;
      else if (code !== ZERO) {
        if (first < 0) first = at;
        end = at + 1;
      }
    }
    const digits = text.length - start - (point < 0 ? 0 : 1);
    if (digits < 1) return false;
    this.#text = text;
    this.#start = start;
    this.#point = point < 0 ? text.length : point;
    this.#first = first < 0 ? this.#point : first;
    this.#end = end;
    return true;
  }

  /** It has a point, even one with nothing behind it. */
  get has_point(): boolean {
    return this.#point < this.#text.length;
  }

  get is_negative(): boolean {
    return this.#text.charCodeAt(0) === MINUS;
  }

  /** Digits before the point, leading zeros too. */
  get written_digits(): number {
    return this.#point - this.#start;
  }

  /** Before the point, without leading zeros. */
  get integer_digits(): number {
    return Math.max(0, this.#point - this.#first);
  }

  /** Behind the point, without trailing zeros. */
  get fraction_digits(): number {
    return Math.max(0, this.#end - this.#point - 1);
  }

  /** The value × 10^scale; of a number with no more than `scale` digits behind its point. */
  unscaled(scale: number): bigint {
    const value =
      this.integer_digits + scale <= DOUBLE_DIGITS
        ? this.#shortValue(scale)
        : this.#longValue(scale);
    return this.is_negative ? -value : value;
  }

  #shortValue(scale: number): bigint {
    let value = 0;
    for (let at = this.#first; at < this.#point; at++) {
      value = value * 10 + this.#text.charCodeAt(at) - ZERO;
    }
    for (let place = 1; place <= scale; place++) {
      const at = this.#point + place;
      value = value * 10 + (at < this.#end ? this.#text.charCodeAt(at) - ZERO : 0);
    }
    return BigInt(value);
  }

  #longValue(scale: number): bigint {
    const whole = this.#text.slice(this.#first, Math.max(this.#first, this.#point));
    const fraction = this.#text.slice(this.#point + 1, Math.max(this.#point + 1, this.#end));
    return BigInt(whole + fraction.padEnd(scale, "0"));
  }
}
