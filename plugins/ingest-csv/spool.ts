import { type FileHandle, mkdir, open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { LakehouseError } from "../../core/error.ts";

export interface Spooled {
  readonly size_bytes: number;
  /** Hex. */
  readonly sha256: string;
}

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
 * them. `await using` removes it however the request ends; a crash leaves it to the sweep of the
 * scratch folder at the next start.
 */
export class Spool implements AsyncDisposable {
  readonly upload_path: string;
  /** Made when the upload is whole. */
  readonly done_path: string;
  readonly #folder: string;
  readonly #file: FileHandle;
  readonly #hasher = new Bun.CryptoHasher("sha256");
  #size_bytes = 0;
  #attempts = 0;

  private constructor(folder: string, file: FileHandle) {
    this.#folder = folder;
    this.#file = file;
    this.upload_path = join(folder, "upload");
    this.done_path = join(folder, "upload.done");
  }

  static async create(scratch_path: string): Promise<Spool> {
    const folder = join(scratch_path, uuidv7());
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new Spool(folder, await open(join(folder, "upload"), "wx", 0o600));
  }

  /**
   * Hashes and writes; resolves when the bytes are handed to the system, which is the backpressure.
   * Throws `storage_full`.
   */
  async write(bytes: Uint8Array): Promise<void> {
    this.#hasher.update(bytes);
    this.#size_bytes += bytes.byteLength;
    try {
      for (let done = 0; done < bytes.byteLength;) {
        done += (await this.#file.write(bytes, done)).bytesWritten;
      }
    } catch (error) {
      throw isOutOfSpace(error) ? outOfSpace(error) : error;
    }
  }

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

  /** No more bytes. Call once. */
  async finish(): Promise<Spooled> {
    await this.#file.close();
    await writeFile(this.done_path, "", { flag: "wx", mode: 0o600 });
    return {
      size_bytes: this.#size_bytes,
      sha256: this.#hasher.digest("hex"),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Closing twice is an error on purpose ignored: the file goes away either way.
    await this.#file.close().catch(() => {});
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const isOutOfSpace = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");

function outOfSpace(cause: unknown): LakehouseError {
  return new LakehouseError("storage_full", "The server has no room to take the upload in.", {
    hint: "Free space in the scratch folder, or set scratch_path under [server] to a larger disk.",
    cause,
  });
}
