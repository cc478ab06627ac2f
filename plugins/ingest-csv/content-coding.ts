import type { ContentCoding } from "../../core/codec.ts";
import { LakehouseError } from "../../core/error.ts";
import { ZstdWindows } from "./zstd-windows.ts";

/** gzip (RFC 1952), with several members behind one another as its §2.2 allows. */
export const gzipCoding: ContentCoding = {
  name: "gzip",
  aliases: ["x-gzip"],
  media_types: ["application/gzip", "application/x-gzip"],
  suffixes: [".gz", ".gzip"],
  magic: Uint8Array.of(0x1f, 0x8b),
  decode: (bytes) => decompress("gzip", bytes),
};

/** zstd (RFC 8878), with several frames behind one another. */
export function zstdCoding(limits: { readonly decoded_window_bytes: number }): ContentCoding {
  return {
    name: "zstd",
    aliases: [],
    media_types: ["application/zstd", "application/x-zstd"],
    suffixes: [".zst", ".zstd"],
    magic: Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd),
    decode: (bytes) => decompress("zstd", withinWindow(bytes, limits.decoded_window_bytes)),
  };
}

/** The decompressor would set aside whatever history a frame asks for. */
async function* withinWindow(
  bytes: AsyncIterable<Uint8Array>,
  limit_bytes: number,
): AsyncGenerator<Uint8Array> {
  const windows = new ZstdWindows();
  for await (const chunk of bytes) {
    const window_bytes = windows.push(chunk);
    if (window_bytes > limit_bytes) {
      throw new LakehouseError(
        "body_too_large",
        `The zstd data asks for a window of ${window_bytes} bytes, more than ${limit_bytes}.`,
        {
          hint: "Compress it without --long and --ultra, or raise decoded_window_bytes under [limits].",
          extra: { limit_bytes },
        },
      );
    }
    yield chunk;
  }
}

/**
 * Through the runtime's own decompressor. Unlike its `node:zlib`, which takes a zstd stream that was
 * cut short for a whole one, it refuses bytes that end early, and any that follow the last frame;
 * both check the checksum of gzip, and that of zstd where there is one.
 */
async function* decompress(
  format: "gzip" | "zstd",
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { readable, writable } = new DecompressionStream(format);
  const source = feed(bytes, writable);
  try {
    for await (const chunk of readable) yield chunk;
    await source.done;
  } catch (error) {
    // What failed on the way in is what happened; the decompressor only saw its end.
    throw source.failure() ?? damaged(format, error);
  }
}

interface Feed {
  readonly done: Promise<void>;
  /** Why the bytes stopped coming, if that was not the decompressor's doing. */
  readonly failure: () => unknown;
}

function feed(bytes: AsyncIterable<Uint8Array>, writable: DecompressionStream["writable"]): Feed {
  const writer = writable.getWriter();
  // Every failure shows in the loop over what comes out.
  writer.closed.catch(() => {});
  writer.ready.catch(() => {});
  let failure: unknown;
  const done = (async () => {
    const chunks = bytes[Symbol.asyncIterator]();
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        failure = error;
        throw error;
      });
      if (next.done === true) break;
      try {
        await writer.ready;
        await writer.write(owned(next.value));
      } catch (error) {
        // Lets go of the upload: nobody reads the rest of it.
        await chunks.return?.();
        throw error;
      }
    }
    await writer.close();
  })();
  done.catch((error: unknown) => writer.abort(error).catch(() => {}));
  return { done, failure: () => failure };
}

/** Streams take no view of a buffer that may be shared between threads; bodies never are. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}

function damaged(format: string, cause: unknown): LakehouseError {
  return new LakehouseError(
    "invalid_content_coding",
    `The upload is not one whole ${format} stream: it is damaged, ends early, or goes on behind its end.`,
    {
      hint: `Test it with ${format} -t, and send it again.`,
      extra: { content_coding: format },
      cause,
    },
  );
}
