import { constants, copyFile, type FileHandle, link, lstat, open, rm } from "node:fs/promises";
import { LakehouseError } from "../../core/error.ts";
import type { PutBody } from "../../core/storage.ts";
import { onDisk } from "./errno.ts";
import { setStamp } from "./stamp.ts";

/** Small chunks are gathered to this size, so that each write is worth its system call. */
const GATHER_BYTES = 256 * 1024;

/** A finished temporary file: all bytes and its stamp are on the disk. */
export interface Spooled {
  readonly path: string;
  readonly file: FileHandle;
}

/**
 * Writes a body to a new file and syncs it. On any failure nothing is left at `path`; an error of
 * the source is thrown as it is.
 */
export async function spool(
  path: string,
  body: PutBody,
  stamp_us: number,
  signal: AbortSignal | undefined,
): Promise<Spooled> {
  throwIfAborted(signal);
  let file: FileHandle | undefined;
  try {
    file = await onDisk("a new object", () => openNew(path, body));
    if (body.kind === "bytes") await writeAll(file, body.bytes);
    else if (body.kind === "stream") await writeStream(file, body.stream, signal);
    throwIfAborted(signal);
    const opened = file;
    await onDisk("a new object", async () => {
      await setStamp(opened, stamp_us);
      await opened.sync();
    });
    return { path, file };
  } catch (error) {
    await file?.close();
    await rm(path, { force: true });
    throw error;
  }
}

async function openNew(path: string, body: PutBody): Promise<FileHandle> {
  if (body.kind !== "file") return open(path, "wx");
  if (body.frozen !== true || !(await adopt(body.path, path))) {
    // In the kernel, and without copying a byte where the file system can share blocks.
    await copyFile(body.path, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
  const file = await open(path, "r+");
  await file.chmod(0o644 & ~process.umask());
  return file;
}

/**
 * Gives a file a second name, so that it is the object and its bytes stay where they are; false,
 * with nothing done, if it has to be copied.
 */
async function adopt(source: string, path: string): Promise<boolean> {
  try {
    await link(source, path);
  } catch {
    // On another file system, or on one without links. What else is wrong, the copy will say.
    return false;
  }
  const stats = await lstat(path);
  const is_ours = process.getuid === undefined || stats.uid === process.getuid();
  // One with a third name may be an object already, whose stamp is its own.
  if (stats.isFile() && stats.nlink === 2 && is_ours) return true;
  await rm(path);
  return false;
}

async function writeStream(
  file: FileHandle,
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const gathered = Buffer.allocUnsafeSlow(GATHER_BYTES);
  let length = 0;
  const flush = async (): Promise<void> => {
    await writeAll(file, gathered.subarray(0, length));
    length = 0;
  };
  for await (const chunk of untilAborted(stream, signal)) {
    if (length + chunk.length > GATHER_BYTES) await flush();
    if (chunk.length >= GATHER_BYTES) {
      await writeAll(file, chunk);
    } else {
      gathered.set(chunk, length);
      length += chunk.length;
    }
  }
  await flush();
}

/** One write(2) may take less than it was given, and takes at most 2 GiB. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  await onDisk("a new object", async () => {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await file.write(bytes, at, bytes.length - at);
      at += bytesWritten;
    }
  });
}

/** The stream, until the signal fires: also while the source is silent. */
async function* untilAborted(
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (signal === undefined) {
    yield* stream;
    return;
  }
  let fail: ((error: LakehouseError) => void) | undefined;
  const onAbort = (): void => fail?.(abortError(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  const source = stream[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      throwIfAborted(signal);
      // Not Promise.race with one promise for the abort: it would hold every chunk until the end.
      const step = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        fail = reject;
        source.next().then(resolve, reject);
      });
      if (step.done === true) {
        ended = true;
        return;
      }
      yield step.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not awaited: a source that is stuck would never answer.
    if (!ended) source.return?.().catch(() => {});
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal);
}

/** An abort that says why in our own terms (a deadline, a closed connection) keeps its reason. */
function abortError(signal: AbortSignal): LakehouseError {
  const reason: unknown = signal.reason;
  if (reason instanceof LakehouseError) return reason;
  return new LakehouseError("request_aborted", "The request was aborted before its end.", {
    cause: reason,
  });
}
