import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";

/** About 2 ms of hashing: the most the event loop is held at a time. */
const SLICE_BYTES = 1024 * 1024;

export interface Digest {
  /** Hex; signed with the request. */
  readonly sha256: string;
  /** Hex; what the etag is, unless the bucket encrypts with keys of its own. */
  readonly md5: string;
  readonly size_bytes: number;
}

/** Hashes a body as it passes. */
export class BodyDigest {
  readonly #sha256 = new Bun.CryptoHasher("sha256");
  readonly #md5 = new Bun.CryptoHasher("md5");
  #size_bytes = 0;
  #unyielded_bytes = 0;

  async update(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      const slice = bytes.subarray(at, at + SLICE_BYTES);
      this.#sha256.update(slice);
      this.#md5.update(slice);
      this.#size_bytes += slice.length;
      this.#unyielded_bytes += slice.length;
      if (this.#unyielded_bytes >= SLICE_BYTES) {
        this.#unyielded_bytes = 0;
        await nextTurn();
      }
    }
  }

  /** Once, after the last byte. */
  digest(): Digest {
    return {
      sha256: this.#sha256.digest("hex"),
      md5: this.#md5.digest("hex"),
      size_bytes: this.#size_bytes,
    };
  }
}

export async function digestOf(bytes: Uint8Array): Promise<Digest> {
  const digest = new BodyDigest();
  await digest.update(bytes);
  return digest.digest();
}

/** The bytes of a file in chunks; throws what the file system says. */
export function fileChunks(path: string): Readable {
  return createReadStream(path, { highWaterMark: SLICE_BYTES });
}
