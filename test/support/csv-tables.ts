import fc from "fast-check";
import type { CsvOptions } from "../../plugins/ingest-csv/options.ts";

/** A table and one of the many ways to write it down. */
export interface Written {
  readonly names: readonly string[];
  /** `null` is an unquoted cell that is empty, or holds the text for null. */
  readonly rows: readonly (readonly (string | null)[])[];
  readonly dialect: WrittenDialect;
  readonly bytes: Uint8Array;
}

interface WrittenDialect {
  readonly delimiter: string;
  readonly quote: string;
  readonly escape: "quote" | "backslash";
  readonly header: boolean;
  readonly null_text: string;
  /** Used in turn, so that a file may mix them. */
  readonly line_ends: readonly string[];
  readonly quoting: "needed" | "all" | "some";
  readonly encoding: "utf-8" | "utf-8-bom" | "utf-16le" | "utf-16be" | "windows-1252";
  readonly ends_with_line_end: boolean;
  readonly blank_lines: number;
}

const padded = (max: number, width: number, min = 0): fc.Arbitrary<string> =>
  fc.integer({ min, max }).map((n) => String(n).padStart(width, "0"));
const date = fc
  .tuple(padded(9999, 4, 1), padded(12, 2, 1), padded(28, 2, 1))
  .map((parts) => parts.join("-"));
const time = fc
  .tuple(padded(23, 2), padded(59, 2), padded(59, 2), fc.constantFrom("", ".5", ".120", ".123456"))
  .map(([h, m, s, fraction]) => `${h}:${m}:${s}${fraction}`);
const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.integer({ min: 0, max: 18 }))
  .map(([digits, scale]) => {
    const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, "0");
    const whole = text.slice(0, text.length - scale);
    return `${digits < 0n ? "-" : ""}${whole}${scale === 0 ? "" : `.${text.slice(-scale)}`}`;
  });

/** Ways to fill a column: most of its cells come from one of these. */
const KINDS: readonly fc.Arbitrary<string>[] = [
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.integer({ min: -100_000, max: 100_000 }).map((n) => (n / 100).toFixed(2)),
  fc.double({ noDefaultInfinity: true, noNaN: true }).map(String),
  decimal,
  date,
  fc.tuple(date, fc.constantFrom("T", " "), time).map((parts) => parts.join("")),
  fc.tuple(date, time).map(([day, at]) => `${day}T${at}Z`),
  fc.boolean().map(String),
  fc.constantFrom("TRUE", "FALSE"),
  fc.constantFrom("a", "é", "x y", "007", "+7", "1_000", "1e3", " 1", "NaN", "Yes", "11/6/18"),
  fc
    .array(
      fc.constantFrom(
        "a",
        "é",
        "€",
        '"',
        "'",
        "\\",
        ",",
        ";",
        "\t",
        "|",
        "\n",
        "\r",
        "\r\n",
        " ",
        "1",
      ),
    )
    .map((parts) => parts.join("")),
];

const column = fc
  .record({
    cells: fc
      .constantFrom(...KINDS)
      .chain((kind) =>
        fc.array(
          fc.oneof(
            { weight: 20, arbitrary: kind },
            { weight: 2, arbitrary: fc.constantFrom(null, "") },
          ),
          { minLength: 40, maxLength: 40 },
        ),
      ),
    stranger: fc.option(fc.tuple(fc.nat(39), fc.oneof(...KINDS)), { nil: undefined }),
  })
  .map(({ cells, stranger }) =>
    stranger === undefined ? cells : cells.with(stranger[0], stranger[1]),
  );

