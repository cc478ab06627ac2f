import { LakehouseError } from "../../core/error.ts";
import { isRecord, type Json } from "../../core/json.ts";
import { DELIMITERS } from "./dialect.ts";
import { ENCODINGS, type Encoding } from "./encoding.ts";
import { readTimeFormat, type TimeFormats } from "./time-format.ts";
import { readTypeName, type TypeName } from "./type-name.ts";

/** What a client may say about a CSV file. Everything left out is decided by stated rules. */
export interface CsvOptions {
  /** One ASCII character; undefined: the first record decides. */
  readonly delimiter: string | undefined;
  /** One ASCII character, or empty if nothing is quoted. */
  readonly quote: string;
  /** The quote itself, which is written twice then, or a backslash. */
  readonly escape: string;
  /** The first record names the columns. */
  readonly header: boolean;
  readonly encoding: Encoding | undefined;
  /** Unquoted cells with one of these texts are null, as empty ones always are. */
  readonly null_texts: readonly string[];
  /** By the name of the column. */
  readonly types: ReadonlyMap<string, TypeName>;
  readonly formats: TimeFormats;
  /** What becomes of a file with records that are no rows. */
  readonly on_error: "refuse" | "reject";
}

const NAMES = [
  "delimiter",
  "quote",
  "escape",
  "header",
  "encoding",
  "null",
  "types",
  "date_format",
  "timestamp_format",
  "on_error",
] as const;

/** Delimiters by name, for where the character itself is awkward to write. */
const NAMED: Readonly<Record<string, string>> = {
  comma: ",",
  tab: "\t",
  "\\t": "\t",
  semicolon: ";",
  pipe: "|",
};
const BACKSLASH = "\\";
const NULL_TEXTS_MAX = 32;
const NULL_TEXT_BYTES_MAX = 64;

/** Reads the query parameters of an upload. Throws `invalid_request`, which names the parameter. */
export function readOptions(given: Readonly<Record<string, string>>): CsvOptions {
  const known: ReadonlySet<string> = new Set(NAMES);
  const stranger = Object.keys(given).find((key) => !known.has(key));
  if (stranger !== undefined) {
    throw new LakehouseError(
      "invalid_request",
      `There is no option ${JSON.stringify(stranger.slice(0, 40))}.`,
      {
        hint: `The options of a CSV upload are ${NAMES.join(", ")}.`,
        extra: { parameter: stranger.slice(0, 40) },
      },
    );
  }
  const take = <Value>(
    name: (typeof NAMES)[number],
    read: (text: string) => Value,
    standard: Value,
  ): Value => {
    const text = given[name];
    return text === undefined ? standard : read(text);
  };
  const delimiter = take<string | undefined>("delimiter", readDelimiter, undefined);
  const quote = take("quote", (text) => readQuote(text, delimiter), '"');
  const types = take("types", readTypes, new Map<string, TypeName>());
  return {
    delimiter,
    quote,
    escape: take("escape", (text) => readEscape(text, quote, delimiter), quote),
    header: take("header", (text) => oneOf("header", text, ["true", "false"]), "true") === "true",
    encoding: take<Encoding | undefined>("encoding", readEncoding, undefined),
    null_texts: take("null", readNullTexts, []),
    types,
    formats: readFormats(given, types),
    on_error: take("on_error", (text) => oneOf("on_error", text, ["refuse", "reject"]), "refuse"),
  };
}

/** What is read of a file about which nothing is said. */
export const STANDARD_OPTIONS: CsvOptions = readOptions({});

