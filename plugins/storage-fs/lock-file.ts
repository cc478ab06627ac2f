import { Database, SQLiteError, type Statement } from "bun:sqlite";
import { LakehouseError } from "../../core/error.ts";

/**
 * Mutual exclusion between processes: an `EXCLUSIVE` transaction of an empty SQLite database. The
 * operating system drops it when its holder dies, however it dies; nothing is ever written.
 *
 * Never open such a file by any other means: POSIX drops all locks a process has on a file when it
 * closes any descriptor of it, and only SQLite keeps account of that.
 */
export class LockFile {
  readonly #database: Database;
  readonly #begin: Statement;
  readonly #end: Statement;

  constructor(path: string) {
    this.#database = new Database(path, { create: true, readwrite: true });
    // Waiting inside SQLite would block the event loop.
    this.#database.run("PRAGMA busy_timeout = 0");
    this.#begin = this.#database.prepare("BEGIN EXCLUSIVE");
    this.#end = this.#database.prepare("ROLLBACK");
  }

  /** False if somebody else holds it. */
  tryAcquire(): boolean {
    try {
      this.#begin.run();
      return true;
    } catch (error) {
      if (error instanceof SQLiteError && error.code?.startsWith("SQLITE_BUSY") === true) {
        return false;
      }
      throw new LakehouseError("storage_failed", "The lock of the storage folder failed.", {
        cause: error,
      });
    }
  }

  release(): void {
    this.#end.run();
  }

  /** Releases it too. */
  close(): void {
    this.#begin.finalize();
    this.#end.finalize();
    this.#database.close();
  }
}

/** Says that its holder is alive, for as long as it is. */
export class LivenessLock {
  readonly #file: LockFile;

  private constructor(file: LockFile) {
    this.#file = file;
  }

  /** Undefined if another live process holds it. */
  static take(path: string): LivenessLock | undefined {
    const file = new LockFile(path);
    if (file.tryAcquire()) return new LivenessLock(file);
    file.close();
    return undefined;
  }

  release(): void {
    this.#file.close();
  }
}
