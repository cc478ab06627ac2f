import type { BigIntStats } from "node:fs";
import { type FileHandle, stat, utimes } from "node:fs/promises";
import type { ObjectInfo } from "../../core/storage.ts";

/**
 * Versions of objects. Each put gives its file a modification time, in whole microseconds, that no
 * earlier version of that key had; together with the size it is the etag. It costs no second file,
 * no second write and no read, it is set before the data is synced and so survives a power cut, and
 * it survives `cp -a` (docs/decisions/0002-etag-from-stamps.md).
 *
 * Why no two versions of a key share a stamp: a put that replaces takes more than the stamp it
 * replaces; a put that creates takes more than the mark; and a delete raises the mark to the stamp
 * it removes. All three happen under the lock of the root.
 */
export class Stamps {
  readonly #mark_path: string;
  #last_us = 0;
  #remembering: Promise<unknown> = Promise.resolve();

  /** `mark_path`: an empty file whose modification time is the mark. */
  constructor(mark_path: string) {
    this.#mark_path = mark_path;
  }

  /** A stamp for bytes that are about to be written: now, and never the same twice. */
  next(): number {
    this.#last_us = Math.max(Date.now() * 1000, this.#last_us + 1);
    return this.#last_us;
  }

  /** No version that was ever removed has a later stamp. Under the lock. */
  async mark(): Promise<number> {
    return stampOf(await stat(this.#mark_path, { bigint: true }));
  }

  /** Raises the mark to the stamp of a version that is about to be removed. Under the lock. */
  async remember(removed: BigIntStats): Promise<void> {
    const stamp_us = stampOf(removed);
    // One after the other: of two at once, the lower stamp could be written last.
    const before = this.#remembering;
    const raise = async (): Promise<void> => {
      await before;
      if (stamp_us > (await this.mark())) {
        await utimes(this.#mark_path, secondsOf(stamp_us), secondsOf(stamp_us));
      }
    };
    const raised = raise();
    this.#remembering = raised.catch(() => {});
    await raised;
  }
}

/** The stamp, or the next one that is later than every earlier version of the key. */
export function laterThan(
  stamp_us: number,
  replaced: BigIntStats | undefined,
  mark_us: number,
): number {
  return Math.max(stamp_us, (replaced === undefined ? mark_us : stampOf(replaced)) + 1);
}

export function stampOf(stats: BigIntStats): number {
  return Number(stats.mtimeNs / 1000n);
}

export async function setStamp(file: FileHandle, stamp_us: number): Promise<void> {
  await file.utimes(secondsOf(stamp_us), secondsOf(stamp_us));
}

/**
 * Times pass through a double of seconds, whose steps today are a quarter of a microsecond. With
 * half a microsecond added, every whole microsecond comes back when it is rounded down again.
 */
function secondsOf(stamp_us: number): number {
  return (stamp_us + 0.5) / 1e6;
}

/** What a file says about the object in it. */
export function infoOf(key: string, stats: BigIntStats): ObjectInfo {
  return {
    key,
    size_bytes: Number(stats.size),
    etag: `${stats.mtimeNs.toString(36)}-${stats.size.toString(36)}`,
    last_modified: new Date(Number(stats.mtimeNs / 1_000_000n)),
  };
}
