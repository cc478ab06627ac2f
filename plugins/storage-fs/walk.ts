import type { Dirent, Stats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { checkKey } from "../../core/storage.ts";
import { orAbsent } from "./errno.ts";
import { CONTINUED_MARK, isPlain, type NameRules, namesOf, segmentOf, TWIN_MARK } from "./names.ts";
import type { Tree } from "./tree.ts";

/** An object as a folder shows it. */
export interface Listed {
  readonly key: string;
  readonly path: string;
}

interface Entry {
  /**
   * The bytes of the segment as one character each, with a `/` at the end for a folder: strings of
   * bytes compare natively, and in the order of the listing, where JavaScript's own order of strings
   * is that of UTF-16 units.
   */
  readonly order: string;
  readonly segment: string;
  readonly path: string;
  readonly is_folder: boolean;
}

interface Walk {
  readonly rules: NameRules;
  /** As bytes, see `Entry.order`. */
  readonly prefix: string;
  readonly after: string;
  readonly limit: number;
  readonly found: Listed[];
}

/** Names handled in one go before the event loop gets its turn. */
const SLICE = 2048;

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
  const state: Walk = {
    rules: tree.rules,
    prefix: bytesOf(prefix),
    after: bytesOf(after),
    limit,
    found: [],
  };
  const bytes = bytesOf(base);
  if (state.after > bytes && !state.after.startsWith(bytes)) return [];
  const folder = await startOf(tree, base);
  if (folder !== undefined) await visit(state, folder, base);
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
  const bytes = bytesOf(base);
  // What prefix and after ask of the names in this folder.
  const prefix = state.prefix.slice(bytes.length);
  const after = state.after.startsWith(bytes) ? state.after.slice(bytes.length) : "";
  for (let floor: string | undefined; ;) {
    const matters = matcher(prefix, after, floor);
    const wanted = state.limit - state.found.length;
    const { entries, cut } = await smallest(state.rules, folder, wanted, matters);
    for (const { segment, path, is_folder } of entries) {
      if (state.found.length >= state.limit) return;
      const key = base + segment;
      if (is_folder) await visit(state, path, `${key}/`);
      else if (isKey(key)) state.found.push({ key, path });
    }
    // What was cut off is needed after all if folders among the entries held nothing.
    if (!cut) return;
    floor = entries.at(-1)?.order;
  }
}

/** Whether an entry, or any key below it, has the prefix and comes after `after` and the floor. */
function matcher(
  prefix: string,
  after: string,
  floor: string | undefined,
): (order: string, is_folder: boolean) => boolean {
  return (order, is_folder) => {
    if (!order.startsWith(prefix) && !(is_folder && prefix.startsWith(order))) return false;
    if (floor !== undefined && order <= floor) return false;
    // Keys below a folder come after the folder's own order; `after` may be one of them.
    return order > after || (is_folder && after.startsWith(order));
  };
}

/** The entries of a folder that matter: as many of the smallest as the page still wants. */
async function smallest(
  rules: NameRules,
  folder: string,
  wanted: number,
  matters: (order: string, is_folder: boolean) => boolean,
): Promise<{ readonly entries: readonly Entry[]; readonly cut: boolean }> {
  let entries: Entry[] = [];
  let ceiling: string | undefined;
  const trim = (): void => {
    entries.sort(byOrder);
    if (entries.length <= wanted) return;
    entries = entries.slice(0, wanted);
    ceiling = entries.at(-1)?.order;
  };
  await eachName(rules, folder, [], (segment, is_folder, parent, name) => {
    const order = is_folder ? `${bytesOf(segment)}/` : bytesOf(segment);
    if ((ceiling !== undefined && order > ceiling) || !matters(order, is_folder)) return;
    entries.push({ order, segment, path: `${parent}/${name}`, is_folder });
    if (entries.length >= 2 * wanted + SLICE) trim();
  });
  trim();
  return { entries, cut: ceiling !== undefined };
}

/**
 * Takes every name of a folder, in no order, with long ones put together from the folders they are
 * cut into. A folder that is gone has none.
 */
async function eachName(
  rules: NameRules,
  folder: string,
  pieces: readonly string[],
  take: (segment: string, is_folder: boolean, parent: string, name: string) => void,
): Promise<void> {
  let handled = 0;
  for (const item of (await orAbsent(readdir(folder, { withFileTypes: true }))) ?? []) {
    if (++handled % SLICE === 0) await new Promise(setImmediate);
    const { name } = item;
    const type = typeOf(item) ?? typeOf(await orAbsent(lstat(`${folder}/${name}`)));
    if (type === undefined) continue;
    const unmarked = name.endsWith(TWIN_MARK) ? name.slice(0, -1) : name;
    if (type === "folder" && unmarked.endsWith(CONTINUED_MARK)) {
      const piece = unmarked.slice(0, -CONTINUED_MARK.length);
      await eachName(rules, `${folder}/${name}`, [...pieces, piece], take);
      continue;
    }
    const segment =
      pieces.length === 0 && isPlain(unmarked, rules)
        ? unmarked
        : segmentOf([...pieces, unmarked], rules);
    if (segment !== undefined) take(segment, type === "folder", folder, name);
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
