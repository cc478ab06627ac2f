import { existsSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** A file that is still being written is asked again after so long. */
const POLL_MS = 2;

/**
 * A file that may still be arriving: whoever writes it makes `done_path` when it is whole. Reading
 * waits for bytes that are not there yet, so that a reader can follow an upload.
 */
export class ArrivingFile implements AsyncDisposable {
  readonly path: string;
  readonly #done_path: string;
  readonly #file: FileHandle;

  private constructor(path: string, done_path: string, file: FileHandle) {
    this.path = path;
    this.#done_path = done_path;
    this.#file = file;
  }

  static async open(path: string, done_path: string): Promise<ArrivingFile> {
    return new ArrivingFile(path, done_path, await open(path, "r"));
  }

  /** Bytes from `position` into `buffer`, as many as are there; 0 only at the end of the whole file. */
  async read(buffer: Uint8Array, position: number): Promise<number> {
    for (;;) {
      // Asked before reading: what was written before it is whole is seen by this read.
      const whole = existsSync(this.#done_path);
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, position);
      if (bytesRead > 0 || whole) return bytesRead;
      await Bun.sleep(POLL_MS);
    }
  }

  /** The first `size` bytes, or all if the file is smaller. */
  async head(size: number): Promise<{ readonly bytes: Buffer; readonly at_end: boolean }> {
    const bytes = Buffer.alloc(size);
    for (let length = 0; length < size;) {
      const count = await this.read(bytes.subarray(length), length);
      if (count === 0) return { bytes: bytes.subarray(0, length), at_end: true };
      length += count;
    }
    return { bytes, at_end: false };
  }

  /** Resolves when the file is whole. */
  async whole(): Promise<void> {
    while (!existsSync(this.#done_path)) await Bun.sleep(POLL_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
