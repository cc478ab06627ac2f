import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { join } from "node:path";
import { lockDown, openEngine } from "../../core/duckdb.ts";
import { pathsOf, type Table, type WorkerInit } from "./protocol.ts";
import { createView } from "./views.ts";

/** Each costs threads and address space, but next to no memory while idle. */
const ENGINES_KEPT = 8;

/**
 * What the engine computes of a result before it hands out the first row. A failure until then is
 * a problem with a message; a later one can only reset the connection.
 */
const STREAMING_BUFFER_BYTES = 16 * 1024 * 1024;

interface Engine {
  readonly instance: DuckDBInstance;
  /** The only one: its settings are fixed by the lock, and no gated statement changes its state. */
  readonly connection: DuckDBConnection;
}

/**
 * Locked-down engines, one per set of tables: what a statement may open is fixed when its engine
 * is locked, so another set needs another engine. Opening one costs about 10 ms; the last few are
 * kept, because statements over the same tables come in rows and only gated SELECTs run here.
 */
export class Engines {
  readonly #init: WorkerInit;
  readonly #temp_path: string;
  /** Least recently used first. */
  readonly #kept = new Map<string, Engine>();
  #opened = 0;

  constructor(init: WorkerInit, temp_path: string) {
    this.#init = init;
    this.#temp_path = temp_path;
  }

  /**
   * A connection that can run one statement after the other over these tables. `data_corrupt` if
   * the files of a table cannot be read, or are not what the catalog says of them.
   */
  async connect(tables: readonly Table[]): Promise<DuckDBConnection> {
    const key = JSON.stringify(tables);
    const kept = this.#kept.get(key);
    if (kept !== undefined) this.#kept.delete(key);
    const engine = kept ?? (await this.#open(tables));
    this.#kept.set(key, engine);
    const [oldest] = this.#kept;
    if (this.#kept.size > ENGINES_KEPT && oldest !== undefined) {
      const [oldest_key, { instance, connection }] = oldest;
      this.#kept.delete(oldest_key);
      connection.closeSync();
      instance.closeSync();
    }
    return engine.connection;
  }

  async #open(tables: readonly Table[]): Promise<Engine> {
    this.#opened += 1;
    const { threads, memory_limit_bytes, temp_limit_bytes } = this.#init;
    const instance = await openEngine({
      threads,
      memory_limit_bytes,
      // One each: engines do not expect to share the folder they spill to.
      temp_path: join(this.#temp_path, String(this.#opened)),
      temp_limit_bytes,
    });
    const connection = await instance.connect();
    try {
      for (const table of tables) await createView(connection, table, this.#temp_path);
      await connection.run(`SET streaming_buffer_size = '${STREAMING_BUFFER_BYTES}B'`);
      await lockDown(connection, tables.flatMap(pathsOf));
      return { instance, connection };
    } catch (error) {
      connection.closeSync();
      instance.closeSync();
      throw error;
    }
  }
}
