import type { CodecOutput } from "../../core/codec.ts";
import { LakehouseError } from "../../core/error.ts";
import type {
  CatalogService,
  Committed,
  DataObject,
  Manifest,
  Registration,
} from "../../core/services.ts";
import type { ObjectStore } from "../../core/storage.ts";
import { dataKey, type DescribedObject, storeObject } from "./data-object.ts";
import { schemaFingerprint } from "./fingerprint.ts";

export interface CommitParts {
  readonly catalog: CatalogService;
  readonly store: ObjectStore;
  /** Stops the storing of data; a manifest that is being written is not stopped. */
  readonly signal: AbortSignal;
}

/** A converted upload that is to become data of a dataset. */
export interface ConvertedUpload {
  readonly name: string;
  readonly mode: "replace" | "append";
  /** Of the Parquet file on local disk. */
  readonly path: string;
  readonly content_id: string;
  /** `schemaIdentity` of the dataset it was judged against. */
  readonly judged_identity: string | undefined;
  readonly output: Pick<
    CodecOutput,
    "columns" | "physical_columns" | "row_count" | "size_bytes" | "sha256" | "verdict"
  >;
}

export interface CommittedUpload extends Committed {
  readonly object: DescribedObject;
}

/** Another commit changed the schema while the upload was converted: it must be judged again. */
export class SchemaMoved extends Error {}

/**
 * Stores the data object, then commits the manifest: that write is the commit point. A failure
 * before it leaves at most a data object that nothing refers to, under the key a retry would use.
 * Throws `SchemaMoved` if the dataset is no longer the one the upload was judged against.
 */
export async function commitUpload(
  upload: ConvertedUpload,
  { catalog, store, signal }: CommitParts,
): Promise<CommittedUpload> {
  const { name, path, content_id, output } = upload;
  const schema_fingerprint = schemaFingerprint(output.columns);
  const key = dataKey(name, schema_fingerprint, content_id);
  const object = { key, size: output.size_bytes, sha256: output.sha256 };
  const committed = await catalog.commit(name, async (current): Promise<Registration> => {
    if (schemaIdentity(current) !== upload.judged_identity) throw new SchemaMoved();
    await storeObject(store, object, path, signal);
    signal.throwIfAborted();
    const objects = objectsOf(upload, object, current);
    const row_count = rowCountOf(objects);
    return {
      name,
      schema_fingerprint,
      objects,
      ...(row_count === undefined ? {} : { row_count }),
      columns: output.columns,
      schema_change: "allow",
    };
  });
  return { ...committed, object };
}

/**
 * Tells one registered schema from another: the columns under their ids, with what is known of their
 * digits, and the ids that are used up. A version would not do: a dataset that was deleted and made
 * again counts from 1.
 */
export function schemaIdentity(current: Manifest | undefined): string | undefined {
  if (current === undefined) return undefined;
  const { schema_fingerprint, columns, last_column_id } = current;
  const facts = columns?.map(({ id, integer_digits, fraction_digits }) => [
    id,
    integer_digits,
    fraction_digits,
  ]);
  return JSON.stringify([schema_fingerprint, facts, last_column_id]);
}

/**
 * Appending what is there already adds nothing, so that a client that lost the answer may send it
 * again: the content id tells, whatever the schema was called then.
 */
function objectsOf(
  { mode, content_id, output }: ConvertedUpload,
  described: DescribedObject,
  current: Manifest | undefined,
): readonly DataObject[] {
  const object: DataObject = {
    ...described,
    row_count: output.row_count,
    ...(output.physical_columns === undefined ? {} : { columns: output.physical_columns }),
  };
  if (mode === "replace" || current === undefined || output.verdict === "replaced") return [object];
  if (current.objects.some(({ key }) => key.endsWith(`/${content_id}.parquet`))) {
    return current.objects;
  }
  return [...withRowCounts(current), object];
}

/** The only object of a dataset has all its rows, if nothing said so yet. */
function withRowCounts({ objects, row_count }: Manifest): readonly DataObject[] {
  const [only] = objects;
  if (only === undefined || objects.length > 1 || row_count === undefined) return objects;
  return [{ row_count, ...only }];
}

function rowCountOf(objects: readonly DataObject[]): number | undefined {
  let sum = 0;
  for (const { row_count } of objects) {
    if (row_count === undefined) return undefined;
    sum += row_count;
  }
  return sum;
}

/** The 409 of an upload that does not fit, with what a program needs to decide what to do. */
export function schemaConflict(
  name: string,
  current: Manifest | undefined,
  { columns, diff }: Pick<CodecOutput, "columns" | "diff">,
): LakehouseError {
  return new LakehouseError(
    "schema_conflict",
    `The columns of the file differ from those of the dataset ${name}. Nothing was changed.`,
    {
      hint: "See diff: schema=widen adds columns and wider types, schema=replace starts anew.",
      extra: {
        registered_fingerprint: current?.schema_fingerprint ?? null,
        schema_fingerprint: schemaFingerprint(columns),
        diff,
      },
    },
  );
}
