import { distanceFrom, slack } from "./distance.ts";
import type { Flat } from "./flat.ts";
import type { Graph } from "./graph.ts";
import type { IndexParameters } from "./parameters.ts";
import type { RowTable } from "./row-table.ts";
import type { Candidates } from "./usearch-native.ts";

/** The rows of an index: those below `graph.rows` in the graph, the later ones flat. */
export interface Rows {
  readonly parameters: IndexParameters;
  readonly table: RowTable;
  readonly graph: Graph | undefined;
  /** Live rows of the graph. */
  readonly graph_live: number;
  readonly flat: Flat;
}

export interface Query {
  /** In storage form, see `readVector`. */
  readonly vector: Float32Array;
  readonly k: number;
  readonly ef: number;
}

export interface Neighbour {
  readonly row: number;
  readonly id: string;
  readonly distance: number;
}

interface Candidate {
  readonly row: number;
  readonly kernel_distance: number;
}

interface Source {
  readonly rows: number;
  candidates(query: Float32Array, count: number): Candidates;
}

/**
 * The `k` nearest live rows, nearest first, ties by id. Flat rows are found exactly, those of the
 * graph among `ef` candidates; both are ranked once more by the exact distance.
 */
export function nearest(rows: Rows, query: Query): Neighbour[] {
  const { graph, flat, parameters } = rows;
  const found = [
    ...gather(flat, graph?.rows ?? 0, rows, query, { width: query.k + 16, width_limit: Infinity }),
    ...(graph === undefined ? [] : gatherGraph(graph, rows, query)),
  ].sort((a, b) => a.kernel_distance - b.kernel_distance);
  const kth = found[query.k - 1]?.kernel_distance ?? Infinity;
  const reach = kth + slack(parameters, kth);
  const near = found.filter(({ kernel_distance }) => kernel_distance <= reach);
  return rank(near, rows, query);
}

interface Width {
  /** Candidates to start with. */
  readonly width: number;
  /** Stop widening for ties here; missing rows are looked for up to the end. */
  readonly width_limit: number;
}

/**
 * Widens the search until k live rows are found and everything that may yet change places with the
 * k-th is among them, or there is no more. Dead rows are still in the graph and take up candidates.
 */
function gather(
  source: Source,
  offset: number,
  { table, parameters }: Rows,
  { vector, k }: Query,
  { width, width_limit }: Width,
): Candidate[] {
  for (let count = width; ; count *= 2) {
    const found = source.candidates(vector, count);
    const live: Candidate[] = [];
    for (let at = 0; at < found.rows.length; at++) {
      const row = offset + (found.rows[at] ?? 0);
      if (table.id(row) === null) continue;
      live.push({ row, kernel_distance: found.distances[at] ?? Infinity });
    }
    if (found.rows.length < count) return live;
    const kth = live[k - 1]?.kernel_distance;
    const last = found.distances[found.rows.length - 1] ?? Infinity;
    const settled =
      kth !== undefined && (last > kth + slack(parameters, kth) || count >= width_limit);
    if (settled) return live;
  }
}

function gatherGraph(graph: Graph, rows: Rows, query: Query): Candidate[] {
  const width = Math.max(query.k, query.ef);
  const found = gather(graph, 0, rows, query, { width, width_limit: width * 4 });
  const wanted = Math.min(query.k, rows.graph_live);
  return found.length >= wanted ? found : scanGraph(graph, rows, query);
}

/** Every live row, for the case that edges do not reach k of them: many rows that are identical. */
function scanGraph(graph: Graph, { table, parameters }: Rows, { vector }: Query): Candidate[] {
  const found: Candidate[] = [];
  const target = new Float32Array(parameters.dimension);
  const distance = distanceFrom(parameters.metric, vector);
  for (let row = 0; row < graph.rows; row++) {
    if (table.id(row) === null) continue;
    graph.read(row, target);
    found.push({ row, kernel_distance: distance(target) });
  }
  return found;
}

function rank(candidates: readonly Candidate[], rows: Rows, { vector, k }: Query): Neighbour[] {
  const { graph, flat, parameters, table } = rows;
  const flat_start = graph?.rows ?? 0;
  const target = new Float32Array(parameters.dimension);
  const distance = distanceFrom(parameters.metric, vector);
  const ranked: Neighbour[] = [];
  for (const { row } of candidates) {
    const id = table.id(row);
    if (id === null) continue;
    let stored: Float32Array = target;
    if (row < flat_start) graph?.read(row, target);
    else stored = flat.row(row - flat_start);
    ranked.push({ row, id, distance: distance(stored) });
  }
  return ranked.sort(byDistanceThenId).slice(0, k);
}

function byDistanceThenId(a: Neighbour, b: Neighbour): number {
  if (a.distance !== b.distance) return a.distance - b.distance;
  return a.id < b.id ? -1 : 1;
}
