import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "bun:test";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { CodecOutput } from "../../core/codec.ts";
import { sqlLiteral } from "../../core/duckdb.ts";
import { takeParquet } from "../../plugins/ingest-csv/parquet-convert.ts";
import { LIMITS, type Telling } from "./csv-convert.ts";
import { parquetRows } from "./parquet-rows.ts";

export interface Taken extends CodecOutput {
  /** Of the upload, every value as the engine of the test prints it. */
  readonly before: readonly (readonly (string | null)[])[];
  /** Of the file that is to be stored; none if there is none. */
  readonly after: readonly (readonly (string | null)[])[];
  /** The file that is to be stored has the bytes of the upload. */
  readonly is_kept: boolean;
  /** Name → field id in the file that is to be stored. */
  readonly field_ids: Readonly<Record<string, unknown>>;
}

/** Writes Parquet with an engine of its own, and takes it in in this process. */
export class ParquetRig implements AsyncDisposable {
  readonly #folder: string;
  readonly #engine: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  #count = 0;

  private constructor(folder: string, engine: DuckDBInstance, connection: DuckDBConnection) {
    this.#folder = folder;
    this.#engine = engine;
    this.#connection = connection;
  }

  static async open(): Promise<ParquetRig> {
    const folder = await mkdtemp(join(tmpdir(), "lakehouse-parquet-"));
    const engine = await DuckDBInstance.create(":memory:", { threads: "1" });
    const connection = await engine.connect();
    await connection.run("SET TimeZone = 'UTC'");
    return new ParquetRig(folder, engine, connection);
  }

  async write(select: string, options = ""): Promise<string> {
    const path = join(this.#folder, `written-${(this.#count += 1)}.parquet`);
    await this.#connection.run(
      `COPY (${select}) TO ${sqlLiteral(path)} (FORMAT parquet ${options})`,
    );
    return path;
  }

  async take(
    path: string,
    { schema = { mode: "strict" }, dry_run = false }: Telling = {},
    threads = LIMITS.threads,
  ): Promise<Taken> {
    const work_path = await mkdtemp(join(this.#folder, "work-"));
    const output_path = join(work_path, "output.parquet");
    const job = { path, done_path: path, output_path, work_path, schema, dry_run };
    const output = await takeParquet(job, { ...LIMITS, threads });
    const file = Bun.file(output_path);
    expect(await file.exists()).toBe(output.sha256 !== "");
    if (output.sha256 === "")
      return { ...output, before: [], after: [], is_kept: false, field_ids: {} };
    const [upload, stored] = await Promise.all([Bun.file(path).bytes(), file.bytes()]);
    expect(output.size_bytes).toBe(stored.length);
    expect(output.sha256).toBe(new Bun.CryptoHasher("sha256").update(stored).digest("hex"));
    return {
      ...output,
      before: await parquetRows(path),
      after: await parquetRows(output_path),
      is_kept: Buffer.from(upload).equals(stored),
      field_ids: await this.#fieldIds(output_path),
    };
  }

  async #fieldIds(path: string): Promise<Record<string, unknown>> {
    const reader = await this.#connection.runAndReadAll(
      `SELECT name, field_id::INTEGER FROM parquet_schema(${sqlLiteral(path)})`,
    );
    return Object.fromEntries(reader.getRows().map(([name, id]) => [String(name), id]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.closeSync();
    this.#engine.closeSync();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
