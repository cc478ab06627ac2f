import { FLAT_COMPONENTS, type Stats } from "./open-index.ts";

/** Log pieces are single objects: more of them make a start slow, above all on a remote store. */
const TAIL_SEGMENTS = 256;
/** Folding rewrites the base: a large one waits for this share of new rows. */
const TAIL_SHARE = 0.02;
/** Dead rows cost candidates; fewer than this many do not matter. */
const DEAD_ROWS = 1000;
const DEAD_SHARE = 0.2;
/** The tail is scanned in full by each search and held as float32: 128 MB, some 5 ms. */
const TAIL_COMPONENTS_MAX = 32_000_000;

/** Whether the log should be folded into the base now. Pure. */
export function foldIsDue(stats: Stats, dimension: number): boolean {
  const tail_limit = Math.max(FLAT_COMPONENTS, stats.base_rows * dimension * TAIL_SHARE);
  const dead_limit = Math.max(DEAD_ROWS, (stats.base_rows + stats.tail_rows) * DEAD_SHARE);
  return (
    stats.tail_rows * dimension > tail_limit ||
    stats.tail_segments > TAIL_SEGMENTS ||
    (stats.tail_segments > 0 && stats.dead_rows > dead_limit)
  );
}

/**
 * Whether a log that has been quiet should be folded: searches scan it in full beside the graph.
 * Pure.
 */
export function foldIsWorthwhile(stats: Stats, dimension: number): boolean {
  const rows = stats.base_rows + stats.tail_rows;
  const tail_limit = Math.max(FLAT_COMPONENTS / 16, rows * dimension * (TAIL_SHARE / 10));
  return rows * dimension > FLAT_COMPONENTS && stats.tail_rows * dimension > tail_limit;
}

/** Whether writers must wait for the fold, because searches would become slow. Pure. */
export function tailIsFull(stats: Stats, dimension: number): boolean {
  return stats.tail_rows * dimension > TAIL_COMPONENTS_MAX;
}