function readDelimiter(value: string): string {
  const delimiter = NAMED[value] ?? value;
  // Letters, digits and what numbers and quotes are written with would cut cells apart.
  if (/^[\t !#$%&'*,/:;<=>?@\\^_`{|}~]$/.test(delimiter)) return delimiter;
  throw invalid(
    "delimiter",
    `${shown(value)} cannot be a delimiter.`,
    `Use ${Object.keys(NAMED).join(", ")}, or another single punctuation character.`,
  );
}

function readQuote(value: string, delimiter: string | undefined): string {
  const is_quote = value === "" || /^[!"#$%&'*/:<=>?@^_`{|}~]$/.test(value);
  if (is_quote && (value === "" || value !== delimiter)) {
    // An undecided delimiter is one of these, and a quote would hide it.
    if (delimiter !== undefined || !DELIMITERS.some((each) => each === value)) return value;
  }
  throw invalid(
    "quote",
    `${shown(value)} cannot be the quote.`,
    "Use one punctuation character that is not the delimiter, or quote= with nothing for none.",
  );
}

function readEscape(value: string, quote: string, delimiter: string | undefined): string {
  if (value === quote) return quote;
  if (value === BACKSLASH && quote !== "" && delimiter !== BACKSLASH) return BACKSLASH;
  throw invalid(
    "escape",
    `${shown(value)} cannot be the escape.`,
    "Leave it out if a quote inside quotes is written twice, or use a backslash.",
  );
}

function readEncoding(value: string): Encoding {
  const encoding = ENCODINGS.find((each) => each === value.toLowerCase());
  if (encoding !== undefined) return encoding;
  throw invalid(
    "encoding",
    `${shown(value)} is no encoding known here.`,
    `Use one of ${ENCODINGS.join(", ")}.`,
  );
}

function readNullTexts(value: string): readonly string[] {
  const texts = [...new Set(value.split(",").filter((text) => text !== ""))].sort();
  const is_plain = texts.every(
    (text) => Buffer.byteLength(text) <= NULL_TEXT_BYTES_MAX && !/[\0\r\n]/.test(text),
  );
  if (is_plain && texts.length <= NULL_TEXTS_MAX) return texts;
  throw invalid(
    "null",
    "These texts cannot stand for null.",
    `Give up to ${NULL_TEXTS_MAX} of up to ${NULL_TEXT_BYTES_MAX} bytes, with a comma between: null=NA,\\N.`,
  );
}

function readTypes(value: string): ReadonlyMap<string, TypeName> {
  let types: unknown;
  try {
    types = JSON.parse(value);
  } catch {
    types = undefined;
  }
  if (!isRecord(types)) {
    throw invalid(
      "types",
      "It must be a JSON object that gives columns their types.",
      'For example types={"zip":"VARCHAR","day":"DATE"}, percent-encoded.',
    );
  }
  return new Map(Object.entries(types).map(([name, type]) => [name, readTypeName(name, type)]));
}

/** A format is for columns whose type was given; one that none has would say nothing. */
function readFormats(
  given: Readonly<Record<string, string>>,
  types: ReadonlyMap<string, TypeName>,
): TimeFormats {
  const bases = new Set([...types.values()].map(({ base }) => base));
  const { date_format, timestamp_format } = given;
  const date = date_format === undefined ? undefined : readTimeFormat(date_format, "date");
  const timestamp =
    timestamp_format === undefined ? undefined : readTimeFormat(timestamp_format, "timestamp");
  if (date !== undefined && !bases.has("DATE")) throw unused("date_format", "DATE");
  if (timestamp === undefined) return { date, timestamp };
  if (!bases.has("TIMESTAMP") && !bases.has("TIMESTAMPTZ")) {
    throw unused("timestamp_format", "TIMESTAMP");
  }
  const fault =
    bases.has("TIMESTAMP") && timestamp.has_offset
      ? "A TIMESTAMP has no offset, so %z cannot be kept."
      : bases.has("TIMESTAMPTZ") && !timestamp.has_offset && !timestamp.text.endsWith("Z")
        ? "The format of a TIMESTAMPTZ needs %z, or a Z at its end."
        : undefined;
  if (fault === undefined) return { date, timestamp };
  throw invalid(
    "timestamp_format",
    fault,
    "A TIMESTAMPTZ is a moment, a TIMESTAMP what a clock shows.",
  );
}

function unused(parameter: string, type: string): LakehouseError {
  return invalid(
    parameter,
    `No column has the type ${type}.`,
    `Say which columns are written so: types={"day":"${type}"}.`,
  );
}

function oneOf<Value extends string>(name: string, text: string, values: readonly Value[]): Value {
  const value = values.find((each) => each === text);
  if (value !== undefined) return value;
  throw invalid(name, `${shown(text)} is no value for it.`, `Use ${values.join(" or ")}.`);
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 40));

function invalid(parameter: string, detail: string, hint: string): LakehouseError {
  return new LakehouseError("invalid_request", `${parameter}: ${detail}`, {
    hint,
    extra: { parameter },
  });
}

/** The options that shape the result, one text per meaning: part of the content id. */
export function canonicalOptions(options: CsvOptions): Json {
  const { delimiter, quote, escape, header, encoding, null_texts, types, formats } = options;
  return {
    delimiter: delimiter ?? "auto",
    of: DELIMITERS.join(""),
    quote,
    escape,
    header,
    encoding: encoding ?? "auto",
    null: null_texts,
    types: Object.fromEntries(
      [...types]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, type]) => [name, type.name] as const),
    ),
    date_format: formats.date?.text ?? null,
    timestamp_format: formats.timestamp?.text ?? null,
    on_error: options.on_error,
  };
}
