import { LakehouseError } from "./error.ts";
import type { Json } from "./json.ts";
import type { Column, PhysicalColumn } from "./services.ts";

/** What the columns of an upload are judged against. */
export interface SchemaInput {
  /** Undefined where the dataset is new. */
  readonly registered?:
    | { readonly columns: readonly Column[]; readonly last_column_id: number }
    | undefined;
  /** What to do where the upload does not fit: `?schema=`. */
  readonly mode: "strict" | "widen" | "replace";
}

/**
 * What an upload is to the registered schema: the first of its name, no change, a change that was
 * asked for, or one that was not.
 */
export type SchemaVerdict = "new" | "same" | "widened" | "replaced" | "conflict";

/** An upload on local disk. */
export interface CodecInput {
  readonly path: string;
  /** Exists when the file at `path` is whole; for a codec that `follows`, it may still be arriving. */
  readonly done_path: string;
  /** Where the Parquet file must be written; does not exist yet. */
  readonly output_path: string;
  /** An empty folder of this conversion, for whatever else it writes; the caller removes it. */
  readonly work_path: string;
  /** Query parameters of the request; the codec owns their meaning and rejects unknown values. */
  readonly options: Readonly<Record<string, string>>;
  readonly schema: SchemaInput;
  /** Judge everything, write nothing: bad rows are in the report then, and no error. */
  readonly dry_run: boolean;
  /** Where a codec that lets bad rows pass writes them as Parquet; does not exist yet. */
  readonly rejects_path?: string | undefined;
  readonly deadline_ms: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: unknown) => void) | undefined;
}

/** Rows that were let pass, as a Parquet file at `rejects_path`. */
export interface CodecRejects {
  readonly columns: readonly Column[];
  readonly row_count: number;
  /** Of the Parquet file. */
  readonly size_bytes: number;
  /** Hex, of the Parquet file. */
  readonly sha256: string;
}

/**
 * What a codec made of it: a Parquet file at `output_path`; none after a dry run, and none where the
 * verdict is `conflict`.
 */
export interface CodecOutput {
  readonly verdict: SchemaVerdict;
  /** How the upload differs from the registered schema, for programs that decide about it. */
  readonly diff: Json;
  /**
   * What to register, in this order and with these ids. After a conflict: what the upload would be
   * by itself, as a replacement.
   */
  readonly columns: readonly Column[];
  /** The highest id ever given in the dataset, those of `columns` included. */
  readonly last_column_id: number;
  /** The columns in the file, in order, where they are others than `columns`. */
  readonly physical_columns?: readonly PhysicalColumn[];
  readonly row_count: number;
  /** Of the Parquet file; 0 if none was written. */
  readonly size_bytes: number;
  /** Hex, of the Parquet file; empty if none was written. */
  readonly sha256: string;
  /** What it saw and why it chose the types, for people. */
  readonly report: Json;
  /** Sentences that belong into every answer, for example that the encoding had to be guessed. */
  readonly notices: readonly string[];
  /** Only if there are any. */
  readonly rejects?: CodecRejects;
}

/** Turns files of one format into typed Parquet. Same bytes and options give the same output. */
export interface Codec {
  /** `csv` */
  readonly format: string;
  /** Lower case, without parameters: `text/csv`. */
  readonly media_types: readonly string[];
  /** Lower case, with the dot: `.csv`. */
  readonly suffixes: readonly string[];
  /** Tells a file of this format by its first eight bytes, where nobody said what it is. */
  recognizes?(head: Uint8Array): boolean;
  /** Changes whenever the same bytes and options could give other Parquet: part of object keys. */
  readonly version: string;
  /** The options, one spelling per meaning. Throws `invalid_request` for one it does not know. */
  canonicalOptions(options: Readonly<Record<string, string>>): Json;
  /** It can begin before the upload has ended: it reads on as bytes arrive. */
  readonly follows?: boolean;
  convert(input: CodecInput): Promise<CodecOutput>;
}

/** A reversible coding around a file of any format (RFC 9110 §8.4.1): gzip, zstd. */
export interface ContentCoding {
  /** The token in `Content-Encoding`, lower case, and other spellings of it. */
  readonly name: string;
  readonly aliases: readonly string[];
  /** Of files in this coding when nothing else is said of them: `application/gzip`. */
  readonly media_types: readonly string[];
  /** Lower case, with the dot: `.gz`. */
  readonly suffixes: readonly string[];
  /** What everything in this coding begins with. */
  readonly magic: Uint8Array;
  /**
   * The bytes before they were coded, as they arrive and in bounded memory. Throws
   * `invalid_content_coding` if they are damaged, end early, or something else follows them.
   */
  decode(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
}

/** The formats the enabled plugins can read, and the codings they can be wrapped in. */
export class CodecRegistry {
  readonly #codecs: Codec[] = [];
  readonly #codings: ContentCoding[] = [];

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

  /** Throws `invalid_config` if another coding claims a name, a media type or a suffix. */
  registerCoding(coding: ContentCoding): void {
    const claims = (each: ContentCoding): readonly string[] => [
      each.name,
      ...each.aliases,
      ...each.media_types,
      ...each.suffixes,
    ];
    const taken = new Set(this.#codings.flatMap(claims));
    const shared = claims(coding).find((claim) => taken.has(claim));
    if (shared !== undefined) {
      throw new LakehouseError("invalid_config", `Two content codings claim ${shared}.`);
    }
    this.#codings.push(coding);
  }

  codings(): readonly ContentCoding[] {
    return this.#codings;
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