const dialect: fc.Arbitrary<WrittenDialect> = fc.record({
  delimiter: fc.constantFrom(",", "\t", ";", "|"),
  quote: fc.constantFrom('"', '"', "'"),
  escape: fc.constantFrom("quote", "quote", "backslash"),
  header: fc.constantFrom(true, true, false),
  null_text: fc.constantFrom("", "", "NA", "\\N", "a"),
  line_ends: fc.constantFrom(["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]),
  quoting: fc.constantFrom("needed", "all", "some"),
  encoding: fc.constantFrom("utf-8", "utf-8", "utf-8-bom", "utf-16le", "utf-16be", "windows-1252"),
  ends_with_line_end: fc.boolean(),
  blank_lines: fc.nat(2),
});

/** Random tables, each written down in a random dialect. */
export const written: fc.Arbitrary<Written> = fc
  .tuple(fc.array(column, { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 40 }), dialect)
  .map(([columns, row_count, drawn]) => {
    // A lone CR, an empty row of one column and a line feed would make one CRLF.
    const dialect = columns.length === 1 ? { ...drawn, line_ends: ["\n"] } : drawn;
    const rows = Array.from({ length: row_count }, (_, row) =>
      columns.map((cells) => cells[row] ?? null),
    );
    // Empty lines at the end of a file of one column cannot be told from rows.
    if (columns.length === 1 && dialect.null_text === "") {
      while (rows.at(-1)?.[0] === null) rows.pop();
    }
    // Without a header it is the first record that says how many columns there are.
    const header = dialect.header || rows.length === 0;
    const name = header ? "column " : "column_";
    const names = columns.map((_, index) => `${name}${index + 1}`);
    const written = { ...dialect, header };
    return { names, rows, dialect: written, bytes: render(names, rows, written) };
  });

/** What has to be said so that it is read as it was written. */
export function optionsOf({ dialect }: Pick<Written, "dialect">): Partial<CsvOptions> {
  const { delimiter, quote, escape, header, null_text, encoding } = dialect;
  return {
    delimiter,
    quote,
    escape: escape === "backslash" ? "\\" : quote,
    header,
    null_texts: null_text === "" ? [] : [null_text],
    // A Windows-1252 file of ASCII or of bytes that happen to be UTF-8 has to be named.
    ...(encoding === "windows-1252" ? { encoding } : {}),
  };
}

function render(
  names: readonly string[],
  rows: readonly (readonly (string | null)[])[],
  dialect: WrittenDialect,
): Uint8Array {
  const { delimiter, line_ends, ends_with_line_end, blank_lines, header } = dialect;
  let cell_number = 0;
  const lines = [...(header ? [names] : []), ...rows].map((row) =>
    row.map((cell) => writeCell(cell, dialect, cell_number++)).join(delimiter),
  );
  const ends = (index: number): string => line_ends[index % line_ends.length] ?? "\n";
  let text = lines.map((line, index) => `${index === 0 ? "" : ends(index)}${line}`).join("");
  if (ends_with_line_end) {
    text += ends(0);
    for (let blank = 0; blank < blank_lines; blank++) text += ends(0);
  }
  return encode(text, dialect.encoding);
}

function writeCell(
  cell: string | null,
  { delimiter, quote, escape, null_text, quoting }: WrittenDialect,
  number: number,
): string {
  if (cell === null) return null_text;
  const escaped = escape === "backslash" ? /[\\]/ : /$^/;
  const needs =
    cell === "" ||
    cell === null_text ||
    cell.startsWith(quote) ||
    /[\r\n]/.test(cell) ||
    escaped.test(cell) ||
    cell.includes(delimiter);
  const quotes = needs || quoting === "all" || (quoting === "some" && number % 3 === 0);
  if (!quotes) return cell;
  const content =
    escape === "backslash"
      ? cell.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`)
      : cell.replaceAll(quote, quote + quote);
  return quote + content + quote;
}

function encode(text: string, encoding: WrittenDialect["encoding"]): Uint8Array {
  switch (encoding) {
    case "utf-8":
      return Buffer.from(text);
    case "utf-8-bom":
      return Buffer.from(`\ufeff${text}`);
    case "utf-16le":
      return Buffer.from(`\ufeff${text}`, "utf16le");
    case "utf-16be":
      return Buffer.from(`\ufeff${text}`, "utf16le").swap16();
    case "windows-1252":
      return Uint8Array.from(text, (character) =>
        character === "€" ? 0x80 : (character.codePointAt(0) ?? 0),
      );
    default:
      return encoding satisfies never;
  }
}
