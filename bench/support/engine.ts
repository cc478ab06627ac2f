import { join } from "node:path";
import { existsSync } from "node:fs";
import { isRecord } from "../../core/json.ts";
import { CLICKHOUSE_FOLDER, type Conversion, type EngineName } from "./engine-process.ts";

/** An engine that converts CSV to Parquet in a process of its own, which stays warm. */
export interface Engine extends Disposable {
  readonly name: EngineName;
  readonly pid: number;
  /** Milliseconds, as measured there. */
  convert(conversion: Conversion): Promise<number>;
}

export async function startEngine(name: EngineName): Promise<Engine> {
  let next = Promise.withResolvers<unknown>();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "engine-process.ts"), name], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc: (message: unknown) => next.resolve(message),
    onExit: (_, code) => next.reject(new Error(`${name} ended with code ${code}`)),
  });
  await next.promise;
  return {
    name,
    pid: child.pid,
    async convert(conversion) {
      next = Promise.withResolvers<unknown>();
      child.send(conversion);
      const answer = await next.promise;
      if (isRecord(answer) && typeof answer["duration_ms"] === "number")
        return answer["duration_ms"];
      throw new Error(`${name}: ${JSON.stringify(answer)}`);
    },
    [Symbol.dispose]() {
      next.promise.catch(() => undefined);
      child.kill();
    },
  };
}

/** Fetches ClickHouse if it is not there; false, with a word about it, if it cannot be had. */
export async function installClickhouse(): Promise<boolean> {
  if (existsSync(join(CLICKHOUSE_FOLDER, "node_modules/chdb"))) return true;
  console.log("Installing ClickHouse (npm chdb, 546 MB) into bench/clickhouse, once …");
  const child = Bun.spawn([process.execPath, "install", "--frozen-lockfile"], {
    cwd: CLICKHOUSE_FOLDER,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await child.exited) === 0) return true;
  console.log("It cannot be installed here; the comparison goes without it.");
  return false;
}
