import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { mkdir } from "node:fs/promises";

/**
 * The one way an engine is opened. For worker processes only: a SELECT can kill the process that
 * runs it, so nothing in the server process imports this file.
 */
export interface EngineOptions {
  readonly threads: number;
  readonly memory_limit_bytes: number;
  /** A private folder for spilling, made here: the engine would make it, but not its parents. */
  readonly temp_path: string;
  readonly temp_limit_bytes: number;
}

/**
 * A fresh in-memory engine. Extensions are never fetched, secrets never read; one damaged file
 * cannot invalidate the engine for later statements. It can still reach every file of the machine
 * until `lockDown`.
 */
export async function openEngine(options: EngineOptions): Promise<DuckDBInstance> {
  await mkdir(options.temp_path, { recursive: true, mode: 0o700 });
  return DuckDBInstance.create(":memory:", {
    threads: String(options.threads),
    memory_limit: `${options.memory_limit_bytes}B`,
    temp_directory: options.temp_path,
    max_temp_directory_size: `${options.temp_limit_bytes}B`,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
    allow_unsigned_extensions: "false",
    allow_persistent_secrets: "false",
    // Create-time only; without it a damaged Parquet file takes the whole engine down with it.
    disable_database_invalidation: "true",
  });
}

/**
 * Closes the engine behind this connection for good: it can open exactly `allowed_paths`, reach no
 * other file, no network and no extension, and no statement can widen that. Time zone UTC.
 *
 * The order matters: `allowed_paths` can only be set while external access is on, and whatever is
 * not set before `lock_configuration` stays open. An allowed folder can be listed and written to,
 * so it is only for statements of our own over files of one request; `COPY … TO` one of them needs `USE_TMP_FILE false`, or it
 * writes to a neighbour first. Throws if a file outside can still be read.
 */
export async function lockDown(
  connection: DuckDBConnection,
  allowed_paths: readonly string[],
  allowed_folders: readonly string[] = [],
): Promise<void> {
  // GLOBAL, or a later connection of this engine would be back at the machine's zone.
  await connection.run("SET GLOBAL TimeZone = 'UTC'");
  await connection.run(`SET allowed_paths = [${allowed_paths.map(sqlLiteral).join(", ")}]`);
  if (allowed_folders.length > 0) {
    const folders = allowed_folders.map((folder) => sqlLiteral(`${folder}/`));
    await connection.run(`SET allowed_directories = [${folders.join(", ")}]`);
  }
  await connection.run("SET enable_external_access = false");
  await connection.run("SET lock_configuration = true");
  await assertLocked(connection);
}

async function assertLocked(connection: DuckDBConnection): Promise<void> {
  let refusal: unknown;
  try {
    await connection.run("SELECT count(*) FROM read_text('/etc/passwd')");
  } catch (error) {
    refusal = error;
  }
  // Only the permission error proves the lock; "file not found" would prove nothing.
  if (!(refusal instanceof Error) || !refusal.message.startsWith("Permission Error")) {
    throw new Error("the engine could still read a file after it was locked down", {
      cause: refusal,
    });
  }
}

/** A VARCHAR literal. The engine knows no backslash escapes; NUL cannot be written in SQL text. */
export function sqlLiteral(value: string): string {
  if (value.includes("\0")) throw new Error("a SQL literal cannot hold NUL");
  return `'${value.replaceAll("'", "''")}'`;
}

/** A quoted identifier: keeps case, and allows every character but NUL. */
export function sqlIdentifier(name: string): string {
  if (name.includes("\0")) throw new Error("a SQL identifier cannot hold NUL");
  return `"${name.replaceAll('"', '""')}"`;
}
