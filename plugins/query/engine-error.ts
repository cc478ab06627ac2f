import { dirname } from "node:path";
import { type ErrorCode, LakehouseError } from "../../core/error.ts";
import { positionInMessage } from "./position.ts";
import { pathsOf, type Table } from "./protocol.ts";

/** The engine's messages start with their kind: `Binder Error: …`. */
const KIND = /^([A-Za-z ]+?) Error: /;
/** What the address-space limit of the process looks like where the engine does not catch it. */
const NO_MEMORY = /bad_alloc|out of memory|cannot allocate/i;

const CODES: Readonly<Record<string, ErrorCode>> = {
  "Out of Memory": "limit_exceeded",
  Permission: "sql_not_allowed",
  IO: "storage_failed",
  INTERNAL: "internal",
  FATAL: "internal",
};

const HINTS: Readonly<Record<string, string>> = {
  "Out of Memory":
    "Select less, filter earlier, or raise limits.sql_memory_bytes or limits.sql_temp_bytes.",
  Catalog: "GET /catalog/list has the datasets; docs/query.md says which functions are served.",
  Conversion: "TRY_CAST gives NULL where a value does not convert.",
};

export interface ErrorContext {
  readonly sql: string;
  readonly tables: readonly Table[];
  readonly temp_path: string;
}

/**
 * An engine failure as a problem: its message, without its excerpt of the statement and without
 * paths of this machine, and the position the excerpt points at. What the engine did not throw is
 * returned as it is.
 */
export function engineError(error: unknown, context: ErrorContext): unknown {
  if (error instanceof LakehouseError || !(error instanceof Error)) return error;
  const { message } = error;
  const kind = kindOf(message, context.temp_path);
  if (kind === undefined) return error;
  const code = CODES[kind] ?? "invalid_sql";
  const position = positionInMessage(context.sql, message);
  return new LakehouseError(code, cleaned(message, context, code), {
    hint: HINTS[kind],
    cause: error,
    extra: position === undefined ? {} : { position: { ...position } },
  });
}

function kindOf(message: string, temp_path: string): string | undefined {
  // At its limit the folder for spilling fails in more ways than one.
  if (NO_MEMORY.test(message) || message.includes(temp_path)) return "Out of Memory";
  return KIND.exec(message)?.[1];
}

/** After these the process may lack memory, or hold broken state, that it never gives back. */
const UNFIT = new Set(["Out of Memory", "INTERNAL", "FATAL", "Invalid"]);

/** True if the process in which the engine threw this must not run another statement. */
export function leavesUnfit(error: unknown, temp_path: string): boolean {
  return error instanceof Error && UNFIT.has(kindOf(error.message, temp_path) ?? "");
}

function cleaned(message: string, context: ErrorContext, code: ErrorCode): string {
  const text = withoutPaths(message, context);
  // Failures inside the engine come with a stack trace.
  if (code === "internal") return `The engine failed. ${text.split("\n", 1)[0] ?? ""}`;
  return text;
}

/**
 * An engine's message fit for a client: names of datasets in place of the files they are read
 * from, without the excerpt of the statement, which may hold a part of a path, and without advice
 * about settings that nobody can change here.
 */
export function withoutPaths(
  text: string,
  { tables, temp_path }: Pick<ErrorContext, "tables" | "temp_path">,
): string {
  let clean = text.replace(/\n+(LINE \d+: |Possible solutions:)[\s\S]*$/, "").trim();
  for (const table of tables) {
    for (const path of pathsOf(table)) clean = clean.replaceAll(path, table.name);
  }
  for (const folder of tables.flatMap((each) => pathsOf(each).map((path) => dirname(path)))) {
    if (folder.length > 1) clean = clean.replaceAll(folder, "…");
  }
  return clean.replaceAll(temp_path, "…");
}
