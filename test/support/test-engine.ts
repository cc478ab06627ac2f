import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEngine } from "../../core/duckdb.ts";
import { isRecord } from "../../core/json.ts";
import type { Format } from "../../plugins/query/render/layout.ts";
import { renderResult } from "../../plugins/query/render/render.ts";

const MIB = 1024 * 1024;

/** An engine in this very process, for statements that a test made itself. */
export interface TestEngine extends AsyncDisposable {
  readonly instance: DuckDBInstance;
  readonly connection: DuckDBConnection;
  /** A folder of its own; removed with it. */
  readonly folder_path: string;
  render(sql: string, format?: Format): Promise<string>;
  /** The JSON answer, taken apart; its `row_count` is checked. */
  answer(sql: string): Promise<Answer>;
  firstColumn(sql: string): Promise<unknown[]>;
}

export interface Answer {
  readonly types: readonly unknown[];
  readonly rows: readonly (readonly unknown[])[];
}

export async function openTestEngine(): Promise<TestEngine> {
  const folder_path = await mkdtemp(join(tmpdir(), "lakehouse-engine-"));
  const instance = await openEngine({
    threads: 1,
    memory_limit_bytes: 512 * MIB,
    temp_path: join(folder_path, "spill"),
    temp_limit_bytes: MIB,
  });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");

  const render = async (sql: string, format: Format = "json"): Promise<string> => {
    const pieces: Uint8Array[] = [];
    await renderResult({
      result: await connection.stream(sql),
      format,
      limit_bytes: 1024 * MIB,
      write: async (bytes) => void pieces.push(bytes),
    });
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(pieces));
  };
  const answer = async (sql: string): Promise<Answer> => readAnswer(JSON.parse(await render(sql)));

  return {
    instance,
    connection,
    folder_path,
    render,
    answer,
    firstColumn: async (sql) => (await answer(sql)).rows.map(([value]) => value),
    async [Symbol.asyncDispose]() {
      connection.closeSync();
      instance.closeSync();
      await rm(folder_path, { recursive: true, force: true });
    },
  };
}

/** Takes the body of an answer of `POST /sql` apart; throws if it is not one. */
export function readAnswer(body: unknown): Answer {
  if (!isRecord(body)) throw new Error("the answer is no object");
  const { columns, rows, row_count } = body;
  if (!Array.isArray(columns) || !Array.isArray(rows) || row_count !== rows.length) {
    throw new Error("the answer has no columns, no rows, or another row_count");
  }
  return {
    types: columns.map((column: unknown) => (isRecord(column) ? column["type"] : undefined)),
    rows: rows.map((row: unknown) => (Array.isArray(row) ? row : [])),
  };
}

/** fast-check's settings: as many runs, and the seed of the environment if there is one. */
export function runs(numRuns: number): { numRuns: number; seed?: number } {
  const seed = process.env["LAKEHOUSE_TEST_SEED"];
  return seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) };
}
