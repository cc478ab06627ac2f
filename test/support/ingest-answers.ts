import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "bun:test";
import { isRecord } from "../../core/json.ts";
import { okJson, type TestServer } from "./server.ts";

/** Column name → type of the manifest in an answer of `POST /ingest`. */
export function typesOf(answer: Record<string, unknown>): Record<string, unknown> {
  const columns = isRecord(answer["manifest"]) ? answer["manifest"]["columns"] : undefined;
  return Object.fromEntries(
    (Array.isArray(columns) ? columns : []).map((each) => [each.name, each.type]),
  );
}

/** Folders of uploads that are under way or were left behind. */
export async function spools(server: TestServer): Promise<readonly string[]> {
  const scratch = join(server.config_path, "../scratch");
  const processes = await readdir(scratch);
  const folders = await Promise.all(
    processes.map((id) => readdir(join(scratch, id, "ingest-csv")).catch(() => [])),
  );
  return folders.flat();
}

/** Asserts that no upload left an object, a dataset or a file behind. */
export async function nothingStored(server: TestServer): Promise<void> {
  const listed = await okJson(await server.fetch("/storage/list?prefix=datasets/"));
  expect(listed["objects"]).toEqual([]);
  expect(await okJson(await server.fetch("/catalog/list"))).toMatchObject({ count: 0 });
  expect(await spools(server)).toEqual([]);
}
