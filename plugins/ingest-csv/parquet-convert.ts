import { copyFileSync, createReadStream, linkSync, statSync } from "node:fs";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { CodecOutput } from "../../core/codec.ts";
import { lockDown, openEngine } from "../../core/duckdb.ts";
import type { Json } from "../../core/json.ts";
import { asRefusal, type ConvertCsvJob, type ConvertLimits } from "./convert.ts";
import { schemaFingerprint } from "./fingerprint.ts";
import { type JudgedSchema, judgeSchema, schemaMembers } from "./judged-schema.ts";
import { offerColumns } from "./parquet-offer.ts";
import { rewriteParquet } from "./parquet-rewrite.ts";
import { checkMagic, type ParquetFile, readParquet } from "./parquet-validate.ts";

export type TakeParquetJob = Omit<ConvertCsvJob, "options" | "rejects_path" | "progress">;

/**
 * Takes a Parquet file in after the engine has read every value of it: as it is, byte for byte, if
 * its columns have the types of the dataset; else written anew in those, if that changes no value.
 * For worker processes. Throws `invalid_parquet`, `limit_exceeded`.
 */
export async function takeParquet(
  { path, work_path, output_path, schema, dry_run }: TakeParquetJob,
  limits: ConvertLimits,
): Promise<CodecOutput> {
  await checkMagic(path);
  const engine = await openEngine({ ...limits, temp_path: join(work_path, "spill") });
  const connection = await engine.connect();
  try {
    await lockDown(connection, [path, output_path]);
    const file = await readParquet(connection, path, limits.columns_limit);
    const offered = await offerColumns(connection, path, file, schema.registered);
    const findings = findingsOf(file, judgeSchema(offered, schema));
    if (dry_run || findings.judged.verdict === "conflict") return outputOf(findings, NOTHING);
    await store(connection, findings, { path, output_path });
    const size_bytes = statSync(output_path).size;
    return outputOf(findings, { size_bytes, sha256: await sha256Of(output_path) });
  } catch (error) {
    throw asRefusal(error);
  } finally {
    connection.closeSync();
    engine.closeSync();
  }
}

interface Findings {
  readonly file: ParquetFile;
  readonly judged: JudgedSchema;
  /** Columns that are stored as another type than the file has. */
  readonly recast: JudgedSchema["written"];
}

/** A file that stays as it is has its columns in an order of its own. */
function findingsOf(file: ParquetFile, judged: JudgedSchema): Findings {
  const recast = judged.written.filter(({ source, type }) => file.columns[source]?.type !== type);
  if (recast.length > 0) return { file, judged, recast };
  const written = judged.written.toSorted((a, b) => a.source - b.source);
  return { file, judged: { ...judged, written }, recast };
}

async function store(
  connection: DuckDBConnection,
  { file, judged: { written }, recast }: Findings,
  { path, output_path }: Pick<TakeParquetJob, "path" | "output_path">,
): Promise<void> {
  if (recast.length > 0) {
    await rewriteParquet(connection, { path, output_path, file, written });
    return;
  }
  // The upload is never written to again, so another name for the same bytes is enough.
  try {
    linkSync(path, output_path);
  } catch {
    copyFileSync(path, output_path);
  }
}

async function sha256Of(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of createReadStream(path)) hasher.update(chunk);
  return hasher.digest("hex");
}

const NOTHING = { size_bytes: 0, sha256: "" };

function outputOf(
  findings: Findings,
  stored: { readonly size_bytes: number; readonly sha256: string },
): CodecOutput {
  const { file, judged } = findings;
  return {
    ...schemaMembers(judged),
    row_count: file.row_count,
    ...stored,
    report: reportOf(findings),
    notices: noticesOf(findings),
  };
}

function reportOf({ file, judged, recast }: Findings): Json {
  const types = new Map(recast.map(({ source, type }) => [source, type]));
  return {
    format: "parquet",
    stored: recast.length > 0 ? "written anew" : "as it is",
    row_count: file.row_count,
    columns: file.columns.map(({ name, type }, source) => ({
      name,
      type: types.get(source) ?? type,
      type_chosen_by: types.has(source) ? "registered schema" : "file",
      null_count: file.facts[source]?.null_count ?? 0,
    })),
    schema_fingerprint: schemaFingerprint(judged.columns),
    verdict: judged.verdict,
    diff: judged.diff,
    accepted: judged.verdict !== "conflict",
  };
}

function noticesOf({ file: { columns, coarse }, recast }: Findings): string[] {
  const notices: string[] = [];
  if (coarse.length > 0) {
    notices.push(
      `The file keeps its nanoseconds, but SQL shows microseconds of: ${coarse.join(", ")}.`,
    );
  }
  if (recast.length > 0) {
    const casts = recast.map(
      ({ name, type, source }) => `${name} (${columns[source]?.type ?? ""} as ${type})`,
    );
    notices.push(`The file was written anew in the types of the dataset: ${casts.join(", ")}.`);
  }
  return notices;
}
