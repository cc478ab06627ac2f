import { type FileHandle, mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { FileDigest } from "./file-digest.ts";
import { isOutOfSpace, outOfSpace } from "./out-of-space.ts";
import { PieceWriter } from "./piece-writer.ts";
import type { Removals } from "./removals.ts";

/** Up to this size, neither a thread nor buffers are worth their start. */
const SMALL_BYTES = 1024 * 1024;

/** From this size on nobody waits until it is removed: the system takes 20 ms for 250 MB. */
const LARGE_BYTES = 64 * 1024 * 1024;

/** Where one try to convert the upload writes. */
export interface Attempt {
  /** Does not exist yet. */
  readonly output_path: string;
  /** Does not exist yet. */
  readonly rejects_path: string;
  /** An empty folder. */
  readonly work_path: string;
}

/**
 * The folder of one upload on local disk: the bytes as they arrived, and what a codec makes of
 * them. `await using` removes it however the request ends, or begins to; a crash leaves it to the sweep
 * of the scratch folder at the next start.
 */
export class Spool implements AsyncDisposable {
  readonly upload_path: string;
  /** Made when the upload is whole. */
  readonly done_path: string;
  readonly #folder: string;
  readonly #removals: Removals;
  readonly #file: FileHandle;
  /** Of a small upload; a larger one is hashed by a thread, from its first byte, if one is free. */
  readonly #hasher = new Bun.CryptoHasher("sha256");
  #large: { readonly pieces: PieceWriter; readonly digest: FileDigest | undefined } | undefined;
  #sha256: Promise<string> | undefined;
  #size_bytes = 0;
  #attempts = 0;

  private constructor(folder: string, file: FileHandle, removals: Removals) {
    this.#folder = folder;
    this.#removals = removals;
    this.#file = file;
    this.upload_path = join(folder, "upload");
    this.done_path = join(folder, "upload.done");
  }

  static async create(scratch_path: string, removals: Removals): Promise<Spool> {
    const folder = join(scratch_path, uuidv7());
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new Spool(folder, await open(join(folder, "upload"), "wx", 0o600), removals);
  }

  /**
   * Resolves when there is room for more: a small upload is in the file by then, of a larger one the
   * last pieces are still on their way. Throws `storage_full`, which may come with a later call.
   */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#large === undefined && this.#size_bytes + bytes.byteLength <= SMALL_BYTES) {
      this.#hasher.update(bytes);
      await this.#append(bytes);
      return;
    }
    this.#large ??= {
      pieces: new PieceWriter((piece) => this.#append(piece)),
      digest: FileDigest.is_free ? new FileDigest(this.upload_path) : undefined,
    };
    if (this.#large.digest === undefined) this.#hasher.update(bytes);
    await this.#large.pieces.add(bytes);
  }

  /** So many bytes are in the file. */
  get size_bytes(): number {
    return this.#size_bytes;
  }

  async attempt(): Promise<Attempt> {
    this.#attempts += 1;
    const work_path = join(this.#folder, `work-${this.#attempts}`);
    await mkdir(work_path, { mode: 0o700 });
    const file = (what: string): string => join(this.#folder, `${what}-${this.#attempts}.parquet`);
    return { work_path, output_path: file("output"), rejects_path: file("rejects") };
  }

  /** No more bytes; resolves when all are in the file. Call once. Throws `storage_full`. */
  async finish(): Promise<void> {
    await this.#large?.pieces.finish();
    await this.#file.close();
    await writeFile(this.done_path, "", { flag: "wx", mode: 0o600 });
  }

  /** Hex, of the finished upload. It may not be known yet when the upload is whole. */
  sha256(): Promise<string> {
    this.#sha256 ??= this.#large?.digest?.sha256() ?? Promise.resolve(this.#hasher.digest("hex"));
    return this.#sha256;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#large?.pieces.idle();
    // Closing twice is an error on purpose ignored: the file goes away either way.
    await this.#file.close().catch(() => {});
    await this.#large?.digest?.[Symbol.asyncDispose]();
    const removed = this.#removals.remove(this.#folder);
    if (this.#size_bytes < LARGE_BYTES) await removed;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.byteLength;) {
        const { bytesWritten } = await this.#file.write(bytes, done);
        done += bytesWritten;
        this.#size_bytes += bytesWritten;
      }
    } catch (error) {
      throw isOutOfSpace(error) ? outOfSpace(error) : error;
    }
    this.#large?.digest?.written(this.#size_bytes);
  }
}
