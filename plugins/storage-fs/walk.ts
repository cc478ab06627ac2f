import type { Dirent, Stats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { checkKey } from "../../core/storage.ts";
import { orAbsent } from "./errno.ts";
import { CONTINUED_MARK, type NameRules, namesOf, segmentOf, TWIN_MARK } from "./names.ts";
import type { Tree } from "./tree.ts";

/** An object as a folder shows it. */
export interface Listed {
  readonly key: string;
  readonly path: string;
}

interface Entry {
  /**
   * The bytes of the whole key as one character each, with a `/` at the end for a folder: strings
   * of bytes compare natively, and in the order of the listing, where JavaScript's own order of
   * strings is that of UTF-16 units.
   */
  readonly order: string;
  readonly key: string;
  readonly path: string;
  readonly is_folder: boolean;
}

interface Walk {
  readonly rules: NameRules;
  readonly prefix: string;
  readonly after: string;
  readonly limit: number;
  readonly found: Listed[];
}

/** Names handled in one go before the event loop gets its turn. */
const SLICE = 4096;

/**
 * The first `limit` objects with the prefix after the key, in order. Only folders that can hold
 * such keys are read; of a large folder no more is kept and sorted than the page can use.
 */
export async function walk(
  tree: Tree,
  prefix: string,
  after: string,
  limit: number,
): Promise<readonly Listed[]> {
  const base = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const folder = await startOf(tree, base);
  if (folder === undefined) return [];
  const state: Walk = {
    rules: tree.rules,
    prefix: bytesOf(prefix),
    after: bytesOf(after),
    limit,
    found: [],
  };
  await visit(state, folder, base);
  return state.found;
}

/** The folder of the prefix, up to its last slash. */
async function startOf(tree: Tree, base: string): Promise<string | undefined> {
  if (base === "") return tree.root;
  const folder_key = base.slice(0, -1);
  if (!isKey(folder_key)) return undefined;
  return tree.folderOf(folder_key.split("/").flatMap((each) => namesOf(each, tree.rules)));
}

async function visit(state: Walk, folder: string, base: string): Promise<void> {
  for (let floor = state.after; ;) {
    const { entries, cut } = await smallest(state, folder, base, floor);
    for (const entry of entries) {
      if (state.found.length >= state.limit) return;
      if (entry.is_folder) await visit(state, entry.path, `${entry.key}/`);
      else if (isKey(entry.key)) state.found.push({ key: entry.key, path: entry.path });
    }
    const last = entries.at(-1);
    // What was cut off is needed after all if folders among the entries held nothing.
    if (!cut || last === undefined) return;
    floor = last.order;
  }
}

/** The entries of a folder after the floor: as many of the smallest as the page still wants. */
async function smallest(
  state: Walk,
  folder: string,
  base: string,
  floor: string,
): Promise<{ readonly entries: readonly Entry[]; readonly cut: boolean }> {
  const wanted = state.limit - state.found.length;
  let entries: Entry[] = [];
  let ceiling: string | undefined;
  const trim = (): void => {
    entries.sort(byOrder);
    if (entries.length <= wanted) return;
    entries = entries.slice(0, wanted);
    ceiling = entries.at(-1)?.order;
  };
  await eachEntry(state.rules, folder, base, [], (entry) => {
    if (!matters(state, entry, floor)) return;
    if (ceiling !== undefined && entry.order > ceiling) return;
    entries.push(entry);
    if (entries.length >= 4 * wanted + SLICE) trim();
  });
  trim();
  return { entries, cut: ceiling !== undefined };
}

/** Whether the entry, or any key below it, has the prefix and comes after the floor. */
function matters({ prefix, after }: Walk, { order, is_folder }: Entry, floor: string): boolean {
  if (!order.startsWith(prefix) && !(is_folder && prefix.startsWith(order))) return false;
  if (order > floor) return true;
  // Keys below a folder come after the folder's own order; `after` may be one of them.
  return is_folder && floor === after && after.startsWith(order);
}

/**
 * Takes every entry of a folder, in no order, with long names put together from the folders they
 * are cut into. A folder that is gone has none.
 */
async function eachEntry(
  rules: NameRules,
  folder: string,
  base: string,
  pieces: readonly string[],
  take: (entry: Entry) => void,
): Promise<void> {
  let handled = 0;
  for (const item of (await orAbsent(readdir(folder, { withFileTypes: true }))) ?? []) {
    if (++handled % SLICE === 0) await new Promise(setImmediate);
    const path = `${folder}/${item.name}`;
    const name = item.name.endsWith(TWIN_MARK) ? item.name.slice(0, -1) : item.name;
    const type = typeOf(item) ?? typeOf(await orAbsent(lstat(path)));
    if (type === undefined) continue;
    if (type === "folder" && name.endsWith(CONTINUED_MARK)) {
      const piece = name.slice(0, -CONTINUED_MARK.length);
      await eachEntry(rules, path, base, [...pieces, piece], take);
      continue;
    }
    const segment = segmentOf([...pieces, name], rules);
    if (segment === undefined) continue;
    const key = base + segment;
    const is_folder = type === "folder";
    take({ order: bytesOf(is_folder ? `${key}/` : key), key, path, is_folder });
  }
}

/** Undefined for what cannot be an object, and where the file system tells no types in a listing. */
function typeOf(item: Dirent | Stats | undefined): "file" | "folder" | undefined {
  if (item?.isFile() === true) return "file";
  return item?.isDirectory() === true ? "folder" : undefined;
}

/** A foreign file may have a name that no key can have. */
function isKey(key: string): boolean {
  try {
    checkKey(key);
    return true;
  } catch {
    return false;
  }
}

// oxlint-disable-next-line no-control-regex -- exactly ASCII
const ASCII = /^[\u0000-\u007f]*$/;

function bytesOf(text: string): string {
  return ASCII.test(text) ? text : Buffer.from(text).toString("latin1");
}

function byOrder(a: Entry, b: Entry): number {
  return a.order < b.order ? -1 : a.order > b.order ? 1 : 0;
}
