/**
 * Finds the value of one key in the key-value metadata of a Parquet file that this program wrote,
 * as a range of its bytes; undefined if it is not there. Reads no more of the format than that.
 *
 * A file ends with the footer, its length (4 bytes, little endian) and `PAR1`. In the Thrift compact
 * encoding of the footer an entry is: header byte (field 1, binary), length, key, header byte
 * (field 2, binary), length, value. Those header bytes are control characters, which JSON and base64
 * never hold, and statistics are off, so no value in the footer can imitate an entry.
 */
export function findMetadata(
  file: Uint8Array,
  key: string,
): { readonly start: number; readonly end: number } | undefined {
  const buffer = asBuffer(file);
  const tail = buffer.length - TAIL_BYTES;
  if (tail < 0) return undefined;
  const footer = tail - buffer.readUInt32LE(tail);
  if (footer < 0) return undefined;
  const marker = Buffer.from(`\u0018${String.fromCharCode(key.length)}${key}\u0018`, "latin1");
  const at = buffer.indexOf(marker, footer);
  if (at === -1) return undefined;
  const length = readVarint(buffer, at + marker.length);
  if (length === undefined) return undefined;
  const end = length.next + length.value;
  return end <= tail ? { start: length.next, end } : undefined;
}

/** The same bytes with the methods of a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  // Asking a small array for its `buffer` makes the engine move it: not for what is one already.
  if (bytes instanceof Buffer) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Length of the footer and the magic. */
const TAIL_BYTES = 8;

/** ULEB128 of up to 28 bits: a manifest is far smaller than the 256 MiB that hold. */
function readVarint(
  buffer: Buffer,
  start: number,
): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  for (let i = 0; i < 4; i += 1) {
    const byte = buffer[start + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, next: start + i + 1 };
  }
  return undefined;
}
