import { isRecord, type Json } from "./json.ts";

/**
 * Every error this server answers with: `code → {status, title}`.
 *
 * One table for all plugins, so that a client can switch on `code` and the documentation can list
 * them all (`docs/errors.md`; a test holds the two together).
 */
export const errorTable = {
  invalid_request: { status: 400, title: "The request is not well formed" },
  invalid_json: { status: 400, title: "The body is not valid JSON" },
  invalid_name: { status: 400, title: "The name breaks the naming rules" },
  invalid_key: { status: 400, title: "The object key breaks the key rules" },
  invalid_fingerprint: { status: 400, title: "The schema fingerprint is missing or empty" },
  invalid_csv: { status: 400, title: "The file cannot be read as CSV without losing something" },
  invalid_json_lines: {
    status: 400,
    title: "The file cannot be read as JSON Lines without losing something",
  },
  invalid_parquet: { status: 400, title: "The file cannot be read as Parquet" },
  invalid_content_coding: { status: 400, title: "The compressed body is damaged or incomplete" },
  invalid_multipart: { status: 400, title: "The multipart body is malformed or incomplete" },
  invalid_sql: { status: 400, title: "The SQL statement failed" },
  sql_not_allowed: { status: 400, title: "This kind of SQL is not served" },
  invalid_parameters: { status: 400, title: "The SQL parameters do not fit the statement" },
  invalid_vector: { status: 400, title: "A vector does not fit the index" },
  unauthorized: { status: 401, title: "A valid bearer token is needed" },
  forbidden_origin: { status: 403, title: "Requests from this origin are not served" },
  reserved_key: { status: 403, title: "Objects under this prefix are written by the server only" },
  route_not_found: { status: 404, title: "No such route" },
  plugin_disabled: { status: 404, title: "The plugin that serves this route is not enabled" },
  object_not_found: { status: 404, title: "No object has this key" },
  dataset_not_found: { status: 404, title: "No dataset has this name" },
  version_not_found: { status: 404, title: "The dataset has no such version any more, or yet" },
  ingest_not_found: { status: 404, title: "No running or recent ingest has this id" },
  index_not_found: { status: 404, title: "No vector index has this name" },
  method_not_allowed: { status: 405, title: "The route does not serve this method" },
  not_acceptable: { status: 406, title: "None of the accepted formats can be produced" },
  deadline_exceeded: { status: 408, title: "The work took longer than its deadline" },
  schema_conflict: { status: 409, title: "The schema differs from the registered one" },
  ingest_exists: { status: 409, title: "An ingest of this id is still running" },
  index_exists: { status: 409, title: "A vector index of this name exists already" },
  precondition_failed: { status: 412, title: "The object is not in the expected state" },
  body_too_large: { status: 413, title: "The body is larger than the limit" },
  unsupported_media_type: { status: 415, title: "The media type or encoding is not supported" },
  range_not_satisfiable: { status: 416, title: "The byte range lies outside the object" },
  limit_exceeded: { status: 422, title: "The request goes beyond a configured limit" },
  request_aborted: { status: 499, title: "The client closed the connection" },
  internal: { status: 500, title: "Internal error" },
  data_corrupt: { status: 500, title: "Stored data fails its integrity check" },
  worker_died: { status: 500, title: "The worker process died while serving this request" },
  result_too_large: { status: 422, title: "The result is larger than the limit" },
  storage_failed: { status: 502, title: "The storage backend failed" },
  commit_unknown: { status: 502, title: "The outcome of the commit is unknown" },
  storage_timeout: { status: 504, title: "The storage backend did not answer in time" },
  not_ready: { status: 503, title: "The server is starting or stopping" },
  overloaded: { status: 503, title: "Too many requests are waiting" },
  dataset_quarantined: { status: 503, title: "The dataset's manifest is damaged" },
  index_quarantined: { status: 503, title: "The stored vector index is damaged" },
  storage_full: { status: 507, title: "The storage backend is out of space" },
  invalid_config: { status: 500, title: "The configuration is not valid" },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;

export type ErrorCode = keyof typeof errorTable;

export interface ErrorOptions {
  /** What the reader can do about it, as one sentence. */
  readonly hint?: string | undefined;
  /** The original failure; logged, never sent. */
  readonly cause?: unknown;
  /** Members added to the problem, for example `line`, `column` and `value` (RFC 9457 §3.2). */
  readonly extra?: Readonly<Record<string, Json>> | undefined;
}

/**
 * The one error class whose message may reach a client. Anything else that is thrown becomes
 * `internal` with nothing of its message in the answer.
 */
export class LakehouseError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly extra: Readonly<Record<string, Json>>;

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "LakehouseError";
    this.code = code;
    this.hint = options.hint;
    this.extra = options.extra ?? {};
  }

  get status(): number {
    return errorTable[this.code].status;
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(errorTable, value);
}

/** True for an error of ours with this code; saves an `instanceof` chain at the call site. */
export function hasCode(error: unknown, code: ErrorCode): error is LakehouseError {
  return error instanceof LakehouseError && error.code === code;
}

/** The body of an `application/problem+json` answer (RFC 9457 §3.1). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hint?: string;
  readonly request_id?: string;
  readonly [member: string]: Json | undefined;
}

/** Renders any thrown value. Untagged errors show nothing but the request id. */
export function toProblem(error: unknown, request_id?: string): Problem {
  const known =
    error instanceof LakehouseError
      ? error
      : new LakehouseError("internal", "The server failed to handle this request.", {
          hint: "The log has the whole error under this request id.",
        });
  return {
    ...known.extra,
    type: `urn:lakehouse:error:${known.code}`,
    title: errorTable[known.code].title,
    status: known.status,
    code: known.code,
    detail: known.message,
    ...(known.hint === undefined ? {} : { hint: known.hint }),
    ...(request_id === undefined ? {} : { request_id }),
  };
}

/** An error as it crosses a process boundary; only tagged errors carry their message. */
export function errorToJson(error: LakehouseError): Json {
  return {
    code: error.code,
    detail: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    extra: error.extra,
  };
}

/** The inverse of `errorToJson`; undefined if the value is not such an error. */
export function errorFromJson(value: unknown): LakehouseError | undefined {
  if (!isRecord(value)) return undefined;
  const { code, detail, hint, extra } = value;
  if (!isErrorCode(code) || typeof detail !== "string") return undefined;
  return new LakehouseError(code, detail, {
    hint: typeof hint === "string" ? hint : undefined,
    extra: isJsonRecord(extra) ? extra : {},
  });
}

/** Values that came out of `JSON.parse` are JSON by construction; only the outer shape is open. */
function isJsonRecord(value: unknown): value is Record<string, Json> {
  return isRecord(value);
}
