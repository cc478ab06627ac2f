import type { BigIntStats } from "node:fs";
import { lstat, realpath, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { LakehouseError } from "../../core/error.ts";
import { makeFolder } from "./durable.ts";
import { errnoOf, orAbsent } from "./errno.ts";
import { type NameRules, namesOf, TWIN_MARK } from "./names.ts";

/** Where a key is, or would be. */
export interface Place {
  /** The folders on the way, as names. */
  readonly folders: readonly string[];
  /** The folder, if all of it exists. */
  readonly folder: string | undefined;
  /** The object, if there is one. */
  readonly found: { readonly path: string; readonly stats: BigIntStats } | undefined;
  /** The name a new object gets; undefined if foreign files stand in its way. */
  readonly free_name: string | undefined;
}

/**
 * The folders and files of a root. An object is a regular file reached through real folders only: a
 * symbolic link is neither, so none can lead out of the root.
 *
 * `a` and `a/b` can both be objects, but not both be named `a` on disk: whichever comes second is
 * `a%`. Nothing is ever renamed for that, so a reader never finds a key between two names. For one
 * name there is at most one file and one folder among `a` and `a%`: folders are made alone under
 * the lock of the root.
 */
export class Tree {
  readonly root: string;
  readonly rules: NameRules;

  /** `root` is a real path, without symbolic links. */
  constructor(root: string, rules: NameRules) {
    this.root = root;
    this.rules = rules;
  }

  /** The path of the key if nothing on the way shares its name with an object, and its folder. */
  plainPath(key: string): { readonly folder: string; readonly path: string } {
    const { folders, name } = this.#split(key);
    const folder = [this.root, ...folders].join("/");
    return { folder, path: `${folder}/${name}` };
  }

  async look(key: string): Promise<Place> {
    const { folders, name } = this.#split(key);
    const plain = [this.root, ...folders].join("/");
    // All at once: each is a trip to the thread pool, and nearly always these three tell everything.
    const [real, first, twin] = await Promise.all([
      isRealFolder(plain),
      lstatOrAbsent(`${plain}/${name}`),
      lstatOrAbsent(`${plain}/${name}${TWIN_MARK}`),
    ]);
    if (real) return place(folders, name, plain, first, twin);
    const folder = await this.folderOf(folders);
    if (folder === undefined) return place(folders, name, undefined, undefined, undefined);
    return place(
      folders,
      name,
      folder,
      await lstatOrAbsent(`${folder}/${name}`),
      await lstatOrAbsent(`${folder}/${name}${TWIN_MARK}`),
    );
  }

  /** The folder behind these names, level by level; undefined if there is none. */
  async folderOf(names: readonly string[]): Promise<string | undefined> {
    let folder = this.root;
    for (const name of names) {
      const child = await childFolder(folder, name);
      if (child === undefined) return undefined;
      folder = child;
    }
    return folder;
  }

  /** The path for a new object, with its folders made durably. Alone under the lock of the root. */
  async make({ folders, folder, free_name }: Place): Promise<string> {
    if (free_name === undefined) {
      throw new LakehouseError(
        "storage_failed",
        "Something that is no object stands where this object has to go.",
        { hint: "Move foreign files, links and folders out of the storage folder." },
      );
    }
    let parent = folder ?? this.root;
    if (folder === undefined) {
      for (const name of folders) {
        parent = (await childFolder(parent, name)) ?? (await makeChild(parent, name));
      }
    }
    return `${parent}/${free_name}`;
  }

  /**
   * Removes the folders that are empty now, from `path` upwards; returns the first that stays. Under
   * the lock of the root; a put beside it, which is about to use one of them, fails with ENOENT.
   */
  async prune(path: string): Promise<string> {
    let folder = path;
    while (folder !== this.root) {
      try {
        await rmdir(folder);
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") return folder;
      }
      folder = dirname(folder);
    }
    return folder;
  }

  #split(key: string): { readonly folders: readonly string[]; readonly name: string } {
    const names = key.split("/").flatMap((segment) => namesOf(segment, this.rules));
    return { folders: names.slice(0, -1), name: names.at(-1) ?? "" };
  }
}

/**
 * False if it is absent or no folder, or if a symbolic link is on the way (the root is a real path
 * itself).
 */
export async function isRealFolder(path: string): Promise<boolean> {
  try {
    // The dot at the end makes it fail on a file.
    return (await realpath(`${path}/.`)) === path;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}

async function lstatOrAbsent(path: string): Promise<BigIntStats | undefined> {
  return orAbsent(lstat(path, { bigint: true }));
}

function place(
  folders: readonly string[],
  name: string,
  folder: string | undefined,
  first: BigIntStats | undefined,
  twin: BigIntStats | undefined,
): Place {
  const path = `${folder}/${name}`;
  const found =
    first?.isFile() === true
      ? { path, stats: first }
      : twin?.isFile() === true
        ? { path: path + TWIN_MARK, stats: twin }
        : undefined;
  const free_name = first === undefined ? name : twin === undefined ? name + TWIN_MARK : undefined;
  return { folders, folder, found, free_name };
}

async function childFolder(parent: string, name: string): Promise<string | undefined> {
  for (const path of [`${parent}/${name}`, `${parent}/${name}${TWIN_MARK}`]) {
    if ((await lstatOrAbsent(path))?.isDirectory() === true) return path;
  }
  return undefined;
}

async function makeChild(parent: string, name: string): Promise<string> {
  const taken = await lstatOrAbsent(`${parent}/${name}`);
  return makeFolder(parent, taken === undefined ? name : name + TWIN_MARK);
}
