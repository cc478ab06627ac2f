import { setImmediate } from "node:timers/promises";
import type { Manifest } from "../../core/services.ts";

/** Text sent at once: larger pieces would hold the thread, smaller ones cost a write each. */
const PIECE_CHARS = 64 * 1024;

const encoder = new TextEncoder();

/**
 * `{"manifests":[…],"count":N}` in pieces, with a turn for others between them: 10,000 manifests
 * are several megabytes of JSON.
 */
export async function* renderList(
  manifests: readonly Manifest[],
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  let piece = '{"manifests":[';
  let separator = "";
  for (const manifest of manifests) {
    piece += separator + JSON.stringify(manifest);
    separator = ",";
    if (piece.length < PIECE_CHARS) continue;
    yield encoder.encode(piece);
    piece = "";
    await setImmediate();
  }
  yield encoder.encode(`${piece}],"count":${manifests.length}}`);
}
