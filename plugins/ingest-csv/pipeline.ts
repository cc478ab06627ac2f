import type { Codec, CodecOutput, CodecRegistry, SchemaVerdict } from "../../core/codec.ts";
import { LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { Limits } from "../../core/limits.ts";
import { type CatalogService, checkName, type Column, type Manifest } from "../../core/services.ts";
import type { ObjectStore } from "../../core/storage.ts";
import { abortedError } from "../../core/worker-call.ts";
import { CodedUploads } from "./coded-upload.ts";
import { Conversion, type ConversionResult, type JudgedAgainst } from "./conversion.ts";
import { contentId } from "./data-object.ts";
import { schemaFingerprint } from "./fingerprint.ts";
import {
  type CommitParts,
  commitUpload,
  schemaConflict,
  schemaIdentity,
  SchemaMoved,
} from "./ingest-commit.ts";
import type { IngestRequest } from "./ingest-request.ts";
import type { RunningIngest } from "./progress.ts";
import type { SchemaMode } from "./reconcile.ts";
import type { Removals } from "./removals.ts";
import { commitRejects, dropRejects, rejectsName } from "./rejects-commit.ts";
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
  readonly removals: Removals;
}

export interface IngestAnswer {
  readonly manifest: Manifest;
  readonly existing: boolean;
  /** Of this upload; the manifest has that of the dataset. */
  readonly row_count: number;
  /** Bytes. */
  readonly parquet_size: number;
  readonly parquet_key: string;
  readonly verdict: SchemaVerdict;
  readonly notices?: readonly string[];
  readonly report?: Json;
  /** With `on_error=reject`, if there are any: the dataset that holds them. */
  readonly rejects?: { readonly name: string; readonly row_count: number };
}

/** What an upload would become. */
export interface DryRunAnswer {
  readonly dry_run: true;
  /** `conflict`: it would be refused with 409. */
  readonly verdict: SchemaVerdict;
  readonly diff: Json;
  readonly schema_fingerprint: string;
  readonly row_count: number;
  readonly columns: readonly Column[];
  readonly report: Json;
  readonly notices?: readonly string[];
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

/** Another commit may change the schema while a file is converted; then it is judged again. */
const JUDGE_ATTEMPTS = 16;

/**
 * One upload from the first byte to the committed manifest. Nothing is stored before the file has
 * been converted whole and judged against the registered schema; see `commitUpload` for the order.
 */
export async function ingest(
  request: Request,
  asked: IngestRequest,
  parts: IngestParts,
  progress: RunningIngest,
): Promise<IngestAnswer | DryRunAnswer> {
  const { catalog, limits, scratch_path, removals } = parts;
  const { name, options, dry_run } = asked;
  const with_rejects = options["on_error"] === "reject";
  if (with_rejects) checkName(rejectsName(name));
  const judge = (): JudgedAgainst => judgedAgainst(catalog.get(name), asked.schema);
  // A quarantined name is refused before the upload is read.
  judge();
  await using spool = await Spool.create(scratch_path, removals);
  const { signal } = request;
  const onProgress = (step: unknown): void => progress.converted(step);
  const conversion_options = { spool, options, limits, signal, onProgress, dry_run, with_rejects };
  await using conversion = new Conversion(conversion_options);
  const codec = await receive(request, { spool, conversion, judge, parts, progress });
  progress.converting();
  for (let attempt = 1; ; attempt++) {
    const result = await conversion.finish(judge);
    if (signal.aborted) throw abortedError();
    const { output } = result;
    if (dry_run) return dryRunAnswer(output);
    const current = catalog.get(name);
    refuseConflict(name, asked, current, output);
    if (asked.mode === "replace" && current !== undefined) refuseAllBad(output);
    progress.committing(output.row_count);
    const ids = (output.physical_columns ?? output.columns).map(({ id }) => id);
    const content_id = contentId(codec, options, await spool.sha256(), ids);
    try {
      return await commit(asked, { ...result, content_id, with_rejects }, { ...parts, signal });
    } catch (error) {
      if (!(error instanceof SchemaMoved)) throw error;
      if (attempt === JUDGE_ATTEMPTS) throw alwaysMoved(name);
    }
  }
}

interface Receiving {
  readonly spool: Spool;
  readonly conversion: Conversion;
  readonly judge: () => JudgedAgainst;
  readonly parts: IngestParts;
  readonly progress: RunningIngest;
}

/** Takes the upload in; its conversion may begin meanwhile. */
async function receive(
  request: Request,
  { spool, conversion, judge, parts: { codecs, limits }, progress }: Receiving,
): Promise<Codec> {
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
        await conversion.arrived(spool.size_bytes, judge);
      },
    },
  );
  await spool.finish();
  progress.spooled(spool.size_bytes);
  if (codec === undefined || spool.size_bytes === 0) throw emptyBody();
  return codec;
}

