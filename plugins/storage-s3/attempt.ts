import { setTimeout as sleep } from "node:timers/promises";
import { LakehouseError } from "../../core/error.ts";
import { type Connection, deadline_ms } from "./connection.ts";
import { isTransient, toFailure } from "./failure.ts";

/** Tries of one call, the first included. */
export const ATTEMPTS = 4;
/** Before the second try; doubled before each further one. */
const BACKOFF_MS = 100;

/**
 * Runs `run` until it settles, the deadline passes (`storage_timeout`) or the caller gives up
 * (`request_aborted`), whichever is first. The race matters: a request whose connection breaks in
 * an unlucky moment never settles, not even after its own signal fired.
 */
export async function withDeadline<T>(
  limit_ms: number,
  outer: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (outer?.aborted === true) throw requestAborted();
  const controller = new AbortController();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (error: LakehouseError): void => {
    reject(error);
    controller.abort(error);
  };
  const timer = setTimeout(() => end(storageTimeout(limit_ms)), limit_ms);
  const onAbort = (): void => end(requestAborted());
  outer?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([run(controller.signal), ended]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", onAbort);
  }
}

export interface Call {
  /** Completes "The S3 store could not …". */
  readonly what: string;
  /** Of the body, either way; the deadline grows with it. */
  readonly size_bytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A call that may be sent again: with retries, all within one deadline. */
export async function idempotent<T>(
  connection: Connection,
  call: Call,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit_ms = deadline_ms(connection, call.size_bytes ?? 0);
  return withDeadline(limit_ms, call.signal, async (signal) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await run(signal);
      } catch (error) {
        if (attempt === ATTEMPTS || !isTransient(error)) throw toFailure(error, call.what);
      }
      await backOff(attempt, signal);
    }
  });
}

/** Full jitter, so that clients that failed together do not come back together. */
export async function backOff(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const limit_ms = BACKOFF_MS * 2 ** (attempt - 1);
  await sleep(
    limit_ms * (0.5 + Math.random() / 2),
    undefined,
    signal === undefined ? {} : { signal },
  );
}

export function requestAborted(): LakehouseError {
  return new LakehouseError("request_aborted", "The request was given up before it was done.");
}

function storageTimeout(limit_ms: number): LakehouseError {
  return new LakehouseError(
    "storage_timeout",
    `The S3 store did not answer within ${limit_ms} ms.`,
    { hint: "Try again; limits.storage_timeout_ms sets how long the server waits." },
  );
}
