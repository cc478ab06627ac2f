import { copyFileSync, createReadStream, linkSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { lockDown, openEngine, sqlIdentifier, sqlLiteral } from "../../core/duckdb.ts";
import { hasCode, LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { Column } from "../../core/services.ts";
import { asRefusal, type Converted, type ConvertJob, type ConvertLimits } from "./convert.ts";
import { type ParquetSchema, readSchema, readUploaded, refused } from "./parquet-schema.ts";

/** https://parquet.apache.org/docs/file-format/ */
const MAGIC = "PAR1";
const ENCRYPTED_MAGIC = "PARE";
/** Leading magic, footer length and trailing magic. */
const SIZE_MIN_BYTES = 12;
/** Columns that one statement reads. */
const SCAN_COLUMNS = 64;

/**
 * Takes a Parquet file in as it is, byte for byte, after the engine has read every value of it. For
 * worker processes. Throws `invalid_parquet`, `limit_exceeded`.
 */
export async function takeParquet(
  { path, work_path, output_path }: Omit<ConvertJob, "options" | "progress">,
  limits: ConvertLimits,
): Promise<Converted> {
  await checkMagic(path);
  const engine = await openEngine({ ...limits, temp_path: join(work_path, "spill") });
  const connection = await engine.connect();
  try {
    await lockDown(connection, [path]);
    const row_count = await readRowCount(connection, path);
    const schema = await readSchema(connection, path, limits.columns_limit);
    const null_counts = await readEveryValue(connection, path, schema.columns, row_count);
    keep(path, output_path);
    return {
      columns: schema.columns,
      row_count,
      size_bytes: statSync(output_path).size,
      sha256: await sha256Of(output_path),
      report: reportOf(schema, row_count, null_counts),
      notices: noticesOf(schema),
    };
  } catch (error) {
    throw asInvalid(error, path);
  } finally {
    connection.closeSync();
    engine.closeSync();
  }
}

async function checkMagic(path: string): Promise<void> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const magicAt = async (position: number): Promise<string> => {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, position);
    return buffer.toString("latin1");
  };
  const ends = size < SIZE_MIN_BYTES ? [] : [await magicAt(0), await magicAt(size - 4)];
  if (ends.includes(ENCRYPTED_MAGIC)) throw refused("encrypted", "The file is encrypted.");
  if (ends.length === 0 || ends.some((magic) => magic !== MAGIC))
    throw refused("no_magic", `The file does not begin and end with ${MAGIC}: it is not whole.`);
}

async function readRowCount(connection: DuckDBConnection, path: string): Promise<number> {
  const reader = await connection.runAndReadAll(`
    SELECT num_rows::VARCHAR, encryption_algorithm FROM parquet_file_metadata(${sqlLiteral(path)})`);
  const [row_count, encryption] = reader.getRows()[0] ?? [];
  if (encryption !== null) throw refused("encrypted", "Columns of the file are encrypted.");
  return Number(row_count);
}

/**
 * Makes the engine decode every value: a count alone is answered from the footer. Returns the nulls
 * of each column.
 */
async function readEveryValue(
  connection: DuckDBConnection,
  path: string,
  columns: readonly Column[],
  row_count: number,
): Promise<readonly number[]> {
  const null_counts: number[] = [];
  for (let first = 0; first < columns.length; first += SCAN_COLUMNS) {
    const names = columns.slice(first, first + SCAN_COLUMNS).map(({ name }) => sqlIdentifier(name));
    const sums = names.map((name) => `count(${name})::VARCHAR, bit_xor(hash(${name}))::VARCHAR`);
    const reader = await connection.runAndReadAll(
      `SELECT count(*)::VARCHAR, ${sums.join(", ")} FROM ${readUploaded(path)}`,
    );
    const [counted, ...pairs] = reader.getRows()[0] ?? [];
    if (Number(counted) !== row_count) {
      throw refused(
        "row_count",
        `The file holds ${String(counted)} rows and says it has ${row_count}.`,
      );
    }
    for (let index = 0; index < names.length; index++) {
      null_counts.push(row_count - Number(pairs[2 * index]));
    }
  }
  return null_counts;
}

/** The upload is never written to again, so another name for the same bytes is enough. */
function keep(path: string, output_path: string): void {
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

function reportOf(
  { columns }: ParquetSchema,
  row_count: number,
  null_counts: readonly number[],
): Json {
  return {
    format: "parquet",
    stored: "as it is",
    row_count,
    columns: columns.map(({ name, type }, index) => ({
      name,
      type,
      null_count: null_counts[index] ?? 0,
    })),
  };
}

function noticesOf({ coarse }: ParquetSchema): string[] {
  if (coarse.length === 0) return [];
  return [`The file keeps its nanoseconds, but SQL shows microseconds of: ${coarse.join(", ")}.`];
}

/** What the engine says of the file, without where it lies; memory is not the file's fault. */
function asInvalid(error: unknown, path: string): unknown {
  if (error instanceof LakehouseError || !(error instanceof Error)) return error;
  const refusal = asRefusal(error);
  if (hasCode(refusal, "limit_exceeded")) return refusal;
  const [line = ""] = error.message.replaceAll(path, "the file").split("\n");
  return refused("unreadable", `The engine cannot read the file: ${line.slice(0, 300)}`, error);
}
