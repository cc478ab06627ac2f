import fc from "fast-check";

/** A JSON value as it is written, and what its text is if it is a string. */
export interface Drawn {
  readonly written: string;
  readonly text?: string;
}

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("", "12", "null", 'a"b', "a\\b", "x\n,y\r\n", "\u0000", "é€😀", " ", "true"),
);
/** One of the many ways to write a string down. */
const string: fc.Arbitrary<Drawn> = fc.tuple(text, fc.nat(7)).map(([text, style]) => ({
  text,
  written: `"${Array.from(JSON.stringify(text).slice(1, -1), (character) => {
    const is_plain = character > " " && character !== "\\" && character !== '"';
    const escapes = is_plain && style === 0 && text === JSON.stringify(text).slice(1, -1);
    if (!escapes) return character;
    return character
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join("");
  }).join("")}"`,
}));
const digits = fc.bigInt({ min: 0n, max: 10n ** 24n }).map(String);
const number: fc.Arbitrary<Drawn> = fc
  .oneof(
    fc.integer().map(String),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
    fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => JSON.stringify(value)),
    fc.tuple(fc.constantFrom("", "-"), digits, digits).map(([sign, a, b]) => `${sign}${a}.${b}`),
    fc.tuple(fc.nat(999), fc.constantFrom("e5", "E-7", ".50e+3", "e400")).map((p) => p.join("")),
    fc.constantFrom("-0", "0", "1.0", "-0.0"),
  )
  .map((written) => ({ written }));
const boolean: fc.Arbitrary<Drawn> = fc.boolean().map((each) => ({ written: String(each) }));
const nested: fc.Arbitrary<Drawn> = fc
  .tuple(fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(text, fc.jsonValue())), fc.nat(3))
  .map(([value, indent]) => ({
    written: JSON.stringify(value, undefined, indent).replaceAll("\n", " "),
  }));

/** A column of mostly one kind, absent or null here and there. */
export const column = fc
  .tuple(
    fc.oneof(fc.constantFrom(string, number, boolean, nested)),
    fc.option(fc.constantFrom(string, number, boolean, nested), { freq: 4, nil: undefined }),
  )
  .chain(([kind, other]) =>
    fc.array(
      fc.oneof(
        { weight: 12, arbitrary: kind },
        { weight: other === undefined ? 0 : 1, arbitrary: other ?? kind },
        {
          weight: 2,
          arbitrary: fc.constantFrom<Drawn | undefined>(undefined, { written: "null" }),
        },
      ),
      { minLength: 12, maxLength: 12 },
    ),
  );

/** White space that may stand between any two tokens. */
export const SPACES = ["", "", " ", "\t ", "  \r"];
