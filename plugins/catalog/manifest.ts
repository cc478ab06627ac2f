import { LakehouseError } from "../../core/error.ts";
import type { Column, DataObject, Manifest, Registration } from "../../core/services.ts";
import { datasetId } from "./dataset-id.ts";

/** Commit ids a manifest remembers. */
export const COMMIT_RING = 16;

/** What a manifest file holds: the manifest, and what only the commit protocol needs. */
export interface StoredManifest {
  readonly manifest: Manifest;
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
 * Pure; no I/O. The manifest after this registration: version 1, or the next one under the same
 * fingerprint. `schema_conflict` if the fingerprint, or the columns under it, are others.
 */
export function nextManifest(
  current: StoredManifest | undefined,
  registration: Registration,
  stamp: CommitStamp,
): StoredManifest {
  const before = current?.manifest;
  if (before !== undefined) checkFingerprint(before, registration);
  const now = stamp.now.toISOString();
  const columns = nextColumns(before, registration);
  const manifest: Manifest = {
    dataset_id: datasetId(registration.name),
    name: registration.name,
    schema_fingerprint: registration.schema_fingerprint,
    objects: registration.objects,
    created_at: before?.created_at ?? now,
    updated_at: before === undefined ? now : laterThan(before.updated_at, now),
    // A count belongs to the objects it was counted over, so it is never carried over.
    ...(registration.row_count === undefined ? {} : { row_count: registration.row_count }),
    version: (before?.version ?? 0) + 1,
    ...(columns === undefined ? {} : { columns }),
  };
  const recent_commits = [...(current?.recent_commits ?? []), stamp.commit_id].slice(-COMMIT_RING);
  return { manifest, recent_commits };
}

/** A copy that shares nothing with the registry; its members in the order of the wire contract. */
export function copyManifest(manifest: Manifest): Manifest {
  const { row_count, columns } = manifest;
  return {
    dataset_id: manifest.dataset_id,
    name: manifest.name,
    schema_fingerprint: manifest.schema_fingerprint,
    objects: manifest.objects.map(copyObject),
    created_at: manifest.created_at,
    updated_at: manifest.updated_at,
    ...(row_count === undefined ? {} : { row_count }),
    version: manifest.version,
    ...(columns === undefined ? {} : { columns: columns.map(copyColumn) }),
  };
}

export function copyObject({ key, size, sha256 }: DataObject): DataObject {
  return sha256 === undefined ? { key, size } : { key, size, sha256 };
}

export function copyColumn({ id, name, type, nullable }: Column): Column {
  return { id, name, type, nullable };
}

function checkFingerprint(registered: Manifest, offered: Registration): void {
  if (registered.schema_fingerprint === offered.schema_fingerprint) return;
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

/** The registered ids stay for the life of the dataset; only nullability may move. */
function nextColumns(
  registered: Manifest | undefined,
  offered: Registration,
): readonly Column[] | undefined {
  const old = registered?.columns;
  const fresh = offered.columns;
  if (old === undefined || fresh === undefined) return fresh ?? old;
  if (old.length !== fresh.length) throw otherColumns(offered);
  return fresh.map((column, i) => {
    const before = old[i];
    if (before?.name !== column.name || before.type !== column.type) {
      throw otherColumns(offered);
    }
    return { id: before.id, name: column.name, type: column.type, nullable: column.nullable };
  });
}

function otherColumns({ name, schema_fingerprint }: Registration): LakehouseError {
  return new LakehouseError(
    "schema_conflict",
    `${name} is registered under this fingerprint with other columns.`,
    {
      hint: "A fingerprint stands for the names and types of the columns, in order: send the one that belongs to these.",
      extra: {
        registered_fingerprint: schema_fingerprint,
        offered_fingerprint: schema_fingerprint,
      },
    },
  );
}

/** A clock that stands still or steps back must not make a commit look older than the last one. */
function laterThan(previous: string, now: string): string {
  const floor_ms = Date.parse(previous) + 1;
  return Date.parse(now) >= floor_ms ? now : new Date(floor_ms).toISOString();
}
