import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { TestServer } from "./server.ts";

/** Folders of uploads that are under way or were left behind. */
export async function spools(server: TestServer): Promise<readonly string[]> {
  const scratch = join(server.config_path, "../scratch");
  const processes = await readdir(scratch);
  const folders = await Promise.all(
    processes.map((id) => readdir(join(scratch, id, "ingest-csv")).catch(() => [])),
  );
  return folders.flat();
}

/** Names of the files of uploads that are under way. */
export async function workFiles(server: TestServer): Promise<readonly string[]> {
  const glob = new Bun.Glob("scratch/*/ingest-csv/**/*");
  const paths = await Array.fromAsync(glob.scan({ cwd: join(server.config_path, "..") }));
  return paths.map((path) => basename(path));
}

/** Asks again until it is so; the test's own timeout ends it. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await Bun.sleep(2);
}

/** A CSV file that takes a second or so to convert. */
export function longCsv(row_count = 300_000): string {
  const row = `${"1,2.5,2024-01-01,some text;".repeat(8)}\n`;
  return `${row.replaceAll(/[^,\n]+/g, "c")}${row.repeat(row_count)}`;
}
