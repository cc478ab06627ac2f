import { LakehouseError } from "../../core/error.ts";

/** The disk, the user's quota, or what one file may take. */
const OUT_OF_SPACE: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

export const isOutOfSpace = (error: unknown): boolean =>
  error instanceof Error && "code" in error && OUT_OF_SPACE.has(error.code);

export function outOfSpace(cause: unknown): LakehouseError {
  return new LakehouseError("storage_full", "The server has no room to take the upload in.", {
    hint: "Free space in the scratch folder, or set scratch_path under [server] to a larger disk.",
    cause,
  });
}
