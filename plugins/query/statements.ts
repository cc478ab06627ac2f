import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { checkBody, readJson } from "../../core/body.ts";
import { errorFromJson, LakehouseError } from "../../core/error.ts";
import type { Limits } from "../../core/limits.ts";
import type { CatalogService } from "../../core/services.ts";
import type { WorkerPool, WorkerStream } from "../../core/workers.ts";
import { CONTENT_TYPES, negotiate } from "./accept.ts";
import { type Dataset, findDatasets } from "./datasets.ts";
import type { ObjectFile, ObjectFiles } from "./object-files.ts";
import { checkParameters } from "./parameters.ts";
import { inspectionSchema, parametersSchema, type Parameters, type Table } from "./protocol.ts";
import type { Format } from "./render/layout.ts";
import { tableOf } from "./tables.ts";

const bodySchema = Type.Object(
  { sql: Type.String(), params: Type.Optional(parametersSchema) },
  { additionalProperties: false },
);

type Inspected = Static<typeof inspectionSchema>;

/** Inspections are pure, so those of short statements are remembered: it saves a round trip. */
const REMEMBERED_LIMIT = 512;
const REMEMBERED_BYTES = 8 * 1024;

export interface StatementsOptions {
  readonly pool: WorkerPool;
  readonly catalog: CatalogService;
  readonly files: ObjectFiles;
  readonly limits: Limits;
}

/**
 * The life of one statement on the server's side: inspect it, find its datasets, have their files
 * at hand, run it, pass the bytes on. Rows are never touched here.
 */
export class Statements {
  readonly #options: StatementsOptions;
  readonly #remembered = new Map<string, Inspected>();

  constructor(options: StatementsOptions) {
    this.#options = options;
  }

  /** Answers `POST /sql`. Once this returns, a failure can only reset the connection. */
  async answer(request: Request): Promise<Response> {
    const { limits, catalog } = this.#options;
    const format = negotiate(request.headers.get("accept"));
    const body = checkBody(bodySchema, await readJson(request, limits.json_body_bytes));
    const { sql, params = [] } = body;
    checkText(sql, limits.sql_bytes);
    const inspected = await this.#inspect(sql, request.signal);
    checkParameters(params, inspected.parameters, limits.sql_parameters);
    if (inspected.tables.length > limits.sql_tables) {
      throw new LakehouseError(
        "limit_exceeded",
        `The statement names ${inspected.tables.length} tables, more than ${limits.sql_tables}.`,
        { hint: "Divide it, or raise limits.sql_tables." },
      );
    }
    const opened = await this.#open(await findDatasets(inspected.tables, catalog));
    const stream = await this.#run({ sql, params, format, opened, signal: request.signal });
    return new Response(pass(stream), {
      headers: {
        "content-type": CONTENT_TYPES[format],
        "cache-control": "no-store",
        vary: "Accept",
      },
    });
  }

  async #inspect(sql: string, signal: AbortSignal): Promise<Inspected> {
    const remembered = this.#remembered.get(sql);
    if (remembered !== undefined) return remembered;
    const { pool, limits } = this.#options;
    const answer = await pool.call(
      { op: "inspect", sql },
      { deadline_ms: limits.sql_timeout_ms, signal },
    );
    const inspected = Value.Parse(inspectionSchema, answer);
    if (sql.length <= REMEMBERED_BYTES) {
      this.#remembered.set(sql, inspected);
      const [oldest] = this.#remembered.keys();
      if (this.#remembered.size > REMEMBERED_LIMIT && oldest !== undefined) {
        this.#remembered.delete(oldest);
      }
    }
    return inspected;
  }

  async #open(datasets: readonly Dataset[]): Promise<Opened> {
    const files: ObjectFile[] = [];
    const release = (): void => files.forEach((file) => file.release());
    try {
      const tables: Table[] = [];
      for (const dataset of datasets) {
        const own: ObjectFile[] = [];
        for (const object of dataset.manifest.objects) {
          const file = await this.#options.files.open(object);
          own.push(file);
          files.push(file);
        }
        tables.push(tableOf(dataset, own));
      }
      return { tables, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async #run({ sql, params, format, opened, signal }: RunOptions): Promise<WorkerStream> {
    const { pool, limits } = this.#options;
    try {
      const stream = await pool.stream(
        { op: "run", sql, params, tables: opened.tables, format },
        { deadline_ms: limits.sql_timeout_ms, signal, onProgress: endUnfit },
      );
      // Not when the body was sent: a body that nobody reads would keep the files for ever.
      stream.result.then(opened.release, opened.release);
      return stream;
    } catch (error) {
      opened.release();
      throw error;
    }
  }
}

/**
 * A worker that failed in a way it may not recover from reports the failure as progress and waits:
 * to throw here ends the call with it and replaces the worker.
 */
function endUnfit(progress: unknown): void {
  const failure = errorFromJson(progress);
  if (failure !== undefined) throw failure;
}

interface Opened {
  readonly tables: Table[];
  readonly release: () => void;
}

interface RunOptions {
  readonly sql: string;
  readonly params: Parameters;
  readonly format: Format;
  readonly opened: Opened;
  readonly signal: AbortSignal;
}

function checkText(sql: string, limit_bytes: number): void {
  const size_bytes = Buffer.byteLength(sql);
  if (size_bytes > limit_bytes) {
    throw new LakehouseError(
      "body_too_large",
      `The statement has ${size_bytes} bytes, more than ${limit_bytes}.`,
      { hint: "Pass values as parameters, or raise limits.sql_bytes.", extra: { limit_bytes } },
    );
  }
  // The engine's parser would stop at the first and run what stands before it.
  if (sql.includes("\0") || !sql.isWellFormed()) {
    throw new LakehouseError("invalid_sql", "The statement holds U+0000 or half a surrogate pair.");
  }
}

/** An error in here resets the connection: a truncated result must never look complete. */
async function* pass(stream: WorkerStream): AsyncGenerator<Uint8Array> {
  yield* stream.bytes;
}
