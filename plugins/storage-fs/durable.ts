import { mkdir, open } from "node:fs/promises";

/**
 * Makes the names in a folder durable: without it, a power cut may undo a rename, a link, an unlink
 * or a mkdir that was already answered (fsync(2): "does not necessarily ensure that the entry in
 * the directory containing the file has also reached disk").
 */
export async function syncFolder(path: string): Promise<void> {
  // Windows has no such call; NTFS journals its names.
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Makes a folder whose parent exists, durably. */
export async function makeFolder(parent: string, name: string): Promise<string> {
  const path = `${parent}/${name}`;
  await mkdir(path);
  await syncFolder(parent);
  return path;
}
