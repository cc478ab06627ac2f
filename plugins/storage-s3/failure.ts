import { LakehouseError } from "../../core/error.ts";
import { isRecord } from "../../core/json.ts";

/**
 * What went wrong, as far as it may be told. The SDK's own errors carry the request, its signature
 * and the access key, so they never leave this file: not as a cause, and not as a message.
 */
export interface Fault {
  /** S3's error code, `NoSuchBucket`, or the system's, `ECONNRESET`. */
  readonly name: string;
  /** Undefined if no answer came. */
  readonly status: number | undefined;
  readonly request_id: string | undefined;
}

/** A word of S3 or the system; anything else may quote what was sent. */
const WORD = /^[A-Za-z][A-Za-z0-9_.]{0,63}$/;

/** https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList */
const TRANSIENT = new Set([
  "ConditionalRequestConflict",
  "InternalError",
  "OperationAborted",
  "RequestTimeTooSkewed",
  "RequestTimeout",
  "ServiceUnavailable",
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "TooManyRequests",
]);
/** No connection was made, so nothing was sent. */
const UNSENT = new Set([
  "ConnectionRefused",
  "CredentialsProviderError",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "FailedToOpenSocket",
]);
const NO_SPACE = new Set(["QuotaExceeded", "XMinioStorageFull"]);
const WRONG_REGION = new Set([
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
  "PermanentRedirect",
]);

export function faultOf(error: unknown): Fault {
  if (!isRecord(error)) return { name: "UnknownError", status: undefined, request_id: undefined };
  const metadata = isRecord(error["$metadata"]) ? error["$metadata"] : {};
  const { httpStatusCode: status, requestId: request_id } = metadata;
  const name = [error["code"], error["Code"], error["name"]].find(isWord);
  return {
    name: name ?? "UnknownError",
    status: typeof status === "number" ? status : undefined,
    request_id: typeof request_id === "string" ? request_id : undefined,
  };
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && WORD.test(value);
}

/** The same call may succeed in a moment. */
export function isTransient(error: unknown): boolean {
  if (error instanceof LakehouseError) return false;
  const { name, status } = faultOf(error);
  if (name === "CredentialsProviderError") return false;
  if (status === undefined) return true;
  return TRANSIENT.has(name) || status === 429 || (status >= 500 && status !== 501);
}

/** False only if the store certainly did not carry out the write: it said so, or never heard of it. */
export function mayHaveLanded(error: unknown): boolean {
  if (error instanceof LakehouseError) {
    return error.code === "storage_timeout" || error.code === "request_aborted";
  }
  const { name, status } = faultOf(error);
  return status === undefined ? !UNSENT.has(name) : status >= 500 && status !== 501;
}

export function isAbsent(error: unknown): boolean {
  const { name, status } = faultOf(error);
  return status === 404 && name !== "NoSuchBucket";
}

export function isPreconditionFailed(error: unknown): boolean {
  return faultOf(error).status === 412;
}

/** What reaches the caller. `what` completes "The store could not …". */
export function toFailure(error: unknown, what: string): LakehouseError {
  if (error instanceof LakehouseError) return error;
  const fault = faultOf(error);
  const said = fault.status === undefined ? fault.name : `${fault.name}, HTTP ${fault.status}`;
  const full = NO_SPACE.has(fault.name) || fault.status === 507;
  return new LakehouseError(
    full ? "storage_full" : "storage_failed",
    `The S3 store could not ${what} (${said}).`,
    { hint: hintFor(fault), cause: safeCause(fault) },
  );
}

/** For the log: what S3's support asks for, and nothing that was signed. */
export function safeCause(fault: Fault): Error {
  const cause = new Error(
    `S3 answered ${fault.status ?? "nothing"}: ${fault.name}, request id ${fault.request_id ?? "unknown"}`,
  );
  cause.name = "S3Error";
  return cause;
}

function hintFor({ name, status }: Fault): string | undefined {
  if (name === "NoSuchBucket") {
    return "Create the bucket, or correct plugins.storage-s3.bucket.";
  }
  if (name === "CredentialsProviderError") {
    return "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or one of the other AWS sources.";
  }
  if (name === "RequestTimeTooSkewed") return "Set the clock of this machine.";
  if (WRONG_REGION.has(name) || status === 301) {
    return "Set plugins.storage-s3.region to the bucket's region.";
  }
  if (status === 401 || status === 403) {
    return "Check the access key, its secret and what they allow on this bucket.";
  }
  if (UNSENT.has(name)) return "Check plugins.storage-s3.endpoint and that the server is up.";
  return undefined;
}
