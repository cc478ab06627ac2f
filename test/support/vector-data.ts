import type { IndexParameters } from "../../plugins/vector/parameters.ts";

/** Deterministic numbers in [−1, 1): mulberry32, so that a failure can be looked at again. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

export function randomVector(dimension: number, next: () => number): number[] {
  return Array.from({ length: dimension }, next);
}

/** Vectors around common centres, as embeddings are. */
export function clusteredVectors(
  count: number,
  dimension: number,
  centres: number,
  seed: number,
): number[][] {
  const next = randomNumbers(seed);
  const middle = Array.from({ length: centres }, () => randomVector(dimension, next));
  return Array.from({ length: count }, (_, at) =>
    (middle[at % centres] ?? []).map((component) => component + next() * 0.5),
  );
}

export function parametersOf(
  dimension: number,
  rest: Partial<IndexParameters> = {},
): IndexParameters {
  return {
    dimension,
    metric: "cos",
    quantization: "bf16",
    connectivity: 16,
    ef_construction: 128,
    ef_search: 128,
    ...rest,
  };
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, component, at) => sum + component * (b[at] ?? 0), 0);

/** The distance as the documentation states it, from the numbers as given. */
export function statedDistance(
  metric: IndexParameters["metric"],
  a: readonly number[],
  b: readonly number[],
): number {
  if (metric === "ip") return 1 - dot(a, b);
  if (metric === "cos") return 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  return a.reduce((sum, component, at) => sum + (component - (b[at] ?? 0)) ** 2, 0);
}
