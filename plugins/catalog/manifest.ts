import { LakehouseError } from "../../core/error.ts";
import type { DataObject, Manifest, Registration } from "../../core/services.ts";
import { copyColumn, nextColumns } from "./columns.ts";
import { datasetId } from "./dataset-id.ts";

/** Commit ids a manifest remembers. */
export const COMMIT_RING = 16;

/** What a manifest file holds: the manifest, and what only the commit protocol needs. */
export interface StoredManifest {
  readonly manifest: Manifest;
  /**
   * The id of the commit that created the dataset: tells its versions from those of an earlier
   * dataset of the same name, which the times could not for certain.
   */
  readonly incarnation: string;
  /**
   * The ids of the last commits, the newest last. A writer that lost the answer to its put finds
   * out here whether it landed, even after others have committed on top of it.
   */
  readonly recent_commits: readonly string[];
}

export interface CommitStamp {
  readonly commit_id: string;
  readonly now: Date;
}

/**
 * Pure; no I/O. The manifest after this registration: version 1, or the next one. `schema_conflict`
 * if the fingerprint is another and the registration does not allow that, or if the columns under
 * it are others.
 */
export function nextManifest(
  current: StoredManifest | undefined,
  registration: Registration,
  stamp: CommitStamp,
): StoredManifest {
  const before = current?.manifest;
  if (before !== undefined) checkFingerprint(before, registration);
  const now = stamp.now.toISOString();
  const { columns, last_column_id, objects } = nextColumns(before, registration);
  const manifest: Manifest = {
    dataset_id: datasetId(registration.name),
    name: registration.name,
    schema_fingerprint: registration.schema_fingerprint,
    objects,
    created_at: before?.created_at ?? now,
    updated_at: before === undefined ? now : laterThan(before.updated_at, now),
    // A count belongs to the objects it was counted over, so it is never carried over.
    ...(registration.row_count === undefined ? {} : { row_count: registration.row_count }),
    version: (before?.version ?? 0) + 1,
    ...(columns === undefined ? {} : { columns }),
    ...(last_column_id === undefined ? {} : { last_column_id }),
  };
  const recent_commits = [...(current?.recent_commits ?? []), stamp.commit_id].slice(-COMMIT_RING);
  return { manifest, incarnation: current?.incarnation ?? stamp.commit_id, recent_commits };
}

/** A copy that shares nothing with the registry; its members in the order of the wire contract. */
export function copyManifest(manifest: Manifest): Manifest {
  const { row_count, columns, last_column_id } = manifest;
  return {
    dataset_id: manifest.dataset_id,
    name: manifest.name,
    schema_fingerprint: manifest.schema_fingerprint,
    objects: manifest.objects.map(copyObject),
    created_at: manifest.created_at,
    updated_at: manifest.updated_at,
    ...(row_count === undefined ? {} : { row_count }),
    version: manifest.version,
    ...(columns === undefined ? {} : { columns: columns.map((each) => copyColumn(each)) }),
    ...(last_column_id === undefined ? {} : { last_column_id }),
  };
}

export function copyObject({ key, size, sha256, row_count, columns }: DataObject): DataObject {
  return {
    key,
    size,
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(row_count === undefined ? {} : { row_count }),
    ...(columns === undefined
      ? {}
      : { columns: columns.map(({ id, name, type }) => ({ id, name, type })) }),
  };
}

function checkFingerprint(registered: Manifest, offered: Registration): void {
  if (registered.schema_fingerprint === offered.schema_fingerprint) return;
  if (offered.schema_change === "allow") return;
  throw new LakehouseError(
    "schema_conflict",
    `${offered.name} is registered with another schema fingerprint.`,
    {
      hint: `Use another name, or remove the dataset first: DELETE /catalog/manifest/${offered.name}.`,
      extra: {
        registered_fingerprint: registered.schema_fingerprint,
        offered_fingerprint: offered.schema_fingerprint,
      },
    },
  );
}

/** A clock that stands still or steps back must not make a commit look older than the last one. */
function laterThan(previous: string, now: string): string {
  const floor_ms = Date.parse(previous) + 1;
  return Date.parse(now) >= floor_ms ? now : new Date(floor_ms).toISOString();
}
