import { closeSync, openSync, readSync } from "node:fs";

const EXCERPT_BYTES = 200;

/** Text of a file for a message: at most 200 bytes of it, and `…` if there is more. */
export function readExcerpt(path: string, offset: number, length_bytes: number): string {
  const bytes = Buffer.alloc(Math.min(length_bytes, EXCERPT_BYTES));
  const file = openSync(path, "r");
  try {
    readSync(file, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(file);
  }
  return excerptOf(bytes, length_bytes);
}

/** The same of bytes that are at hand; `length_bytes` is that of the whole text. Pure. */
export function excerptOf(bytes: Uint8Array, length_bytes = bytes.length): string {
  // A character that was cut in two at the end is left out.
  const text = new TextDecoder().decode(bytes.subarray(0, EXCERPT_BYTES), { stream: true });
  return length_bytes > EXCERPT_BYTES ? `${text}…` : text;
}
