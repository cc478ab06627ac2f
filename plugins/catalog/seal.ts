import { LakehouseError } from "../../core/error.ts";

/** Key of the Parquet key-value metadata that holds the seal. */
export const SEAL_KEY = "lakehouse.sha256";

/** What stands in the place of the seal while the digest is taken. */
export const BLANK_SEAL = "0".repeat(64);

/**
 * How the metadata entry begins in the footer: the Thrift compact encoding of `KeyValue` puts a
 * header byte (field id delta 1, type binary) and a length byte before the key and before the value.
 */
const MARKER = Buffer.from(
  `\u0018${String.fromCharCode(SEAL_KEY.length)}${SEAL_KEY}\u0018${String.fromCharCode(BLANK_SEAL.length)}`,
  "latin1",
);

/**
 * Writes the seal into a file that carries `BLANK_SEAL`, in place: the SHA-256 of the whole file
 * with the seal blank, as 64 hex digits. The length stays, so the Thrift framing stays valid.
 */
export function sealFile(bytes: Uint8Array): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = findSeal(buffer);
  if (offset === undefined) throw new Error("the file to be sealed has no place for a seal");
  buffer.write(digest(buffer, offset), offset, "latin1");
}

/**
 * Throws `data_corrupt` unless every byte of the file is as it was sealed. Run it before any
 * decoder sees the bytes: one flipped bit in a Parquet file can give other rows without an error,
 * and apache-arrow may hang on garbage.
 */
export function checkSeal(bytes: Uint8Array): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length === 0) throw new LakehouseError("data_corrupt", "The file is empty.");
  const offset = findSeal(buffer);
  if (offset === undefined) {
    throw new LakehouseError(
      "data_corrupt",
      "The file carries no seal: it was cut short, damaged, or written by another program.",
    );
  }
  const sealed = buffer.toString("latin1", offset, offset + BLANK_SEAL.length);
  if (sealed !== digest(buffer, offset)) {
    throw new LakehouseError(
      "data_corrupt",
      "The file does not match its SHA-256 seal: bytes were changed or lost.",
    );
  }
}

/**
 * The last match, because the footer comes after the data: a column name or key that imitates the
 * marker cannot take its place. The writer keeps values out of the footer (no statistics).
 */
function findSeal(buffer: Buffer): number | undefined {
  const at = buffer.lastIndexOf(MARKER);
  if (at === -1 || at + MARKER.length + BLANK_SEAL.length > buffer.length) return undefined;
  return at + MARKER.length;
}

function digest(buffer: Buffer, offset: number): string {
  return new Bun.CryptoHasher("sha256")
    .update(buffer.subarray(0, offset))
    .update(BLANK_SEAL)
    .update(buffer.subarray(offset + BLANK_SEAL.length))
    .digest("hex");
}
