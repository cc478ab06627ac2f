import { createHash } from "node:crypto";
import { join } from "node:path";
import { sqlLiteral } from "../../core/duckdb.ts";
import { okJson, type TestServer } from "./server.ts";
import type { TestEngine } from "./test-engine.ts";

interface Registered {
  readonly key: string;
  readonly size: number;
  readonly sha256: string;
}

/** The result of a statement as Parquet, sent through `/storage/put`. */
export async function putParquet(
  server: TestServer,
  engine: TestEngine,
  key: string,
  sql: string,
): Promise<Registered> {
  const path = join(engine.folder_path, `${crypto.randomUUID()}.parquet`);
  await engine.connection.run(`COPY (${sql}) TO ${sqlLiteral(path)} (FORMAT parquet)`);
  const bytes = await Bun.file(path).bytes();
  await okJson(await server.fetch(`/storage/put/${key}`, { method: "PUT", body: bytes }));
  return { key, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** Makes a dataset of one object per statement, all over HTTP. Returns its objects. */
export async function putDataset(
  server: TestServer,
  engine: TestEngine,
  name: string,
  ...statements: readonly string[]
): Promise<Registered[]> {
  const objects: Registered[] = [];
  for (const [index, sql] of statements.entries()) {
    objects.push(await putParquet(server, engine, `byhand/${name}/${index}.parquet`, sql));
  }
  await okJson(
    await server.post("/catalog/register", { name, schema_fingerprint: "by hand", objects }),
  );
  return objects;
}
