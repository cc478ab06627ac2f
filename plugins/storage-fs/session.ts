import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { errnoOf } from "./errno.ts";
import { LivenessLock } from "./lock-file.ts";

/**
 * A process's own folder for unfinished files, on the file system of the objects, so that a rename
 * makes them whole objects. Its lock lives and dies with the process: what a crash left behind is
 * known by a lock that nobody holds, and never by a process id, which other containers or a reboot
 * may give to somebody else.
 */
export class Session {
  readonly path: string;
  readonly #alive: LivenessLock;
  #files = 0;

  private constructor(path: string, alive: LivenessLock) {
    this.path = path;
    this.#alive = alive;
  }

  /** Under the lock of the root: `sweep` takes a folder without a lock for a leftover. */
  static async start(sessions_path: string): Promise<Session> {
    const path = `${sessions_path}/${randomUUID()}`;
    await mkdir(path);
    const alive = LivenessLock.take(`${path}/lock`);
    if (alive === undefined) throw new Error("a new session is already locked");
    return new Session(path, alive);
  }

  /** A path that nothing has used before. */
  newPath(): string {
    return `${this.path}/${++this.#files}`;
  }

  /** What unfinished puts of this process hold at the moment. */
  async unfinished(): Promise<readonly string[]> {
    return (await readdir(this.path)).filter((name) => !name.startsWith("lock"));
  }

  async end(): Promise<void> {
    // The folder first: without the lock, another process may sweep it at the same time.
    await rm(this.path, { recursive: true, force: true });
    this.#alive.release();
  }
}

/** Removes the folders of dead sessions, under the lock of the root; returns how many. */
export async function sweep(sessions_path: string): Promise<number> {
  let swept = 0;
  for (const name of await readdir(sessions_path)) {
    const path = `${sessions_path}/${name}`;
    const dead = takeIfDead(`${path}/lock`);
    if (dead === undefined) continue;
    try {
      await rm(path, { recursive: true, force: true });
      swept++;
    } finally {
      dead.release();
    }
  }
  return swept;
}

function takeIfDead(path: string): LivenessLock | undefined {
  try {
    return LivenessLock.take(path);
  } catch (error) {
    // Its owner ended between our reading the folder and now.
    if (errnoOf(error) === "SQLITE_CANTOPEN") return undefined;
    throw error;
  }
}
