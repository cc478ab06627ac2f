import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { chmod, lstat, mkdir, readdir, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { LakehouseError } from "./error.ts";
import type { Logger } from "./log.ts";

/** The private folder of one process for spools and caches. */
export interface Scratch {
  readonly path: string;
  /** Makes and returns the folder of one plugin. */
  folder(plugin: string): Promise<string>;
  remove(): Promise<void>;
}

const LOCK_FILE = "lock.sqlite";

/**
 * Makes this process's folder below `root` and sweeps those of processes that are gone. Whether
 * one is gone is asked of a lock, not of a process id: ids are reused, and mean nothing between
 * containers that share a folder, while the kernel drops a lock with the process that held it.
 */
export async function openScratch(configured: string | undefined, log: Logger): Promise<Scratch> {
  const root = configured ?? defaultRoot();
  await mkdir(root, { recursive: true, mode: 0o700 });
  await refuseForeignFolder(root);
  await sweep(root, log);
  const path = join(root, uuidv7());
  await mkdir(path, { mode: 0o700 });
  const lock = new Database(join(path, LOCK_FILE), { create: true });
  lock.run("BEGIN EXCLUSIVE");
  return {
    path,
    async folder(plugin) {
      const folder = join(path, plugin);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return folder;
    },
    async remove() {
      lock.close();
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** `/var/tmp` rather than `/tmp`, which is memory on many systems, and uploads can be large. */
function defaultRoot(): string {
  const temporary =
    process.env["TMPDIR"] === undefined && existsSync("/var/tmp") ? "/var/tmp" : tmpdir();
  return join(temporary, `lakehouse-${userInfo().uid}`);
}

/** Someone else may have made the folder first, in a place where everybody can write. */
async function refuseForeignFolder(root: string): Promise<void> {
  const found = await lstat(root);
  const { uid, mode } = found;
  const mine = process.getuid === undefined || uid === process.getuid();
  if (!mine || !found.isDirectory()) {
    throw new LakehouseError(
      "invalid_config",
      `The scratch folder ${root} is not a folder of this user.`,
      {
        hint: "Set scratch_path under [server] to a folder of your own.",
      },
    );
  }
  if ((mode & 0o077) !== 0) await chmod(root, 0o700);
}

async function sweep(root: string, log: Logger): Promise<void> {
  for (const name of await readdir(root)) {
    const path = join(root, name);
    if (!existsSync(join(path, LOCK_FILE)) || isHeld(join(path, LOCK_FILE))) continue;
    await rm(path, { recursive: true, force: true });
    log.info({ scratch: name }, "removed what an earlier process left behind");
  }
}

/** True if a living process holds the lock. */
function isHeld(path: string): boolean {
  let lock: Database | undefined;
  try {
    lock = new Database(path, { readwrite: true });
    lock.run("PRAGMA busy_timeout = 0");
    lock.run("BEGIN EXCLUSIVE");
    return false;
  } catch {
    return true;
  } finally {
    lock?.close();
  }
}
