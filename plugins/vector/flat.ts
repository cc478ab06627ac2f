import type { IndexParameters } from "./parameters.ts";
import { decodeScalars } from "./scalars.ts";
import { type Candidates, scanNative } from "./usearch-native.ts";

/** Rows that are scanned in full: small indexes, and what came after the last fold. */
export class Flat {
  readonly #parameters: IndexParameters;
  #matrix = new Float32Array(0);
  #rows = 0;

  constructor(parameters: IndexParameters) {
    this.#parameters = parameters;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Appends rows in storage form. */
  append(bytes: Uint8Array, rows: number): void {
    const { dimension, quantization } = this.#parameters;
    this.#reserve(this.#rows + rows);
    const start = this.#rows * dimension;
    const target = this.#matrix.subarray(start, start + rows * dimension);
    decodeScalars(bytes, quantization, target);
    this.#rows += rows;
  }

  candidates(query: Float32Array, count: number): Candidates {
    const wanted = Math.min(count, this.#rows);
    if (wanted === 0) return { rows: [], distances: new Float32Array() };
    const filled = this.#matrix.subarray(0, this.#rows * this.#parameters.dimension);
    return scanNative(filled, query, this.#parameters, wanted);
  }

  /** One row, as a view that is good until the next `append`. */
  row(row: number): Float32Array {
    const { dimension } = this.#parameters;
    return this.#matrix.subarray(row * dimension, (row + 1) * dimension);
  }

  #reserve(rows: number): void {
    const needed = rows * this.#parameters.dimension;
    if (needed <= this.#matrix.length) return;
    const grown = new Float32Array(Math.max(needed, this.#matrix.length * 2));
    grown.set(this.#matrix.subarray(0, this.#rows * this.#parameters.dimension));
    this.#matrix = grown;
  }
}
