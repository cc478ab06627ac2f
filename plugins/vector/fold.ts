import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { type BaseEnvelope, emptyBase, type Identity } from "./base.ts";
import { graphPath, packFrame, readBase } from "./base-files.ts";
import type { Batch } from "./batch.ts";
import { corrupt } from "./frame.ts";
import { readRow, releaseNative } from "./graph.ts";
import { readGraphFile } from "./graph-file.ts";
import { RowTable } from "./row-table.ts";
import { bytesPerScalar, decodeScalars } from "./scalars.ts";
import { decodeSegment } from "./segment.ts";
import { createNative } from "./usearch-native.ts";

export interface FoldRequest {
  readonly identity: Identity;
  /** Folder of the base so far; undefined if it has no rows. */
  readonly previous: string | undefined;
  /** Folded state of `previous`. */
  readonly updated_at: string;
  /** Log pieces after the base, in order. */
  readonly segments: readonly Uint8Array[];
  /** Folder to write the new base into. */
  readonly folder: string;
  /** Where to write it as one frame, for an index that is stored. */
  readonly frame_path: string | undefined;
  readonly threads: number;
  readonly scratch_path: string;
}

export interface Folded {
  readonly folded_seq: number;
  readonly frame_bytes: number;
  readonly graph_bytes: number;
}

/** Above this share of dead rows the graph is built anew from the live ones. */
const DEAD_SHARE_LIMIT = 0.2;

/** Rows added in one call; between two calls the thread listens. */
const ADD_ROWS = 512;

/**
 * Makes a new base of the old one and the log after it. Rows keep their numbers, dead ones stay in
 * the graph as waypoints that are never answered, and new ones are added at the end; with many dead
 * ones everything is built anew. usearch's own removal is not used: it hands the slots of removed
 * rows to new ones, at the cost of recall. Returns undefined if `stopped` says so midway.
 */
export async function fold(
  request: FoldRequest,
  stopped: () => boolean,
): Promise<Folded | undefined> {
  const { identity, folder, scratch_path, threads } = request;
  const { parameters } = identity;
  const plan = planFold(request);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = graphPath(folder);
  if (plan.ids.length === 0) {
    writeFileSync(path, "");
    return finish(request, plan, 0);
  }
  const native = createNative(parameters);
  try {
    if (plan.kept_rows > 0 && request.previous !== undefined)
      native.load(graphPath(request.previous));
    if (native.size() !== plan.kept_rows) throw corrupt("holds a graph of another size");
    const { dimension } = parameters;
    const matrix = new Float32Array(ADD_ROWS * dimension);
    for (let first = plan.kept_rows; first < plan.ids.length; first += ADD_ROWS) {
      const rows = Math.min(ADD_ROWS, plan.ids.length - first);
      const keys = BigUint64Array.from({ length: rows }, (_, at) => BigInt(first + at));
      for (let at = 0; at < rows; at++) {
        plan.read(first + at, matrix.subarray(at * dimension, (at + 1) * dimension));
      }
      native.add(keys, matrix.subarray(0, rows * dimension), threads);
      await Bun.sleep(0);
      if (stopped()) return undefined;
    }
    native.save(path);
  } finally {
    releaseNative(native, parameters, scratch_path);
  }
  // A save to a full disk can return without an error: read back the structure before it counts.
  readGraphFile(path, parameters, plan.ids.length);
  return finish(request, plan, statSync(path).size);
}

function finish({ identity, folder, frame_path }: FoldRequest, plan: Plan, graph_bytes: number) {
  const base: BaseEnvelope = {
    ...emptyBase(identity),
    updated_at: plan.updated_at,
    folded_seq: plan.folded_seq,
    graph_bytes,
    ids: plan.ids,
    metadata: plan.metadata,
  };
  const frame_bytes = packFrame(folder, base, frame_path);
  return { folded_seq: plan.folded_seq, frame_bytes, graph_bytes };
}

interface Plan {
  readonly ids: readonly (string | null)[];
  readonly metadata: readonly (string | null)[];
  /** Rows that the old graph has already, under the same numbers. */
  readonly kept_rows: number;
  readonly folded_seq: number;
  readonly updated_at: string;
  /** Decodes the vector of a row of the new base. */
  read(row: number, target: Float32Array): void;
}

function planFold({ identity, previous, segments, updated_at }: FoldRequest): Plan {
  const { parameters } = identity;
  const base = previous === undefined ? emptyBase(identity) : readBase(previous);
  const table = new RowTable(base.ids, base.metadata);
  const base_rows = table.size;
  const tail: { readonly first_row: number; readonly batch: Batch }[] = [];
  let { folded_seq } = base;
  let committed_at = updated_at;
  for (const bytes of segments) {
    const segment = decodeSegment(bytes, parameters);
    for (const batch of segment.batches) {
      for (const id of batch.deleted) table.delete(id);
      if (batch.put.length > 0) tail.push({ first_row: table.size, batch });
      for (const [at, id] of batch.put.entries()) table.put(id, batch.metadata[at] ?? null);
    }
    folded_seq = segment.seq;
    committed_at = segment.committed_at;
  }
  const anew = table.dead > table.size * DEAD_SHARE_LIMIT;
  const kept_rows = anew ? 0 : base_rows;
  const order: number[] = [];
  for (let row = 0; row < table.size; row++) {
    if (row < kept_rows || table.id(row) !== null) order.push(row);
  }
  const file =
    anew && base_rows > 0 && previous !== undefined
      ? readGraphFile(graphPath(previous), parameters, base_rows)
      : undefined;
  const row_bytes = parameters.dimension * bytesPerScalar(parameters.quantization);
  return {
    ids: order.map((row) => table.id(row)),
    metadata: order.map((row) => table.metadata(row)),
    kept_rows,
    folded_seq,
    updated_at: committed_at,
    read(new_row, target) {
      const row = order[new_row] ?? 0;
      if (row < base_rows) {
        if (file !== undefined) readRow(file, row, parameters, target);
        return;
      }
      const found = tail.findLast(({ first_row }) => first_row <= row);
      if (found === undefined) return;
      const start = (row - found.first_row) * row_bytes;
      const bytes = found.batch.rows.subarray(start, start + row_bytes);
      decodeScalars(bytes, parameters.quantization, target);
    },
  };
}
