import { LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import { DELIMITERS } from "./dialect.ts";
import { ENCODINGS, type Encoding } from "./encoding.ts";

/** What a client may say about a CSV file. Everything left out is decided by stated rules. */
export interface CsvOptions {
  /** One ASCII character. */
  readonly delimiter: string | undefined;
  readonly encoding: Encoding | undefined;
}

/** Delimiters by name, for where the character itself is awkward to write. */
const NAMED: Readonly<Record<string, string>> = {
  comma: ",",
  tab: "\t",
  "\\t": "\t",
  semicolon: ";",
  pipe: "|",
};

/** Reads the query parameters of an upload. Throws `invalid_request` for one it does not know. */
export function readOptions(given: Readonly<Record<string, string>>): CsvOptions {
  const { delimiter, encoding, ...unknown } = given;
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined) {
    throw new LakehouseError("invalid_request", `There is no option ${JSON.stringify(stranger)}.`, {
      hint: "The options of a CSV upload are delimiter and encoding.",
      extra: { parameter: stranger },
    });
  }
  return {
    delimiter: delimiter === undefined ? undefined : readDelimiter(delimiter),
    encoding: encoding === undefined ? undefined : readEncoding(encoding),
  };
}

function readDelimiter(value: string): string {
  const delimiter = NAMED[value] ?? value;
  // Letters, digits and what numbers and quotes are written with would cut cells apart.
  if (/^[\t !#$%&'*,/:;<=>?@\\^_`{|}~]$/.test(delimiter)) return delimiter;
  throw new LakehouseError(
    "invalid_request",
    `${JSON.stringify(value.slice(0, 40))} cannot be a delimiter.`,
    {
      hint: `Use ${Object.keys(NAMED).join(", ")}, or another single punctuation character.`,
      extra: { parameter: "delimiter" },
    },
  );
}

function readEncoding(value: string): Encoding {
  const encoding = ENCODINGS.find((each) => each === value.toLowerCase());
  if (encoding !== undefined) return encoding;
  throw new LakehouseError(
    "invalid_request",
    `${JSON.stringify(value.slice(0, 40))} is no encoding known here.`,
    {
      hint: `Use one of ${ENCODINGS.join(", ")}.`,
      extra: { parameter: "encoding" },
    },
  );
}

/** The options that shape the result, one text per meaning: part of the content id. */
export function canonicalOptions({ delimiter, encoding }: CsvOptions): Json {
  return { delimiter: delimiter ?? "auto", encoding: encoding ?? "auto", of: DELIMITERS.join("") };
}
