import { LakehouseError } from "../../core/error.ts";

/** The code of a failed system call (`ENOENT`), or undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** The path, or a folder on the way to it, is not there. */
export function isAbsent(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** `undefined` for a path that is not there; every other failure is thrown on. */
export async function orAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/**
 * A failed system call as an error of ours: `storage_full` or `storage_failed`. The path stays out
 * of the answer; the original, which has it, goes to the log.
 */
export function storageError(error: unknown, doing: string): unknown {
  const code = errnoOf(error);
  if (error instanceof LakehouseError || code === undefined) return error;
  if (FULL.has(code)) {
    return new LakehouseError("storage_full", `The disk has no room for ${doing} (${code}).`, {
      hint: "Free some space or raise the quota of the storage folder.",
      cause: error,
    });
  }
  return new LakehouseError("storage_failed", `The disk failed at ${doing} (${code}).`, {
    hint: "Check the storage folder, its permissions and the disk; the log has the path.",
    cause: error,
  });
}

/** Runs file system calls, with their failures translated by `storageError`. */
export async function onDisk<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(error, doing);
  }
}
