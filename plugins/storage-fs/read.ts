import { type BigIntStats, close, constants, fstatSync, open, read, readlinkSync } from "node:fs";
import { promisify } from "node:util";
import { LakehouseError } from "../../core/error.ts";
import type { ByteRange, ObjectInfo, StoredObject } from "../../core/storage.ts";
import { errnoOf, onDisk } from "./errno.ts";
import { throwIfAborted } from "./spool.ts";
import { isRealFolder } from "./tree.ts";

/** Large enough to be worth a trip to the thread pool; a reader holds two of them. */
const CHUNK_BYTES = 1024 * 1024;

const openFile = promisify(open);
const closeFile = promisify(close);
const readFile = promisify(read);

/**
 * A file open for reading. A bare descriptor and not a FileHandle, which ends the whole process when
 * it is collected while open: an object that was got and never read must cost no more than a
 * descriptor until then.
 */
export class ReadableFile {
  static readonly #forgotten = new FinalizationRegistry<number>((fd) => close(fd, () => {}));
  readonly #fd: number;
  #reading: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
    ReadableFile.#forgotten.register(this, fd, this);
  }

  /**
   * Without following a symbolic link, and without waiting at a named pipe. Undefined if there is
   * nothing, or a link.
   */
  static async open(path: string): Promise<ReadableFile | undefined> {
    try {
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      return new ReadableFile(await openFile(path, flags));
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"].includes(errnoOf(error) ?? "")) return undefined;
      throw error;
    }
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Whether the path leads here through real folders only. Linux tells where an open file is, which
   * also leaves no moment in which a folder could become a link.
   */
  async isReally({
    folder,
    path,
  }: {
    readonly folder: string;
    readonly path: string;
  }): Promise<boolean> {
    try {
      const real = readlinkSync(`/proc/self/fd/${this.#fd}`);
      return real === path || real === `${path} (deleted)`;
    } catch {
      return isRealFolder(folder);
    }
  }

  /** Synchronous: of an open file of a local disk it is in memory, and a trip costs more. */
  stat(): BigIntStats {
    return fstatSync(this.#fd, { bigint: true });
  }

  /** Fewer bytes than asked for only near the end; none at the end. One read at a time. */
  async read(at: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(length);
    const reading = readFile(this.#fd, buffer, 0, length, at);
    this.#reading = reading;
    const { bytesRead } = await reading;
    return buffer.subarray(0, bytesRead);
  }

  /** After a read under way: its descriptor may mean another file as soon as it is closed. */
  async close(): Promise<void> {
    ReadableFile.#forgotten.unregister(this);
    this.#closing ??= Promise.allSettled([this.#reading]).then(() => closeFile(this.#fd));
    await this.#closing;
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
  file: ReadableFile,
  info: ObjectInfo,
  extent: { readonly offset: number; readonly length: number },
  signal: AbortSignal | undefined,
): StoredObject {
  let at = extent.offset;
  let left = extent.length;
  let ahead: Promise<Uint8Array> | undefined;
  const release = (): void => {
    signal?.removeEventListener("abort", release);
    // Not waited for, and a failure loses nothing: it was only read.
    file.close().catch(() => {});
  };
  signal?.addEventListener("abort", release, { once: true });

  /** The next chunk starts to be read while the reader is busy with this one. */
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    try {
      throwIfAborted(signal);
      if (left === 0 || file.closed) {
        release();
        return { done: true, value: undefined };
      }
      const value = await (ahead ?? readChunk(file, at, Math.min(left, CHUNK_BYTES), info));
      throwIfAborted(signal);
      at += value.length;
      left -= value.length;
      if (left === 0) {
        release();
      } else {
        ahead = readChunk(file, at, Math.min(left, CHUNK_BYTES), info);
        // It is the next call that fails by it.
        ahead.catch(() => {});
      }
      return { done: false, value };
    } catch (error) {
      release();
      throw error;
    }
  };
  const iterator: AsyncIterator<Uint8Array, undefined> = {
    next,
    async return() {
      release();
      return { done: true, value: undefined };
    },
  };
  return { info, stream: { [Symbol.asyncIterator]: () => iterator } };
}

async function readChunk(
  file: ReadableFile,
  at: number,
  length: number,
  info: ObjectInfo,
): Promise<Uint8Array> {
  const chunk = await onDisk("reading an object", () => file.read(at, length));
  if (chunk.length > 0) return chunk;
  throw new LakehouseError(
    "storage_failed",
    `The file of ${info.key} ends at ${at} of ${info.size_bytes} bytes.`,
    { hint: "Something other than this server has cut the file; restore it from a backup." },
  );
}
