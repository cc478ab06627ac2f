import { existsSync } from "node:fs";
import { join } from "node:path";
import { threadId } from "node:worker_threads";
import { corrupt } from "./frame.ts";
import { type GraphFile, readGraphFile } from "./graph-file.ts";
import type { IndexParameters } from "./parameters.ts";
import { bytesPerScalar, decodeScalars } from "./scalars.ts";
import { type Candidates, createNative, type NativeIndex, searchNative } from "./usearch-native.ts";

/** An immutable graph on disk, mapped into memory. Rows are numbered from 0; none is ever removed. */
export class Graph {
  readonly rows: number;
  readonly #native: NativeIndex;
  readonly #file: GraphFile;
  readonly #parameters: IndexParameters;

  /** The file was verified by its digest; the library is only given files that were. */
  constructor(path: string, parameters: IndexParameters, rows: number) {
    this.rows = rows;
    this.#parameters = parameters;
    this.#file = readGraphFile(path, parameters, rows);
    this.#native = createNative(parameters);
    this.#native.view(path);
    // `view` takes over whatever dimension the file has, without a word.
    if (this.#native.dimensions() !== parameters.dimension || this.#native.size() !== rows) {
      throw corrupt("holds a graph of another dimension");
    }
  }

  candidates(query: Float32Array, count: number): Candidates {
    return searchNative(this.#native, query, Math.min(count, this.rows));
  }

  /** Decodes one row into `target`. */
  read(row: number, target: Float32Array): void {
    readRow(this.#file, row, this.#parameters, target);
  }

  /** Native memory is invisible to the collector: let go of it by viewing an empty graph. */
  release(scratch_path: string): void {
    releaseNative(this.#native, this.#parameters, scratch_path);
  }
}

export function readRow(
  file: GraphFile,
  row: number,
  { dimension, quantization }: IndexParameters,
  target: Float32Array,
): void {
  const row_bytes = dimension * bytesPerScalar(quantization);
  const start = (file.slot_of[row] ?? 0) * row_bytes;
  decodeScalars(file.matrix.subarray(start, start + row_bytes), quantization, target);
}

export function releaseNative(
  native: NativeIndex,
  parameters: IndexParameters,
  scratch_path: string,
): void {
  const path = join(scratch_path, `empty-${threadId}.usearch`);
  if (!existsSync(path)) createNative(parameters).save(path);
  native.view(path);
}
