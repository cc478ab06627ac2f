import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { LakehouseError } from "../../core/error.ts";
import type { ByteRange, ObjectInfo, StoredObject } from "../../core/storage.ts";
import { errnoOf, onDisk } from "./errno.ts";
import { throwIfAborted } from "./spool.ts";

const CHUNK_BYTES = 512 * 1024;

/**
 * Opens for reading without following a symbolic link, and without waiting at a named pipe.
 * Undefined if there is nothing, or a link.
 */
export async function openToRead(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

/** The first byte and the number of bytes; `range_not_satisfiable` past the end. */
export function extentOf(
  info: ObjectInfo,
  range: ByteRange | undefined,
): { readonly offset: number; readonly length: number } {
  if (range === undefined) return { offset: 0, length: info.size_bytes };
  if (range.offset >= info.size_bytes) {
    throw new LakehouseError(
      "range_not_satisfiable",
      `The object has ${info.size_bytes} bytes; the range starts at ${range.offset}.`,
      { extra: { size_bytes: info.size_bytes } },
    );
  }
  const available = info.size_bytes - range.offset;
  return { offset: range.offset, length: Math.min(range.length ?? available, available) };
}

/**
 * The bytes of an open file, which it owns and closes: at the end, when the loop is left, on
 * failure, and on abort. Not a generator: one that was never started would never close its file.
 */
export function fileObject(
  file: FileHandle,
  info: ObjectInfo,
  extent: { readonly offset: number; readonly length: number },
  signal: AbortSignal | undefined,
): StoredObject {
  let at = extent.offset;
  let left = extent.length;
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    signal?.removeEventListener("abort", onAbort);
    closing ??= file.close();
    await closing;
  };
  // A failed close of a file that was only read loses nothing.
  const onAbort = (): void => void close().catch(() => {});
  signal?.addEventListener("abort", onAbort, { once: true });

  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    try {
      throwIfAborted(signal);
      if (left > 0 && closing === undefined) {
        const chunk = await readChunk(file, at, Math.min(left, CHUNK_BYTES), info);
        throwIfAborted(signal);
        at += chunk.length;
        left -= chunk.length;
        return { done: false, value: chunk };
      }
    } catch (error) {
      await close();
      throw error;
    }
    await close();
    return { done: true, value: undefined };
  };
  const iterator: AsyncIterator<Uint8Array, undefined> = {
    next,
    async return() {
      await close();
      return { done: true, value: undefined };
    },
  };
  return { info, stream: { [Symbol.asyncIterator]: () => iterator } };
}

async function readChunk(
  file: FileHandle,
  at: number,
  length: number,
  info: ObjectInfo,
): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(length);
  const { bytesRead } = await onDisk("reading an object", () => file.read(buffer, 0, length, at));
  if (bytesRead > 0) return buffer.subarray(0, bytesRead);
  throw new LakehouseError(
    "storage_failed",
    `The file of ${info.key} ends at ${at} of ${info.size_bytes} bytes.`,
    { hint: "Something other than this server has cut the file; restore it from a backup." },
  );
}
