import { LakehouseError } from "./error.ts";
import { notify, type NotifyHook } from "./hooks.ts";
import { service, type Service } from "./service.ts";
import type { ObjectStore } from "./storage.ts";

/**
 * The vocabulary plugins meet through. Plugins never import one another: what one offers and
 * another uses is named here. A token or hook is added with the plugin that uses it.
 */

/** The active storage backend. */
export const Storage: Service<ObjectStore> = service("storage");

/** The registry of datasets. */
export const Catalog: Service<CatalogService> = service("catalog");

/** Fires after a commit is durable and visible; never for one that failed. */
export const datasetCommitted: NotifyHook<{
  readonly manifest: Manifest;
  readonly existing: boolean;
}> = notify("datasetCommitted");

/** Fires after a dataset's removal is durable. */
export const datasetDeleted: NotifyHook<{ readonly manifest: Manifest }> = notify("datasetDeleted");

/** One column as the manifest remembers it. */
export interface Column {
  /** Stable for the life of the dataset, from 1; also the Parquet field id. */
  readonly id: number;
  readonly name: string;
  /** An Arrow name: `int64`, `float64`, `bool`, `utf8`, `date32[day]`, `timestamp[us]`, … */
  readonly type: string;
  readonly nullable: boolean;
  /**
   * The most digits any number of the column has before its point, and after it. Facts about the
   * data that decide how far the type can be widened later; unknown where absent.
   */
  readonly integer_digits?: number;
  readonly fraction_digits?: number;
}

/** A column as it lies in one data object. The id tells which column of the manifest it is. */
export type PhysicalColumn = Pick<Column, "id" | "name" | "type">;

/** One immutable data object. */
export interface DataObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Hex; absent for objects registered by hand. */
  readonly sha256?: string;
  readonly row_count?: number;
  /** Its columns in order, where they differ from those of the manifest: it is older than they are. */
  readonly columns?: readonly PhysicalColumn[];
}

export interface Manifest {
  /** UUIDv5 of the name; see `plugins/catalog/dataset-id.ts`. */
  readonly dataset_id: string;
  readonly name: string;
  /** `sha256:` and 64 hex digits for ingested datasets; opaque otherwise. */
  readonly schema_fingerprint: string;
  readonly objects: readonly DataObject[];
  /** RFC 3339, UTC. */
  readonly created_at: string;
  readonly updated_at: string;
  readonly row_count?: number;
  /** 1 at creation, one more at each commit. */
  readonly version: number;
  readonly columns?: readonly Column[];
  /** The highest column id ever given in this dataset; a new column gets a higher one. */
  readonly last_column_id?: number;
}

/** What a commit asks for. */
export interface Registration {
  readonly name: string;
  readonly schema_fingerprint: string;
  readonly objects: readonly DataObject[];
  readonly row_count?: number;
  readonly columns?: readonly Column[];
  /**
   * `allow` commits another fingerprint as the next version of the dataset; `refuse`, the default,
   * is a `schema_conflict`. Columns that stay keep their ids, new ones get ids above
   * `last_column_id`. Objects that stay keep the columns they were registered with.
   */
  readonly schema_change?: "refuse" | "allow";
}

export interface Committed {
  readonly manifest: Manifest;
  /** True if the name was registered before. */
  readonly existing: boolean;
}

/** What callers get back is theirs: it never aliases the registry's state. */
export interface CatalogService {
  /** Create, or replace under the same fingerprint. `schema_conflict`, `dataset_quarantined`, `commit_unknown`. */
  register(registration: Omit<Registration, "schema_change">): Promise<Committed>;
  /**
   * The same, with work inside the name's critical section: `prepare` sees the current manifest,
   * stores the data objects, and returns what to register. If it throws, nothing is committed. It
   * runs again, with the newer manifest, each time another process committed in the meantime.
   */
  commit(
    name: string,
    prepare: (current: Manifest | undefined) => Promise<Registration>,
  ): Promise<Committed>;
  /**
   * From memory. Undefined if there is none; throws `dataset_quarantined` with the reason, and
   * `commit_unknown` until the outcome of the last commit has been found out.
   */
  get(name: string): Manifest | undefined;
  /**
   * The dataset as it was at this version, if that is still kept: the current one from memory, an
   * older one from storage, verified. Throws as `get` does, and `data_corrupt` if it is damaged.
   */
  getVersion(name: string, version: number): Promise<Manifest | undefined>;
  /** The versions that are kept, in order, the current one last; none of an unknown name. */
  versions(name: string): Promise<readonly number[]>;
  /** Sorted by name; names that `get` would refuse are left out. */
  list(): readonly Manifest[];
  /** Removes the dataset, or a quarantined manifest; `dataset_not_found`. */
  delete(name: string): Promise<void>;
}

export const DATASET_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** The rule for dataset and index names, the same everywhere. Throws `invalid_name`. */
export function checkName(name: string, what = "dataset"): string {
  if (DATASET_NAME.test(name)) return name;
  throw new LakehouseError(
    "invalid_name",
    `${JSON.stringify(name.slice(0, 160))} is not a valid ${what} name.`,
    {
      hint: "Use 1 to 128 letters, digits, `_`, `.` or `-`, and start with a letter, a digit or `_`.",
    },
  );
}
