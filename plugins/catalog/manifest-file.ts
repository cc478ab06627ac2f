import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import {
  Compression,
  EnabledStatistics,
  Table,
  WriterPropertiesBuilder,
  writeParquet,
} from "parquet-wasm/esm";
import { LakehouseError } from "../../core/error.ts";
import { datasetId } from "./dataset-id.ts";
import { asBuffer, findMetadata } from "./footer.ts";
import { COMMIT_RING, copyManifest, type StoredManifest } from "./manifest.ts";
import { manifestTable } from "./manifest-table.ts";
import { loadParquetWasm } from "./parquet-wasm.ts";
import { columnSchema, dataObjectSchema } from "./registration.ts";
import { BLANK_SEAL, checkSeal, SEAL_KEY, sealFile } from "./seal.ts";

/**
 * The layout of the file. Raise it with every change of the envelope or the columns: a reader
 * refuses a format it does not know, so a manifest is never half-read.
 */
export const MANIFEST_FORMAT = 2;
export const FORMAT_KEY = "lakehouse.format";

/**
 * The manifest once more, as JSON. The columns of the file are for every other engine; this is what
 * a start reads, because decoding Parquet and Arrow takes twenty times as long
 * (`docs/decisions/0030-manifest-envelope.md`). Both are written from one value, under one seal.
 */
export const ENVELOPE_KEY = "lakehouse.manifest";

/** What the envelope must be, so that no member is taken on trust. */
const instant = Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$" });
const envelopeSchema = Type.Object(
  {
    name: Type.String(),
    dataset_id: Type.String(),
    schema_fingerprint: Type.String({ minLength: 1 }),
    version: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    created_at: instant,
    updated_at: instant,
    row_count: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
    objects: Type.Array(dataObjectSchema),
    columns: Type.Optional(Type.Array(columnSchema)),
    last_column_id: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })),
    /** From format 2 on. */
    incarnation: Type.Optional(Type.String({ minLength: 1 })),
    recent_commits: Type.Array(Type.String(), { minItems: 1, maxItems: COMMIT_RING }),
  },
  { additionalProperties: false },
);
const envelopeCheck = TypeCompiler.Compile(envelopeSchema);

/** Turns manifests into sealed Parquet files and back. */
export interface ManifestCodec {
  encode(stored: StoredManifest): Uint8Array;
  /** Throws `data_corrupt` unless the file is whole, sealed, of a known format, and of this name. */
  decode(bytes: Uint8Array, name: string): StoredManifest;
}

/** Ready to use once parquet-wasm is loaded. */
export async function openManifestCodec(): Promise<ManifestCodec> {
  await loadParquetWasm();
  return { encode, decode };
}

function encode(stored: StoredManifest): Uint8Array {
  const { manifest, incarnation, recent_commits } = stored;
  const properties = new WriterPropertiesBuilder()
    .setCompression(Compression.SNAPPY)
    .setDictionaryEnabled(false)
    // Statistics would put values into the footer, where the metadata is looked for.
    .setStatisticsEnabled(EnabledStatistics.None)
    .setKeyValueMetadata(
      new Map([
        [FORMAT_KEY, String(MANIFEST_FORMAT)],
        [SEAL_KEY, BLANK_SEAL],
        [ENVELOPE_KEY, JSON.stringify({ ...manifest, incarnation, recent_commits })],
      ]),
    )
    .build();
  const bytes = writeParquet(Table.fromIPCStream(manifestTable(stored)), properties);
  sealFile(bytes);
  return bytes;
}

function decode(bytes: Uint8Array, name: string): StoredManifest {
  checkSeal(bytes);
  checkFormat(metadata(bytes, FORMAT_KEY));
  const envelope = parseEnvelope(metadata(bytes, ENVELOPE_KEY) ?? "null");
  if (!envelopeCheck.Check(envelope)) {
    const { path, message } = envelopeCheck.Errors(envelope).First() ?? {};
    throw corrupt(`Its member ${path ?? ""} is not as expected: ${message ?? "unknown value"}.`);
  }
  const { recent_commits, incarnation = envelope.created_at, ...manifest } = envelope;
  if (manifest.name !== name) {
    throw corrupt(`It is the manifest of ${JSON.stringify(manifest.name)}, not of ${name}.`);
  }
  if (manifest.dataset_id !== datasetId(name)) {
    throw corrupt(`Its dataset_id is ${manifest.dataset_id}, not the one of ${name}.`);
  }
  return { manifest: copyManifest(manifest), incarnation, recent_commits };
}

function checkFormat(format: string | undefined): void {
  if (format === undefined || !/^[1-9]\d{0,8}$/.test(format)) {
    throw corrupt("It does not say which manifest format it has.");
  }
  if (Number(format) > MANIFEST_FORMAT) {
    throw corrupt(
      `It has manifest format ${format}, written by a newer version of this program; this one reads up to ${MANIFEST_FORMAT}.`,
    );
  }
}

function parseEnvelope(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw corrupt("Its envelope is not JSON.");
  }
}

function metadata(bytes: Uint8Array, key: string): string | undefined {
  const found = findMetadata(bytes, key);
  return found && asBuffer(bytes).toString("utf8", found.start, found.end);
}

function corrupt(detail: string): LakehouseError {
  return new LakehouseError("data_corrupt", detail);
}
