import type { CodecRegistry, ContentCoding } from "../../core/codec.ts";
import { LakehouseError } from "../../core/error.ts";
import type { Limits } from "../../core/limits.ts";
import type { UploadLabel } from "./upload.ts";

/** A zip in a zip in a zip is no upload but an attack. */
const CODINGS_LIMIT = 2;
/** Below this much output the ratio says nothing: short repetitive files compress without end. */
const RATIO_FLOOR_BYTES = 64 * 1024 * 1024;

export type DecodeLimits = Pick<Limits, "decoded_bytes" | "decoded_ratio">;

export interface Unwrapped {
  /** What the file inside is. */
  readonly label: UploadLabel;
  readonly decode: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
}

/**
 * Takes the codings off an upload, as far as they are declared: by `Content-Encoding` (RFC 9110
 * §8.4), by the media type, or by the suffix of the file name. Bytes are never looked at for it.
 */
export class CodedUploads {
  readonly #codings: readonly ContentCoding[];
  readonly #limits: DecodeLimits;

  constructor(codecs: CodecRegistry, limits: DecodeLimits) {
    this.#codings = codecs.codings();
    this.#limits = limits;
  }

  /** The body without its `Content-Encoding`. Throws `unsupported_media_type` for one not known. */
  body(header: string | null, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const names = (header ?? "")
      .split(",")
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== "" && name !== "identity");
    if (names.length > CODINGS_LIMIT) throw this.#unsupported(header ?? "");
    // They are listed in the order they were applied.
    return names.toReversed().reduce((coded, name) => {
      const coding = this.#codings.find(
        (each) => each.name === name || each.aliases.includes(name),
      );
      if (coding === undefined) throw this.#unsupported(name);
      return this.#decode(coding, coded);
    }, bytes);
  }

  /** The file inside: `data.csv.gz` is `data.csv` in gzip. */
  file({ media_type, file_name }: UploadLabel): Unwrapped {
    const name = file_name?.toLowerCase() ?? "";
    for (const coding of this.#codings) {
      const suffix = coding.suffixes.find((each) => name.endsWith(each));
      const typed = media_type !== undefined && coding.media_types.includes(media_type);
      if (suffix === undefined && !typed) continue;
      return {
        label: {
          media_type: typed ? undefined : media_type,
          file_name: suffix === undefined ? file_name : file_name?.slice(0, -suffix.length),
        },
        decode: (bytes) => this.#decode(coding, bytes),
      };
    }
    return { label: { media_type, file_name }, decode: (bytes) => bytes };
  }

  /**
   * A file that is still coded is text to nobody, but some of its bytes could pass for Windows-1252.
   * Throws `unsupported_media_type`.
   */
  refuseUndeclared(head: Uint8Array): void {
    const found = this.#codings.find(({ magic }) =>
      magic.every((byte, index) => head[index] === byte),
    );
    if (found === undefined) return;
    throw new LakehouseError(
      "unsupported_media_type",
      `The file is ${found.name} data, and the request does not say so.`,
      {
        hint: `Add Content-Encoding: ${found.name}, or send it as a form field whose file name ends with ${found.suffixes.join(" or ")}.`,
        extra: { content_coding: found.name },
      },
    );
  }

  async *#decode(
    coding: ContentCoding,
    bytes: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    const { decoded_bytes, decoded_ratio } = this.#limits;
    let coded_size = 0;
    let size = 0;
    const counted = tap(bytes, (chunk) => {
      coded_size += chunk.byteLength;
    });
    for await (const chunk of coding.decode(counted)) {
      size += chunk.byteLength;
      if (size > decoded_bytes) throw tooLarge(decoded_bytes);
      if (size > RATIO_FLOOR_BYTES && size > coded_size * decoded_ratio) {
        throw tooDense(coding.name, decoded_ratio);
      }
      yield chunk;
    }
  }

  #unsupported(name: string): LakehouseError {
    const known = this.#codings.map((coding) => coding.name);
    return new LakehouseError(
      "unsupported_media_type",
      `Bodies with Content-Encoding ${JSON.stringify(name.slice(0, 40))} are not read.`,
      {
        hint: `Send the file uncompressed, or in ${known.join(" or ")}; at most ${CODINGS_LIMIT} codings.`,
        extra: { supported: known },
      },
    );
  }
}

async function* tap(
  bytes: AsyncIterable<Uint8Array>,
  onChunk: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    onChunk(chunk);
    yield chunk;
  }
}

function tooLarge(limit_bytes: number): LakehouseError {
  return new LakehouseError(
    "body_too_large",
    `The upload is larger than ${limit_bytes} bytes when decompressed.`,
    {
      hint: "Divide the file, or raise decoded_bytes under [limits].",
      extra: { limit_bytes },
    },
  );
}

function tooDense(coding: string, limit: number): LakehouseError {
  return new LakehouseError(
    "body_too_large",
    `The ${coding} data grows to more than ${limit} times its size.`,
    {
      hint: "Send the file uncompressed, or raise decoded_ratio under [limits].",
      extra: { limit },
    },
  );
}
