import { readFileSync } from "node:fs";
import { corrupt } from "./frame.ts";
import type { IndexParameters } from "./parameters.ts";
import { bytesPerScalar } from "./scalars.ts";

/**
 * The file usearch 2.x saves, as far as its rows go (index_dense.hpp, `save_to_stream`; index.hpp,
 * `index_serialized_header_t` and `node_t`), all little-endian:
 *
 *     uint32 rows, uint32 bytes per row, the rows by slot
 *     64 bytes of head, starting with "usearch"
 *     uint64 size, connectivity, connectivity_base, max_level, entry_slot
 *     int16 level of each node
 *     nodes: uint64 key, int16 level, then the edges of each level
 *
 * The JavaScript surface of usearch has no `get`; rows are needed to rank exactly, to scan, and to
 * build anew without the dead ones.
 */
const MATRIX_OFFSET_BYTES = 8;
const DENSE_HEAD_BYTES = 64;
const GRAPH_HEAD_BYTES = 40;
const NODE_HEAD_BYTES = 10;

export interface GraphFile {
  /** Rows by slot, in storage form. */
  readonly matrix: Uint8Array;
  /** `slot_of[row]`. */
  readonly slot_of: Uint32Array;
}

/**
 * Maps a graph file. Throws `data_corrupt` unless the file has exactly `rows` nodes whose keys are
 * the numbers below `rows`.
 */
export function readGraphFile(path: string, parameters: IndexParameters, rows: number): GraphFile {
  const file = mapFile(path);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const row_bytes = parameters.dimension * bytesPerScalar(parameters.quantization);
  const matrix_end = MATRIX_OFFSET_BYTES + rows * row_bytes;
  const nodes_head = matrix_end + DENSE_HEAD_BYTES;
  if (
    file.length < nodes_head + GRAPH_HEAD_BYTES ||
    view.getUint32(0, true) !== rows ||
    view.getUint32(4, true) !== row_bytes ||
    Buffer.from(file.subarray(matrix_end, matrix_end + 7)).toString("latin1") !== "usearch"
  ) {
    throw corrupt("holds a graph of another shape");
  }
  return {
    matrix: file.subarray(MATRIX_OFFSET_BYTES, matrix_end),
    slot_of: readSlots(view, nodes_head, rows),
  };
}

function readSlots(view: DataView, nodes_head: number, rows: number): Uint32Array {
  const size = Number(view.getBigUint64(nodes_head, true));
  const edges_bytes = 4 + 4 * Number(view.getBigUint64(nodes_head + 8, true));
  const base_edges_bytes = 4 + 4 * Number(view.getBigUint64(nodes_head + 16, true));
  const levels = nodes_head + GRAPH_HEAD_BYTES;
  if (size !== rows || levels + rows * 2 > view.byteLength) {
    throw corrupt("holds a graph with another number of nodes");
  }
  const slot_of = new Uint32Array(rows).fill(0xffffffff);
  let at = levels + rows * 2;
  for (let slot = 0; slot < rows; slot++) {
    if (at + NODE_HEAD_BYTES > view.byteLength) throw corrupt("holds a graph that is cut off");
    const row = Number(view.getBigUint64(at, true));
    if (row >= rows || slot_of[row] !== 0xffffffff) throw corrupt("holds a graph with alien keys");
    slot_of[row] = slot;
    const level = view.getInt16(levels + slot * 2, true);
    at += NODE_HEAD_BYTES + base_edges_bytes + level * edges_bytes;
  }
  if (at !== view.byteLength) throw corrupt("holds a graph of another length");
  return slot_of;
}

function mapFile(path: string): Uint8Array {
  return process.platform === "win32" ? readFileSync(path) : Bun.mmap(path, { shared: true });
}
