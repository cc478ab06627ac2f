import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { cacheDirs } from "../core/cache-dir.ts";
import { LakehouseError } from "../core/error.ts";

/** One shared library inside the binary. */
export interface EmbeddedFile {
  readonly name: string;
  /** Where its zstd-compressed bytes can be read. */
  readonly path: string;
  readonly size_bytes: number;
  /** Of the uncompressed bytes, hex; known since the build. */
  readonly sha256: string;
}

/** An addon and the libraries that must lie beside it (its RUNPATH is `$ORIGIN`). */
export interface EmbeddedAddon {
  readonly name: string;
  /** The file of `files` that is opened. */
  readonly entry: string;
  readonly files: readonly EmbeddedFile[];
}

const loaded = new Map<string, unknown>();

/**
 * Unpacks an addon into the first folder that will hold it and opens it. Synchronous, because
 * callers are CommonJS modules that `require` it. Every load verifies the files by SHA-256 (about
 * 45 ms for 70 MB): what runs with the rights of this process is exactly what was built. Throws
 * `invalid_config` with the reason of every folder that was tried.
 */
export function loadAddon(addon: EmbeddedAddon, folders = cacheDirs()): unknown {
  const before = loaded.get(addon.name);
  if (before !== undefined) return before;
  const reasons: string[] = [];
  for (const folder of folders) {
    try {
      const target: { exports: unknown } = { exports: {} };
      // On a file system mounted noexec this is the call that fails, hence inside the loop.
      process.dlopen(target, unpackAddon(addon, folder));
      loaded.set(addon.name, target.exports);
      return target.exports;
    } catch (error) {
      reasons.push(`${folder}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new LakehouseError(
    "invalid_config",
    `The ${addon.name} library cannot be unpacked and loaded. Tried ${reasons.join("; ")}.`,
    {
      hint: "Set LAKEHOUSE_CACHE_DIR to a folder that this user can write to, on a disk with about 100 MB free that is not mounted noexec.",
    },
  );
}

/**
 * Makes sure that `folder` holds the addon, intact, in a private folder named by its content, and
 * returns the path of its entry. Safe to run in several processes at once: each file appears
 * whole, by rename, and always with the same bytes.
 */
export function unpackAddon(addon: EmbeddedAddon, folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  refuseSharedFolder(folder);
  const home = join(folder, `${addon.name}-${contentId(addon)}`);
  makePrivateFolder(home);
  for (const file of addon.files) {
    const path = join(home, file.name);
    if (!isIntact(path, file)) unpackFile(path, file);
  }
  return join(home, addon.entry);
}

function contentId(addon: EmbeddedAddon): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const { name, sha256 } of addon.files) hasher.update(`${name}\0${sha256}\n`);
  return hasher.digest("hex").slice(0, 16);
}

/**
 * Where others could rename things, a verified file could be swapped before it is opened. A sticky
 * folder such as `/tmp` keeps others from renaming what is ours.
 */
function refuseSharedFolder(folder: string): void {
  const { mode, uid } = statSync(folder);
  const own = process.getuid?.();
  if (own !== undefined && uid !== own && uid !== 0)
    throw new Error("the folder belongs to another user");
  if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0)
    throw new Error("other users can write to the folder");
}

/** Another user may have made the folder, or a link in its place, before us. */
function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const entry = lstatSync(path);
  const own = process.getuid?.();
  if (!entry.isDirectory()) throw new Error(`${path} is not a folder`);
  if (own !== undefined && entry.uid !== own) throw new Error(`${path} belongs to another user`);
  if (own !== undefined && (entry.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

function isIntact(path: string, file: EmbeddedFile): boolean {
  const entry = lstatSync(path, { throwIfNoEntry: false });
  if (entry === undefined || !entry.isFile() || entry.size !== file.size_bytes) return false;
  // Mapped, not read: a copy of 70 MB would cost twice the time of the hash.
  return sha256(Bun.mmap(path, { shared: false })) === file.sha256;
}

function unpackFile(path: string, file: EmbeddedFile): void {
  const bytes = Bun.zstdDecompressSync(readFileSync(file.path));
  if (sha256(bytes) !== file.sha256) throw new Error(`${file.name} is damaged inside the binary`);
  const temporary = `${path}.${process.pid}.${crypto.randomUUID()}.tmp`;
  try {
    writeDurably(temporary, bytes);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
  // A full or failing disk may only show when the bytes are read back.
  if (!isIntact(path, file)) throw new Error(`${file.name} was not stored intact`);
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const handle = openSync(path, "wx", 0o500);
  try {
    writeFileSync(handle, bytes);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function syncFolder(path: string): void {
  if (process.platform === "win32") return;
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}
