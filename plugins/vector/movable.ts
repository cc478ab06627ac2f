/** Moving a small buffer to another thread costs more than copying it. */
const TRANSFER_BYTES = 64 * 1024;

/** The buffers of a list that can move: large ones that nothing else looks into. */
export function movable(parts: readonly Uint8Array[]): ArrayBuffer[] {
  return parts.flatMap(({ buffer, byteLength }) =>
    buffer instanceof ArrayBuffer &&
    byteLength >= TRANSFER_BYTES &&
    buffer.byteLength === byteLength
      ? [buffer]
      : [],
  );
}
