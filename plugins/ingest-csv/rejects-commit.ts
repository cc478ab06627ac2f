import type { CodecRejects } from "../../core/codec.ts";
import { hasCode, LakehouseError } from "../../core/error.ts";
import {
  type CommitParts,
  commitUpload,
  type ConvertedUpload,
  schemaIdentity,
} from "./ingest-commit.ts";
import { schemaFingerprint } from "./fingerprint.ts";

/** The dataset of the rows that an upload to `name` could not keep. */
export const rejectsName = (name: string): string => `${name}.rejects`;

/** Commits rejected rows. Throws `schema_conflict` if the name holds something else. */
export async function commitRejects(
  upload: Pick<ConvertedUpload, "name" | "mode" | "path" | "content_id">,
  rejects: CodecRejects,
  parts: CommitParts,
): Promise<void> {
  const current = parts.catalog.get(upload.name);
  const fingerprint = schemaFingerprint(rejects.columns);
  if (current !== undefined && current.schema_fingerprint !== fingerprint) {
    throw new LakehouseError(
      "schema_conflict",
      `The dataset ${upload.name} is in the way: it does not hold rejected rows.`,
      { hint: "Delete it, or ingest under another name. Nothing was changed." },
    );
  }
  const verdict = current === undefined ? "new" : "same";
  const output = { ...rejects, verdict } as const;
  await commitUpload({ ...upload, judged_identity: schemaIdentity(current), output }, parts);
}

const REJECT_COLUMNS = ["line", "raw", "reason"];

/** The rows of an earlier upload are rejected no more once another has replaced it. */
export async function dropRejects(name: string, { catalog }: CommitParts): Promise<void> {
  const names = catalog.get(name)?.columns?.map((column) => column.name) ?? [];
  // Somebody may have given this name to something else.
  if (!REJECT_COLUMNS.every((column) => names.includes(column))) return;
  try {
    await catalog.delete(name);
  } catch (error) {
    if (!hasCode(error, "dataset_not_found")) throw error;
  }
}
