import { isRecord } from "../json.ts";
import { bytesOf, clientOf, ServerError, URL_OPTION } from "./client.ts";
import { type Command, UsageError } from "./command.ts";
import { print } from "./output.ts";
import { parseExactJson, renderTable, type TableColumn } from "./table.ts";

/** Larger answers are for a file or a pipe, not for a table in memory. */
const TABLE_LIMIT_BYTES = 64 * 1024 * 1024;
const ROWS_SHOWN = 100;

const MEDIA_TYPES = {
  table: "application/json",
  json: "application/json",
  ndjson: "application/x-ndjson",
  csv: "text/csv",
};

export const sql: Command = {
  name: "sql",
  summary: "Run a SELECT over the datasets of a server.",
  usage: `"STATEMENT" [--format table|json|ndjson|csv] [--param VALUE]…`,
  positionals: [1, 1],
  surplus_hint: `Put the statement in quotes: lakehouse sql "SELECT 1"`,
  options: {
    format: {
      type: "string",
      value: "FORMAT",
      description: "table (default), json, ndjson (a row per line) or csv.",
    },
    param: {
      type: "string",
      value: "VALUE",
      multiple: true,
      description: "Value of $1, $2, … in order, or NAME=VALUE for $NAME.",
    },
    rows: {
      type: "string",
      value: "N",
      description: `Rows shown in a table: ${ROWS_SHOWN} by default, 0 for all.`,
    },
    url: URL_OPTION,
  },
  examples: [
    [`lakehouse sql "SELECT count(*) FROM countries"`, "A table"],
    [`lakehouse sql "SELECT * FROM countries" --format csv > countries.csv`, "A whole result"],
    [`lakehouse sql "FROM countries WHERE capital = $1" --param Oslo`, "With a parameter"],
  ],
  async run(args) {
    const format = args.choice("format", ["table", "json", "ndjson", "csv"]) ?? "table";
    const rows = args.count("rows") ?? ROWS_SHOWN;
    const params = parseParameters(args.texts("param"));
    const response = await clientOf(args).request("/v1/sql", {
      method: "POST",
      headers: { "content-type": "application/json", accept: MEDIA_TYPES[format] },
      body: JSON.stringify({
        sql: args.positionals[0],
        ...(params === undefined ? {} : { params }),
      }),
    });
    if (format === "table")
      await printTable(response, rows === 0 ? Number.POSITIVE_INFINITY : rows);
    else await passThrough(response, format === "json");
    return 0;
  },
};

type ParameterValue = string | number | boolean | null;

/**
 * What `--param` values mean; pure. `NAME=VALUE` is a named parameter. `true`, `false`, `null`,
 * numbers that JSON can carry exactly, and JSON strings are what they look like; everything else
 * is text, and the engine casts text where the statement needs another type. Throws `UsageError`
 * if both kinds are mixed.
 */
export function parseParameters(
  texts: readonly string[],
): ParameterValue[] | Record<string, ParameterValue> | undefined {
  if (texts.length === 0) return undefined;
  const named = texts.map((text) => /^([A-Za-z_]\w*)=(.*)$/s.exec(text));
  if (named.every((match) => match === null)) return texts.map(parseValue);
  if (named.includes(null)) {
    throw new UsageError(
      "--param is given with and without a name.",
      `Name all of them or none; write a text with "=" in it as a JSON string: --param '"a=b"'.`,
    );
  }
  return Object.fromEntries(named.map((match) => [match?.[1] ?? "", parseValue(match?.[2] ?? "")]));
}

function parseValue(text: string): ParameterValue {
  if (text === "true" || text === "false") return text === "true";
  if (text === "null") return null;
  // `02134` and 9007199254740993 would not come back as they were written: they stay text.
  if (text !== "" && String(Number(text)) === text && Number.isFinite(Number(text)))
    return Number(text);
  if (!text.startsWith('"')) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : text;
  } catch {
    return text;
  }
}

async function passThrough(response: Response, ends_open: boolean): Promise<void> {
  for await (const chunk of bytesOf(response)) await print(chunk);
  if (ends_open && process.stdout.isTTY) await print("\n");
}

async function printTable(response: Response, rows_max: number): Promise<void> {
  const chunks: Uint8Array[] = [];
  let size_bytes = 0;
  for await (const chunk of bytesOf(response)) {
    size_bytes += chunk.length;
    if (size_bytes > TABLE_LIMIT_BYTES) {
      throw new ServerError("The result is too large for a table.", {
        hint: "Add a LIMIT, or write it to a file: --format csv > result.csv",
      });
    }
    chunks.push(chunk);
  }
  const body = parseExactJson(Buffer.concat(chunks).toString("utf8"));
  const { columns, rows } = isRecord(body) ? body : {};
  if (!Array.isArray(columns) || !Array.isArray(rows))
    throw new ServerError("The answer is not a result of a statement.");
  const options = {
    rows_max,
    ...(process.stdout.isTTY ? { width_max: process.stdout.columns } : {}),
  };
  await print(renderTable(columns.filter(isColumn), rows.filter(Array.isArray), options));
}

function isColumn(value: unknown): value is TableColumn {
  return isRecord(value) && typeof value["name"] === "string" && typeof value["type"] === "string";
}
