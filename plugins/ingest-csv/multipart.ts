import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy";
import { LakehouseError } from "../../core/error.ts";
import type { TakeFile, UploadLabel } from "./upload.ts";

/** The one field that is read. */
const FIELD = "file";
const PARTS_LIMIT = 16;
const HEADER_PAIRS_LIMIT = 32;

/**
 * Streams the one file of a `multipart/form-data` body (RFC 7578) to `take`, in bounded memory. Other fields are ignored. Throws `invalid_multipart` for no file, several, a body that
 * ends early, or one that cannot be parsed.
 */
export async function receiveMultipart(
  content_type: string,
  body: AsyncIterable<Uint8Array>,
  take: TakeFile,
): Promise<void> {
  const parser = openParser(content_type);
  const ended = Promise.withResolvers<void>();
  // What fails while the body is being written is thrown by the loop below.
  ended.promise.catch(() => {});
  let failure: unknown;
  let wake: (() => void) | undefined;
  const fail = (error: unknown): void => {
    failure ??= error;
    ended.reject(error);
    wake?.();
  };
  let stored: Promise<void> | undefined;

  parser.on("file", (field, stream, file_name, _encoding, media_type) => {
    if (field !== FIELD || stored !== undefined) {
      stream.on("error", fail).resume();
      if (field === FIELD) fail(invalid(`The body has more than one field "${FIELD}".`));
      return;
    }
    stored = store(stream, { media_type: media_type.toLowerCase(), file_name }, take);
    stored.catch(fail);
  });
  parser.on("partsLimit", () => fail(invalid(`The body has more than ${PARTS_LIMIT} parts.`)));
  parser.on("error", fail);
  parser.on("finish", () => ended.resolve());

  try {
    for await (const chunk of body) {
      // A promise of its own for each chunk: racing one that lives long would keep every chunk.
      await new Promise<void>((resolve) => {
        wake = resolve;
        parser.write(chunk, () => resolve());
        if (failure !== undefined) resolve();
      });
      if (failure !== undefined) throw failure;
    }
    parser.end();
    await ended.promise;
    await stored;
  } catch (error) {
    throw error instanceof LakehouseError ? error : asInvalid(error);
  }
  if (stored === undefined) throw invalid(`The body has no field "${FIELD}".`);
}

function openParser(content_type: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { "content-type": content_type },
      limits: { parts: PARTS_LIMIT, headerPairs: HEADER_PAIRS_LIMIT },
      isPartAFile: (field, _type, file_name) => field === FIELD || file_name !== undefined,
    });
  } catch (error) {
    throw asInvalid(error);
  }
}

async function store(stream: BusboyFileStream, label: UploadLabel, take: TakeFile): Promise<void> {
  await take(label, bytesOf(stream));
  if (stream.truncated) throw invalid("The file was cut short.");
}

async function* bytesOf(stream: BusboyFileStream): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    if (!(chunk instanceof Uint8Array)) throw new Error("the multipart parser gave no bytes");
    yield chunk;
  }
}

function invalid(detail: string): LakehouseError {
  return new LakehouseError("invalid_multipart", detail, {
    hint: `Send the file as the form field "${FIELD}", for example curl -F ${FIELD}=@data.csv, or as the raw body.`,
  });
}

/** The parser's own message names no content. */
function asInvalid(error: unknown): unknown {
  if (!(error instanceof Error) || "code" in error) return error;
  return invalid(`The multipart body cannot be parsed: ${error.message}.`);
}
