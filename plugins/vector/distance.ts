import type { IndexParameters, Metric } from "./parameters.ts";

/** The distance of a stored row. */
export type Distance = (row: Float32Array) => number;

/**
 * The distance from a query as it is answered: computed in float64 from the stored components, so
 * that it does not depend on the CPU's vector unit, nor on whether a row was found in the graph or
 * in the tail, and a stored vector is at exactly 0 from itself under `cos` and `l2`.
 */
export function distanceFrom(metric: Metric, query: Float32Array): Distance {
  if (metric === "l2") return (row) => squaredEuclidean(query, row);
  if (metric === "ip") return (row) => 1 - dot(query, row);
  const squared_length = dot(query, query);
  return (row) => cosineDistance(query, squared_length, row);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}

function squaredEuclidean(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    sum += difference * difference;
  }
  return sum;
}

/** Rows are normalised before they are rounded, so no sum can vanish or overflow. */
function cosineDistance(query: Float32Array, squared_length: number, row: Float32Array): number {
  let product = 0;
  let row_squared_length = 0;
  for (let at = 0; at < query.length; at++) {
    const component = row[at] ?? 0;
    product += (query[at] ?? 0) * component;
    row_squared_length += component * component;
  }
  return Math.max(0, 1 - product / Math.sqrt(squared_length * row_squared_length));
}

/** The names usearch knows. */
export type Kernel = "cos" | "l2sq" | "ip";

/**
 * What usearch ranks candidates by. For cosine, rows are of length 1 and the inner product ranks
 * them 1.4 times as fast; rounding leaves lengths off by about 2⁻⁸/√dimension, which the final
 * ranking makes good (see `slack`) unless the dimension is small.
 */
export function kernelOf({ metric, dimension }: IndexParameters): Kernel {
  if (metric === "l2") return "l2sq";
  return metric === "cos" && dimension < 64 ? "cos" : "ip";
}

/**
 * How far apart two candidates may be by the kernel and still change places in the final ranking:
 * four times the error of the kernel at `kernel_distance`.
 */
export function slack(parameters: IndexParameters, kernel_distance: number): number {
  const rounding = 1e-5 * (1 + Math.abs(kernel_distance));
  if (parameters.metric !== "cos" || parameters.quantization !== "bf16") return rounding;
  return rounding + 4 / (256 * Math.sqrt(parameters.dimension));
}
