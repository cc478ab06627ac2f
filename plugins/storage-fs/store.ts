import type { BigIntStats } from "node:fs";
import { lstat, rename, rm, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { LakehouseError } from "../../core/error.ts";
import {
  checkKey,
  type GetOptions,
  type ListOptions,
  type ListPage,
  type ObjectInfo,
  type ObjectStore,
  type PutBody,
  type PutOptions,
  type StorageTraits,
  type StoredObject,
} from "../../core/storage.ts";
import { syncFolder } from "./durable.ts";
import { isAbsent, onDisk, orAbsent } from "./errno.ts";
import { extentOf, fileObject, ReadableFile } from "./read.ts";
import { closeRoot, openRoot, type Root, type RootOptions } from "./root.ts";
import { spool, type Spooled, throwIfAborted } from "./spool.ts";
import { infoOf, laterThan, setStamp } from "./stamp.ts";
import { walk } from "./walk.ts";

/** Also the most S3 gives in one page, so that callers meet the same pages everywhere. */
const PAGE_LIMIT = 1000;

/** Objects as files below one folder, shared safely by any number of processes of one machine. */
export class FsStore implements ObjectStore {
  readonly scheme = "file";
  readonly traits: StorageTraits = { conditional_put: true, local_path: true };
  readonly #options: RootOptions;
  #root: Root | undefined;

  constructor(options: RootOptions) {
    this.#options = options;
  }

  /** Returns how many leftovers of dead processes it swept. `invalid_config` if it cannot be used. */
  async open(): Promise<number> {
    this.#root ??= await openRoot(this.#options);
    return this.#root.swept;
  }

  async close(): Promise<void> {
    const root = this.#root;
    this.#root = undefined;
    if (root !== undefined) await closeRoot(root);
  }

  /** The temporary files of puts under way in this process. */
  async unfinished(): Promise<readonly string[]> {
    return this.#opened().session.unfinished();
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    checkKey(key);
    const root = this.#opened();
    // A lost race is told before the bytes are sent for nothing; what decides is the check below.
    if (isConditional(options)) checkConditions(key, options, await this.#find(key));
    const stamp_us = root.stamps.next();
    const spooled = await spool(root.session.newPath(), body, stamp_us, options.signal);
    try {
      const path = await root.lock.inTurn(key, () => commit(root, key, spooled, stamp_us, options));
      await settle(root, dirname(path), "put");
      return infoOf(key, await onDisk("a new object", () => spooled.file.stat({ bigint: true })));
    } finally {
      await spooled.file.close();
      await rm(spooled.path, { force: true });
    }
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<StoredObject | undefined> {
    checkKey(key);
    throwIfAborted(signal);
    const file = await onDisk("reading an object", () => this.#openObject(key));
    if (file === undefined) return undefined;
    try {
      const info = infoOf(key, file.stat());
      return fileObject(file, info, extentOf(info, range), signal);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key);
    const stats = await this.#find(key);
    return stats === undefined ? undefined : infoOf(key, stats);
  }

  async delete(key: string): Promise<boolean> {
    checkKey(key);
    const root = this.#opened();
    const folder = await root.lock.inTurn(key, () =>
      root.lock.together(() => onDisk("removing an object", () => remove(root, key))),
    );
    if (folder !== undefined) await settle(root, folder, "delete");
    return folder !== undefined;
  }

  async list({ prefix = "", after = "", limit = PAGE_LIMIT }: ListOptions = {}): Promise<ListPage> {
    const { tree } = this.#opened();
    const count = Math.max(1, Math.min(limit, PAGE_LIMIT));
    return onDisk("listing objects", async () => {
      const listed = await walk(tree, prefix, after, count + 1);
      const page = listed.slice(0, count);
      const objects = await Promise.all(
        page.map(async ({ key, path }) => {
          const stats = await orAbsent(lstat(path, { bigint: true }));
          return stats?.isFile() === true ? [infoOf(key, stats)] : [];
        }),
      );
      const last = page.at(-1);
      return {
        objects: objects.flat(),
        ...(listed.length > count && last !== undefined ? { next: last.key } : {}),
      };
    });
  }

  async localPath(key: string): Promise<string | undefined> {
    checkKey(key);
    const { tree } = this.#opened();
    const { found } = await onDisk("finding an object", () => tree.look(key));
    return found?.path;
  }

  async #find(key: string): Promise<BigIntStats | undefined> {
    const { tree } = this.#opened();
    const { found } = await onDisk("finding an object", () => tree.look(key));
    return found?.stats;
  }

  async #openObject(key: string): Promise<ReadableFile | undefined> {
    const { tree } = this.#opened();
    const plain = tree.plainPath(key);
    // Nearly always this is all it takes.
    const file = await ReadableFile.open(plain.path);
    if (file !== undefined) {
      if (file.stat().isFile() && (await file.isReally(plain))) return file;
      await file.close();
    }
    const { found } = await tree.look(key);
    return found === undefined ? undefined : ReadableFile.open(found.path);
  }

  #opened(): Root {
    if (this.#root !== undefined) return this.#root;
    throw new LakehouseError("not_ready", "The storage folder is not open.");
  }
}

/** Makes a spooled file the object, if the conditions hold, and returns its path. */
async function commit(
  root: Root,
  key: string,
  spooled: Spooled,
  stamp_us: number,
  options: PutOptions,
): Promise<string> {
  const attempt = (alone: boolean) => (): Promise<string | undefined> => {
    throwIfAborted(options.signal);
    return onDisk("a new object", () => place(root, key, spooled, stamp_us, options, alone));
  };
  const path = (await root.lock.together(attempt(false))) ?? (await root.lock.alone(attempt(true)));
  if (path !== undefined) return path;
  throw new LakehouseError("storage_failed", "The folder of the object vanished while it was put.");
}

/** Undefined if folders have to be made, which only one that is `alone` may. Under the lock. */
async function place(
  { tree, stamps }: Root,
  key: string,
  { path: temporary, file }: Spooled,
  stamp_us: number,
  options: PutOptions,
  alone: boolean,
): Promise<string | undefined> {
  const [seen, mark_us] = await Promise.all([tree.look(key), stamps.mark()]);
  checkConditions(key, options, seen.found?.stats);
  if (seen.folder === undefined && !alone) return undefined;
  const later_us = laterThan(stamp_us, seen.found?.stats, mark_us);
  if (later_us !== stamp_us) {
    await setStamp(file, later_us);
    await file.sync();
  }
  const path = seen.found?.path ?? (await tree.make(seen));
  try {
    await rename(temporary, path); // The commit point.
    return path;
  } catch (error) {
    // A delete beside it has just pruned the folder.
    if (isAbsent(error) && !alone) return undefined;
    throw error;
  }
}

/** Returns the folder whose names changed; undefined if there is no such object. Under the lock. */
async function remove({ tree, stamps }: Root, key: string): Promise<string | undefined> {
  const { found } = await tree.look(key);
  if (found === undefined) return undefined;
  await stamps.remember(found.stats);
  await unlink(found.path); // The commit point.
  return tree.prune(dirname(found.path));
}

function isConditional({ if_absent, if_match }: PutOptions): boolean {
  return if_absent === true || if_match !== undefined;
}

function checkConditions(key: string, options: PutOptions, found: BigIntStats | undefined): void {
  const { if_absent, if_match } = options;
  if (if_absent === true && found !== undefined) {
    throw new LakehouseError("precondition_failed", "The object exists already.", {
      extra: { key },
    });
  }
  if (if_match === undefined) return;
  if (found === undefined || infoOf(key, found).etag !== if_match) {
    throw new LakehouseError(
      "precondition_failed",
      found === undefined ? "There is no such object." : "The object has another etag.",
      { hint: "Read the object again and decide anew.", extra: { key } },
    );
  }
}

/**
 * Makes a commit durable. If that fails the change is visible but may not outlive a power cut, so
 * the caller must not take it for undone.
 */
async function settle({ tree }: Root, folder: string, what: string): Promise<void> {
  try {
    for (let path = folder; ; path = dirname(path)) {
      try {
        await syncFolder(path);
        return;
      } catch (error) {
        // Pruned by a later delete; the first folder above that stays tells of all of it.
        if (!isAbsent(error) || path === tree.root) throw error;
      }
    }
  } catch (error) {
    throw new LakehouseError(
      "commit_unknown",
      `The ${what} was made, but the disk did not confirm that it is durable.`,
      { hint: "Check the disk, then read the object back.", cause: error },
    );
  }
}
