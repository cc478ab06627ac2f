/** Everything that is loaded from usearch, in one place: the build replaces its native loader. */
import { Index, MetricKind, ScalarKind, exactSearch } from "usearch";
import { type Kernel, kernelOf } from "./distance.ts";
import type { IndexParameters, Quantization } from "./parameters.ts";

export type NativeIndex = Index;

const KERNELS: Readonly<Record<Kernel, MetricKind>> = {
  cos: MetricKind.Cos,
  l2sq: MetricKind.L2sq,
  ip: MetricKind.IP,
};
const SCALARS: Readonly<Record<Quantization, ScalarKind>> = {
  bf16: ScalarKind.BF16,
  f32: ScalarKind.F32,
};

/**
 * An empty graph. `expansion_search` is 1, because usearch has no search width per query: it looks
 * at max(k, expansion_search) candidates, so a search for `k = ef` of which the first are kept is a
 * search of width ef.
 */
export function createNative(parameters: IndexParameters): NativeIndex {
  return new Index({
    dimensions: parameters.dimension,
    metric: KERNELS[kernelOf(parameters)],
    quantization: SCALARS[parameters.quantization],
    connectivity: parameters.connectivity,
    expansion_add: parameters.ef_construction,
    expansion_search: 1,
    multi: false,
  });
}

/** Candidates by the kernel, nearest first. */
export interface Candidates {
  readonly rows: readonly number[];
  readonly distances: Float32Array;
}

export function searchNative(index: NativeIndex, query: Float32Array, count: number): Candidates {
  // One query gives one set of matches; the type does not know that.
  const found = index.search(query, count, 1);
  if ("counts" in found) throw new TypeError("One query was given and several were answered.");
  return { rows: Array.from(found.keys, Number), distances: found.distances };
}

/**
 * The `count` nearest rows of a matrix by a full scan. `matrix` must start at offset 0 of its
 * buffer, which is where usearch starts to read, and hold at least `count` rows.
 */
export function scanNative(
  matrix: Float32Array,
  query: Float32Array,
  parameters: IndexParameters,
  count: number,
): Candidates {
  const { dimension } = parameters;
  const own = query.byteOffset === 0 ? query : query.slice();
  const found = exactSearch(matrix, own, dimension, count, KERNELS[kernelOf(parameters)], 1);
  if ("counts" in found) throw new TypeError("One query was given and several were answered.");
  return { rows: Array.from(found.keys, Number), distances: found.distances };
}
