import { LakehouseError } from "../../core/error.ts";
import { asBuffer, findMetadata } from "./footer.ts";

/** Key of the Parquet key-value metadata that holds the seal. */
export const SEAL_KEY = "lakehouse.sha256";

/** What stands in the place of the seal while the digest is taken. */
export const BLANK_SEAL = "0".repeat(64);

/**
 * Writes the seal into a file that carries `BLANK_SEAL`, in place: the SHA-256 of the whole file
 * with the seal blank, as 64 hex digits. The length stays, so the Thrift framing stays valid.
 */
export function sealFile(bytes: Uint8Array): void {
  const buffer = asBuffer(bytes);
  const start = findSeal(buffer);
  if (start === undefined) throw new Error("the file to be sealed has no place for a seal");
  buffer.write(digest(buffer, start), start, "latin1");
}

/**
 * Throws `data_corrupt` unless every byte of the file is as it was sealed. Run it before anything
 * else looks at the bytes: one flipped bit in a Parquet file can give other rows without an error,
 * and apache-arrow may hang on garbage.
 */
export function checkSeal(bytes: Uint8Array): void {
  const buffer = asBuffer(bytes);
  if (buffer.length === 0) throw new LakehouseError("data_corrupt", "The file is empty.");
  const start = findSeal(buffer);
  if (start === undefined) {
    throw new LakehouseError(
      "data_corrupt",
      "The file carries no seal: it was cut short, damaged, or written by another program.",
    );
  }
  if (buffer.toString("latin1", start, start + BLANK_SEAL.length) !== digest(buffer, start)) {
    throw new LakehouseError(
      "data_corrupt",
      "The file does not match its SHA-256 seal: bytes were changed or lost.",
    );
  }
}

function findSeal(buffer: Buffer): number | undefined {
  const found = findMetadata(buffer, SEAL_KEY);
  if (found === undefined || found.end - found.start !== BLANK_SEAL.length) return undefined;
  return found.start;
}

function digest(buffer: Buffer, start: number): string {
  return new Bun.CryptoHasher("sha256")
    .update(buffer.subarray(0, start))
    .update(BLANK_SEAL)
    .update(buffer.subarray(start + BLANK_SEAL.length))
    .digest("hex");
}
