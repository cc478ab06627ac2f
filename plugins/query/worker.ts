import type { DuckDBConnection, DuckDBPreparedStatement } from "@duckdb/node-api";
import { Value } from "@sinclair/typebox/value";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { lockDown, openEngine } from "../../core/duckdb.ts";
import { errorToJson, LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { WorkerHandler, WorkerIo, WorkerRole } from "../../core/workers.ts";
import { engineError, leavesUnfit } from "./engine-error.ts";
import { Engines } from "./engines.ts";
import { inspectWith } from "./inspect.ts";
import { bindParameters } from "./parameters.ts";
import { initSchema, requestSchema, type RunRequest, type WorkerInit } from "./protocol.ts";
import { renderResult, ResultCutShort } from "./render/render.ts";

/** The parser's engine never touches data. */
const PARSER_MEMORY_BYTES = 256 * 1024 * 1024;

/** The process that statements run in: it may die, and then one request fails. */
export const role: WorkerRole = {
  async start(payload) {
    const init = Value.Parse(initSchema, payload);
    await sweepSpills(init.temp_path);
    const temp_path = join(init.temp_path, String(process.pid));
    const parser = await openParser(init, temp_path);
    const engines = new Engines(init, temp_path);
    const handler: WorkerHandler = async (message, io) => {
      const request = Value.Parse(requestSchema, message);
      return request.op === "inspect"
        ? inspectStatement(parser, request.sql)
        : run(request, { engines, temp_path, limit_bytes: init.result_bytes }, io);
    };
    return handler;
  },
};

/** An engine of its own, without files: parsing must not see, or change, what statements see. */
async function openParser(init: WorkerInit, temp_path: string): Promise<DuckDBConnection> {
  const engine = await openEngine({
    threads: 1,
    memory_limit_bytes: PARSER_MEMORY_BYTES,
    temp_path: join(temp_path, "parser"),
    temp_limit_bytes: init.temp_limit_bytes,
  });
  const connection = await engine.connect();
  await lockDown(connection, []);
  return connection;
}

async function inspectStatement(parser: DuckDBConnection, sql: string): Promise<Json> {
  const { tables, parameters } = await inspectWith(parser, sql);
  return {
    tables: tables.map(({ name, position }) =>
      position === undefined ? { name } : { name, position: { ...position } },
    ),
    parameters,
  };
}

interface RunContext {
  readonly engines: Engines;
  readonly temp_path: string;
  readonly limit_bytes: number;
}

async function run(request: RunRequest, context: RunContext, io: WorkerIo): Promise<Json> {
  const { sql, params, tables, format } = request;
  const { engines, temp_path, limit_bytes } = context;
  const connection = await engines.connect(tables);
  let statement: DuckDBPreparedStatement | undefined;
  try {
    statement = await connection.prepare(sql);
    bindParameters(statement, params);
    const { row_count, size_bytes } = await renderResult({
      result: await statement.stream(),
      format,
      limit_bytes,
      write: (bytes) => io.write(bytes),
    });
    return { row_count, size_bytes };
  } catch (error) {
    const cause = error instanceof ResultCutShort ? await explain(error, statement) : error;
    const problem = engineError(cause, { sql, tables, temp_path });
    if (problem instanceof LakehouseError && leavesUnfit(cause, temp_path)) {
      // The server takes this for the answer, and this process out of service.
      io.progress(errorToJson(problem));
      await new Promise<never>(() => {});
    }
    throw problem;
  } finally {
    statement?.destroySync();
  }
}

/** Why a stream ended early: run to its end, the same statement says so. */
async function explain(
  error: ResultCutShort,
  statement: DuckDBPreparedStatement | undefined,
): Promise<unknown> {
  if (error.sent) {
    return new LakehouseError(
      "invalid_sql",
      "The statement failed after its first rows were sent.",
    );
  }
  try {
    await statement?.run();
    return error;
  } catch (reason) {
    return reason;
  }
}

/** Workers end by SIGKILL, so each sweeps what dead ones spilled; folders are named by process. */
async function sweepSpills(temp_path: string): Promise<void> {
  const names = await readdir(temp_path).catch(() => []);
  await Promise.all(
    names
      .filter((name) => !isAlive(Number(name)))
      .map((name) => rm(join(temp_path, name), { recursive: true, force: true })),
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
