import { LakehouseError } from "./error.ts";
import type { Json } from "./json.ts";
import type { Column } from "./services.ts";

/** A finished upload, on local disk, hashed while it arrived. */
export interface CodecInput {
  readonly path: string;
  readonly size_bytes: number;
  /** Hex. */
  readonly sha256: string;
  /** Where the Parquet file must be written; does not exist yet. */
  readonly output_path: string;
  /** An empty folder of this conversion, for whatever else it writes; the caller removes it. */
  readonly work_path: string;
  /** Query parameters of the request; the codec owns their meaning and rejects unknown values. */
  readonly options: Readonly<Record<string, string>>;
  readonly deadline_ms: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: unknown) => void) | undefined;
}

/** What a codec made of it: a Parquet file at `output_path`, with field ids as in `columns`. */
export interface CodecOutput {
  readonly columns: readonly Column[];
  readonly row_count: number;
  /** What it saw and why it chose the types, for people. */
  readonly report: Json;
  /** Sentences that belong into every answer, for example that the encoding had to be guessed. */
  readonly notices: readonly string[];
}

/** Turns files of one format into typed Parquet. Same bytes and options give the same output. */
export interface Codec {
  /** `csv` */
  readonly format: string;
  /** Lower case, without parameters: `text/csv`. */
  readonly media_types: readonly string[];
  /** Lower case, with the dot: `.csv`. */
  readonly suffixes: readonly string[];
  /** Changes whenever the same bytes and options could give other Parquet: part of object keys. */
  readonly version: string;
  /** The options, one spelling per meaning. Throws `invalid_request` for one it does not know. */
  canonicalOptions(options: Readonly<Record<string, string>>): Json;
  convert(input: CodecInput): Promise<CodecOutput>;
}

/** The formats the enabled plugins can read. */
export class CodecRegistry {
  readonly #codecs: Codec[] = [];

  /** Throws `invalid_config` if another codec claims the format, a media type or a suffix. */
  register(codec: Codec): void {
    for (const other of this.#codecs) {
      const shared =
        other.format === codec.format
          ? codec.format
          : (codec.media_types.find((type) => other.media_types.includes(type)) ??
            codec.suffixes.find((suffix) => other.suffixes.includes(suffix)));
      if (shared !== undefined) {
        throw new LakehouseError(
          "invalid_config",
          `Two codecs claim ${shared}: ${other.format} and ${codec.format}.`,
        );
      }
    }
    this.#codecs.push(codec);
  }

  all(): readonly Codec[] {
    return this.#codecs;
  }

  /** By media type, else by the file name's suffix, else undefined. */
  find(media_type: string | undefined, file_name: string | undefined): Codec | undefined {
    const type = media_type?.split(";", 1)[0]?.trim().toLowerCase();
    const name = file_name?.toLowerCase() ?? "";
    return (
      this.#codecs.find((codec) => type !== undefined && codec.media_types.includes(type)) ??
      this.#codecs.find((codec) => codec.suffixes.some((suffix) => name.endsWith(suffix)))
    );
  }
}
