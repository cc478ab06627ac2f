import type { Codec, CodecRegistry } from "../../core/codec.ts";
import { LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { Limits } from "../../core/limits.ts";
import type { CatalogService, Column, Manifest, Registration } from "../../core/services.ts";
import type { ObjectStore } from "../../core/storage.ts";
import { abortedError } from "../../core/worker-call.ts";
import { CodedUploads } from "./coded-upload.ts";
import { Conversion } from "./conversion.ts";
import { contentId, dataKey, storeObject } from "./data-object.ts";
import { schemaFingerprint } from "./fingerprint.ts";
import type { IngestRequest } from "./ingest-request.ts";
import type { RunningIngest } from "./progress.ts";
import { schemaDiff } from "./schema-diff.ts";
import { Spool } from "./spool.ts";
import { receiveUpload, type UploadLabel } from "./upload.ts";

export interface IngestParts {
  readonly catalog: CatalogService;
  readonly store: ObjectStore;
  readonly codecs: CodecRegistry;
  readonly limits: Pick<
    Limits,
    "upload_bytes" | "decoded_bytes" | "decoded_ratio" | "ingest_timeout_ms"
  >;
  readonly scratch_path: string;
}

export interface IngestAnswer {
  readonly manifest: Manifest;
  readonly existing: boolean;
  readonly row_count: number;
  /** Bytes. */
  readonly parquet_size: number;
  readonly parquet_key: string;
  readonly notices?: readonly string[];
  readonly report?: Json;
}

/** Types that say nothing: many clients send them for any file. */
const UNSPECIFIC_TYPES: ReadonlySet<string | undefined> = new Set([
  undefined,
  "application/octet-stream",
  "application/x-www-form-urlencoded",
  "binary/octet-stream",
  "text/plain",
]);
const DEFAULT_FORMAT = "csv";

/**
 * One upload from the first byte to the committed manifest. Nothing is stored before the file has
 * been converted whole and judged against the registered schema; the data object is stored next,
 * and the manifest last: its write is the commit point. A failure before it leaves at most a data
 * object that nothing refers to, under the key that a retry would use.
 */
export async function ingest(
  request: Request,
  { name, report, options }: IngestRequest,
  parts: IngestParts,
  progress: RunningIngest,
): Promise<IngestAnswer> {
  const { catalog, store, codecs, limits, scratch_path } = parts;
  // A quarantined name is refused before the upload is read.
  catalog.get(name);
  await using spool = await Spool.create(scratch_path);
  const { signal } = request;
  const onProgress = (step: unknown): void => progress.converted(step);
  await using conversion = new Conversion({ spool, options, limits, signal, onProgress });
  let codec: Codec | undefined;
  const coded = new CodedUploads(codecs, limits);
  await receiveUpload(
    request,
    {
      limit_bytes: limits.upload_bytes,
      coded,
      onReceived: (size_bytes) => progress.received(size_bytes),
    },
    {
      begin(label, head) {
        codec = chooseCodec(codecs, label, head);
        conversion.begin(codec);
      },
      async write(bytes) {
        await spool.write(bytes);
        progress.spooled(spool.size_bytes);
        await conversion.arrived(spool.size_bytes);
      },
    },
  );
  const upload = await spool.finish();
  progress.converting();
  if (codec === undefined || upload.size_bytes === 0) throw emptyBody();
  const { output, path } = await conversion.finish();
  if (signal.aborted) throw abortedError();
  progress.committing(output.row_count);
  const content_id = contentId(codec, options, upload.sha256);
  const schema_fingerprint = schemaFingerprint(output.columns);
  const key = dataKey(name, schema_fingerprint, content_id);
  const object = { key, size: output.size_bytes, sha256: output.sha256 };

  const prepare = async (current: Manifest | undefined): Promise<Registration> => {
    if (current !== undefined && current.schema_fingerprint !== schema_fingerprint) {
      throw schemaConflict(current, output.columns, schema_fingerprint);
    }
    await storeObject(store, object, path);
    return {
      name,
      schema_fingerprint,
      objects: [object],
      row_count: output.row_count,
      columns: keepIds(output.columns, current?.columns),
    };
  };
  const { manifest, existing } = await catalog.commit(name, prepare);
  return {
    manifest,
    existing,
    row_count: output.row_count,
    parquet_size: object.size,
    parquet_key: object.key,
    ...(output.notices.length === 0 ? {} : { notices: output.notices }),
    ...(report ? { report: output.report } : {}),
  };
}

function chooseCodec(
  codecs: CodecRegistry,
  { media_type, file_name }: UploadLabel,
  head: Uint8Array,
): Codec {
  const found = codecs.find(media_type, file_name);
  if (found !== undefined) return found;
  const standard =
    codecs.all().find((codec) => codec.recognizes?.(head)) ??
    codecs.all().find(({ format }) => format === DEFAULT_FORMAT);
  if (standard !== undefined && UNSPECIFIC_TYPES.has(media_type)) return standard;
  throw new LakehouseError(
    "unsupported_media_type",
    `No codec reads ${JSON.stringify(media_type ?? file_name ?? "this file")}.`,
    {
      hint: `Send one of ${codecs
        .all()
        .flatMap(({ media_types }) => media_types)
        .join(", ")}.`,
    },
  );
}

/** Under one fingerprint the columns are the same, in the same order: they keep their ids. */
function keepIds(columns: readonly Column[], current: readonly Column[] | undefined): Column[] {
  return columns.map((column, index) => ({ ...column, id: current?.[index]?.id ?? column.id }));
}

function emptyBody(): LakehouseError {
  return new LakehouseError("invalid_csv", "The upload is empty.", {
    hint: "Send a file whose first record names the columns.",
    extra: { reason: "empty" },
  });
}

function schemaConflict(
  current: Manifest,
  columns: readonly Column[],
  schema_fingerprint: string,
): LakehouseError {
  return new LakehouseError(
    "schema_conflict",
    `The columns of the file differ from those of the dataset ${current.name}.`,
    {
      hint: "Ingest it under another name, or delete the dataset first. Nothing was changed.",
      extra: {
        registered_fingerprint: current.schema_fingerprint,
        offered_fingerprint: schema_fingerprint,
        ...(current.columns === undefined ? {} : { diff: schemaDiff(current.columns, columns) }),
      },
    },
  );
}
