/** The program of a digest thread: SHA-256 of one file, read behind whoever writes it. */
import { closeSync, openSync, readSync } from "node:fs";
import type { DigestReply, DigestRequest } from "./file-digest.ts";

declare const self: Worker;

const READ_BYTES = 256 * 1024;

const hasher = new Bun.CryptoHasher("sha256");
const buffer = new Uint8Array(READ_BYTES);
let file = -1;
let hashed_bytes = 0;

function readUpTo(size_bytes: number): void {
  while (hashed_bytes < size_bytes) {
    const length = Math.min(READ_BYTES, size_bytes - hashed_bytes);
    const count = readSync(file, buffer, 0, length, hashed_bytes);
    if (count === 0) throw new Error(`the file ends at ${hashed_bytes} of ${size_bytes} bytes`);
    hasher.update(buffer.subarray(0, count));
    hashed_bytes += count;
  }
}

function answer(reply: DigestReply): void {
  self.postMessage(reply, []);
  leave();
}

function leave(): void {
  if (file !== -1) closeSync(file);
  process.exit(0);
}

self.addEventListener("message", ({ data }: MessageEvent<DigestRequest>) => {
  try {
    switch (data.kind) {
      case "open":
        file = openSync(data.path, "r");
        return;
      case "written":
        readUpTo(data.size_bytes);
        return;
      case "whole":
        answer({ sha256: hasher.digest("hex") });
        return;
      case "stop":
        leave();
        return;
    }
  } catch (error) {
    answer({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
