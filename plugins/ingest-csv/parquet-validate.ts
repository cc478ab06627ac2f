import { open } from "node:fs/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import { sqlIdentifier, sqlLiteral } from "../../core/duckdb.ts";
import { hasCode, LakehouseError } from "../../core/error.ts";
import type { Column } from "../../core/services.ts";
import { asRefusal } from "./convert.ts";
import { isExactNumber, type ParquetFacts } from "./parquet-casts.ts";
import { type ParquetSchema, readSchema, readUploaded, refused } from "./parquet-schema.ts";

/** https://parquet.apache.org/docs/file-format/ */
const MAGIC = "PAR1";
const ENCRYPTED_MAGIC = "PARE";
/** Leading magic, footer length and trailing magic. */
const SIZE_MIN_BYTES = 12;
/** Columns that one statement reads. */
export const SCAN_COLUMNS = 64;

/** What the engine has read of a file, every value of it. */
export interface ParquetFile extends ParquetSchema {
  readonly row_count: number;
  /** Per column, in order. */
  readonly facts: readonly ParquetFacts[];
}

/** Reads every value of a file. Throws `invalid_parquet`, `limit_exceeded`. */
export async function readParquet(
  connection: DuckDBConnection,
  path: string,
  columns_limit: number,
): Promise<ParquetFile> {
  try {
    const row_count = await readRowCount(connection, path);
    const schema = await readSchema(connection, path, columns_limit);
    const facts = await readEveryValue(connection, path, schema.columns, row_count);
    return { ...schema, row_count, facts };
  } catch (error) {
    throw asInvalid(error, path);
  }
}

/** Throws `invalid_parquet` for a file that is encrypted or not whole. */
export async function checkMagic(path: string): Promise<void> {
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

/** Makes the engine decode every value: a count alone is answered from the footer. */
async function readEveryValue(
  connection: DuckDBConnection,
  path: string,
  columns: readonly Column[],
  row_count: number,
): Promise<readonly ParquetFacts[]> {
  const facts: ParquetFacts[] = [];
  for (let first = 0; first < columns.length; first += SCAN_COLUMNS) {
    const some = columns.slice(first, first + SCAN_COLUMNS);
    const reader = await connection.runAndReadAll(
      `SELECT count(*)::VARCHAR, ${some.map(sumsOf).join(", ")} FROM ${readUploaded(path)}`,
    );
    const [counted, ...sums] = reader.getRows()[0] ?? [];
    if (Number(counted) !== row_count) {
      throw refused(
        "row_count",
        `The file holds ${String(counted)} rows and says it has ${row_count}.`,
      );
    }
    for (const index of some.keys()) {
      const [count, , least, greatest] = sums.slice(SUMS * index, SUMS * (index + 1));
      const value_count = Number(count);
      facts.push({
        value_count,
        null_count: row_count - value_count,
        extremes: extremesOf(least, greatest),
      });
    }
  }
  return facts;
}

/** Results of `sumsOf` for each column. */
const SUMS = 4;

function sumsOf({ name, type }: Column): string {
  const value = sqlIdentifier(name);
  const extremes = isExactNumber(type)
    ? `min(${value})::VARCHAR, max(${value})::VARCHAR`
    : "NULL, NULL";
  return `count(${value})::VARCHAR, bit_xor(hash(${value}))::VARCHAR, ${extremes}`;
}

function extremesOf(least: unknown, greatest: unknown): ParquetFacts["extremes"] {
  if (typeof least !== "string" || typeof greatest !== "string") return undefined;
  return [BigInt(least.replace(".", "")), BigInt(greatest.replace(".", ""))];
}

/** What the engine says of the file, without where it lies; memory is not the file's fault. */
function asInvalid(error: unknown, path: string): unknown {
  if (error instanceof LakehouseError || !(error instanceof Error)) return error;
  const refusal = asRefusal(error);
  if (hasCode(refusal, "limit_exceeded")) return refusal;
  const [line = ""] = error.message.replaceAll(path, "the file").split("\n");
  return refused("unreadable", `The engine cannot read the file: ${line.slice(0, 300)}`, error);
}