function judgedAgainst(current: Manifest | undefined, mode: SchemaMode): JudgedAgainst {
  const identity = schemaIdentity(current);
  if (current?.columns === undefined) return { schema: { mode }, identity };
  const { columns } = current;
  const last_column_id = current.last_column_id ?? Math.max(0, ...columns.map(({ id }) => id));
  return { schema: { mode, registered: { columns, last_column_id } }, identity };
}

/** Throws the 409. A dataset that was registered without columns is known by its fingerprint alone. */
function refuseConflict(
  name: string,
  { schema }: IngestRequest,
  current: Manifest | undefined,
  output: CodecOutput,
): void {
  const is_other =
    current !== undefined &&
    current.columns === undefined &&
    current.schema_fingerprint !== schemaFingerprint(output.columns);
  if (output.verdict === "conflict" || (is_other && schema !== "replace")) {
    throw schemaConflict(name, current, output);
  }
}

interface ToCommit extends ConversionResult {
  readonly content_id: string;
  readonly with_rejects: boolean;
}

/** Rejected rows first: once the good ones are committed, none may be missing. */
async function commit(
  { name, mode, report }: IngestRequest,
  { output, path, rejects_path, judged, content_id, with_rejects }: ToCommit,
  parts: CommitParts,
): Promise<IngestAnswer> {
  const rejects = output.rejects;
  if (rejects !== undefined) {
    const upload = { name: rejectsName(name), mode, path: rejects_path, content_id };
    await commitRejects(upload, rejects, parts);
  }
  const upload = { name, mode, path, content_id, judged_identity: judged.identity, output };
  const { manifest, existing, object } = await commitUpload(upload, parts);
  if (with_rejects && rejects === undefined && mode === "replace") {
    await dropRejects(rejectsName(name), parts);
  }
  return {
    manifest,
    existing,
    row_count: output.row_count,
    parquet_size: object.size,
    parquet_key: object.key,
    verdict: output.verdict,
    ...(output.notices.length === 0 ? {} : { notices: output.notices }),
    ...(report ? { report: output.report } : {}),
    ...(rejects === undefined
      ? {}
      : { rejects: { name: rejectsName(name), row_count: rejects.row_count } }),
  };
}

function dryRunAnswer({
  verdict,
  diff,
  columns,
  row_count,
  report,
  notices,
}: CodecOutput): DryRunAnswer {
  return {
    dry_run: true,
    verdict,
    diff,
    schema_fingerprint: schemaFingerprint(columns),
    row_count,
    columns,
    report,
    ...(notices.length === 0 ? {} : { notices }),
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

/** Nothing to keep is no reason to empty a dataset. */
function refuseAllBad({ row_count, rejects }: CodecOutput): void {
  if (row_count > 0 || rejects === undefined) return;
  const bad_count = rejects.row_count;
  throw new LakehouseError("invalid_csv", `Every row of the file is bad: ${bad_count} of them.`, {
    hint: "Send it with dry_run=true to see why. Nothing was changed.",
    extra: { bad_count, reason: "all_bad" },
  });
}

function alwaysMoved(name: string): LakehouseError {
  return new LakehouseError("overloaded", `The columns of ${name} kept changing meanwhile.`, {
    hint: "Nothing was changed. Send the file again.",
  });
}

function emptyBody(): LakehouseError {
  return new LakehouseError("invalid_csv", "The upload is empty.", {
    hint: "Send a file whose first record names the columns.",
    extra: { reason: "empty" },
  });
}
