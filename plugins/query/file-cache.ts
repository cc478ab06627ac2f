import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { LakehouseError } from "../../core/error.ts";

export interface CachedFile {
  readonly path: string;
  readonly release: () => void;
}

interface Entry {
  readonly path: string;
  readonly size_bytes: number;
  /** Statements that read it now, or wait for it to arrive. */
  users: number;
  /** Settles when the file is there. */
  readonly filled: Promise<void>;
}

/**
 * Immutable files under a limit. The least recently used one goes first, but never one in use. A
 * file that many ask for at once is filled once.
 */
export class FileCache {
  readonly #folder_path: string;
  readonly #limit_bytes: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  #used_bytes = 0;
  #filled_count = 0;

  constructor(folder_path: string, limit_bytes: number) {
    this.#folder_path = folder_path;
    this.#limit_bytes = limit_bytes;
  }

  get used_bytes(): number {
    return this.#used_bytes;
  }

  /**
   * The file of this id. `fill` writes it to the path it is given, which does not exist yet; if it
   * throws, nothing stays. `limit_exceeded` if the file is larger than the cache, `overloaded` if
   * it does not fit beside the files in use.
   */
  async acquire(
    id: string,
    size_bytes: number,
    fill: (path: string) => Promise<void>,
  ): Promise<CachedFile> {
    const entry = this.#entries.get(id) ?? this.#insert(id, size_bytes, fill);
    entry.users += 1;
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    try {
      await entry.filled;
    } catch (error) {
      entry.users -= 1;
      throw error;
    }
    let released = false;
    return {
      path: entry.path,
      release: () => {
        if (!released) entry.users -= 1;
        released = true;
      },
    };
  }

  #insert(id: string, size_bytes: number, fill: (path: string) => Promise<void>): Entry {
    this.#makeRoom(size_bytes);
    // A path of its own each time: a file that is just being removed cannot take a new one along.
    this.#filled_count += 1;
    const path = join(this.#folder_path, `${id}-${this.#filled_count}.parquet`);
    this.#used_bytes += size_bytes;
    const filled = this.#fill(path, fill).catch((error: unknown) => {
      this.#entries.delete(id);
      this.#used_bytes -= size_bytes;
      throw error;
    });
    return { path, size_bytes, users: 0, filled };
  }

  async #fill(path: string, fill: (path: string) => Promise<void>): Promise<void> {
    await mkdir(this.#folder_path, { recursive: true, mode: 0o700 });
    try {
      await fill(path);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  #makeRoom(size_bytes: number): void {
    if (size_bytes > this.#limit_bytes) {
      throw new LakehouseError(
        "limit_exceeded",
        `An object of ${size_bytes} bytes does not fit in the local cache of ${this.#limit_bytes}.`,
        { hint: "Raise limits.cache_bytes." },
      );
    }
    const idle = [...this.#entries].filter(([, entry]) => entry.users === 0);
    let free_bytes = this.#limit_bytes - this.#used_bytes;
    for (const [id, entry] of idle) {
      if (free_bytes >= size_bytes) break;
      this.#entries.delete(id);
      this.#used_bytes -= entry.size_bytes;
      free_bytes += entry.size_bytes;
      // A reader that has it open keeps it; if it is asked for again, it is filled again.
      void rm(entry.path, { force: true });
    }
    if (free_bytes < size_bytes) {
      throw new LakehouseError(
        "overloaded",
        "The local cache of data objects is full of objects in use.",
        { hint: "Try again when other statements have ended, or raise limits.cache_bytes." },
      );
    }
  }
}
