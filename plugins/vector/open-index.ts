import { errorToJson, LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { Limits } from "../../core/limits.ts";
import type { BaseEnvelope, Identity } from "./base.ts";
import { graphPath } from "./base-files.ts";
import { type Batch, decodeBatch } from "./batch.ts";
import { Flat } from "./flat.ts";
import { corrupt } from "./frame.ts";
import { Graph } from "./graph.ts";
import { readGraphFile } from "./graph-file.ts";
import type { IndexParameters } from "./parameters.ts";
import { RowTable } from "./row-table.ts";
import type { Rows } from "./nearest.ts";
import { decodeSegment, encodeSegment, type Segment } from "./segment.ts";

/**
 * Up to this many components a full scan is about as fast as the graph (0.3 ms on one core), and
 * finds everything: 2,600 rows of 768 dimensions, 15,600 of 128.
 */
export const FLAT_COMPONENTS = 2_000_000;

/** What the main thread needs to know of an index after each change. */
export interface Stats {
  /** Vectors that can be found. */
  readonly count: number;
  /** Rows of the base, dead ones included. */
  readonly base_rows: number;
  readonly dead_rows: number;
  /** Rows in log pieces that are not folded yet. */
  readonly tail_rows: number;
  readonly tail_segments: number;
  readonly tail_bytes: number;
  readonly last_seq: number;
  readonly updated_at: string;
}

/** What became of one batch. */
export interface Outcome {
  readonly added: number;
  readonly updated: number;
  readonly deleted: number;
  readonly count: number;
}

interface KeptSegment {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/**
 * An index as a thread holds it: always exactly its base and the log pieces after it, in order, so
 * that a restart finds the same rows by the same ways. Nothing is in here that is not stored.
 */
export class OpenIndex {
  readonly identity: Identity;
  readonly #rows: { -readonly [Name in keyof Rows]: Rows[Name] };
  readonly #base_rows: number;
  readonly #kept: KeptSegment[] = [];
  #last_seq: number;
  #updated_at: string;
  #sealed: { readonly segment: Segment; readonly bytes: Uint8Array } | undefined;

  /** `folder` holds the files of `base`, if it has rows. */
  constructor(base: BaseEnvelope, folder: string) {
    const { index_id, name, created_at, parameters } = base;
    this.identity = { index_id, name, created_at, parameters };
    const table = new RowTable(base.ids, base.metadata);
    const is_flat = table.size * parameters.dimension <= FLAT_COMPONENTS;
    const flat = new Flat(parameters);
    if (is_flat && table.size > 0) fillFlat(flat, graphPath(folder), parameters, table.size);
    const graph = is_flat ? undefined : new Graph(graphPath(folder), parameters, table.size);
    this.#rows = { parameters, table, graph, graph_live: is_flat ? 0 : table.live, flat };
    this.#base_rows = table.size;
    this.#last_seq = base.folded_seq;
    this.#updated_at = base.updated_at;
  }

  get rows(): Rows {
    return this.#rows;
  }

  stats(): Stats {
    const { table } = this.#rows;
    return {
      count: table.live,
      base_rows: this.#base_rows,
      dead_rows: table.dead,
      tail_rows: table.size - this.#base_rows,
      tail_segments: this.#kept.length,
      tail_bytes: this.#kept.reduce((sum, { bytes }) => sum + bytes.length, 0),
      last_seq: this.#last_seq,
      updated_at: this.#updated_at,
    };
  }

  /**
   * Makes the next log piece of these batches, without applying it. A batch that would make the
   * index too large is left out and named in `rejected`; without any other there is no piece.
   */
  seal(batches: readonly Uint8Array[], committed_at: string, limits: Limits): Sealed {
    const { parameters, table } = this.#rows;
    const rejected: Record<number, Json> = {};
    const accepted: Uint8Array[] = [];
    const decoded: Batch[] = [];
    let projected = table.live;
    for (const [at, bytes] of batches.entries()) {
      const batch = decodeBatch(bytes, parameters);
      const fresh = batch.put.filter((id) => table.row(id) === undefined).length;
      if (fresh > 0 && projected + fresh > limits.vector_index_items) {
        rejected[at] = errorToJson(tooManyItems(limits));
        continue;
      }
      projected += fresh;
      accepted.push(bytes);
      decoded.push(batch);
    }
    if (accepted.length === 0) return { seq: undefined, bytes: undefined, rejected };
    const seq = this.#last_seq + 1;
    const { index_id } = this.identity;
    const bytes = encodeSegment({ index_id, seq, committed_at, batches: accepted });
    this.#sealed = { segment: { index_id, seq, committed_at, batches: decoded }, bytes };
    return { seq, bytes: bytes.slice(), rejected };
  }

  /** Applies the sealed piece, once it is durable: all of its batches become visible together. */
  commit(): Outcome[] {
    if (this.#sealed === undefined) throw new Error("There is no sealed log piece to commit.");
    const { segment, bytes } = this.#sealed;
    this.#sealed = undefined;
    return this.#apply(segment, bytes);
  }

  /** Forgets the sealed piece, which was not stored. */
  discard(): void {
    this.#sealed = undefined;
  }

  /** Applies a stored piece. Throws `data_corrupt` unless it is the next one of this index. */
  replay(bytes: Uint8Array): void {
    const segment = decodeSegment(bytes, this.identity.parameters);
    if (segment.index_id !== this.identity.index_id) throw corrupt("belongs to another index");
    if (segment.seq !== this.#last_seq + 1) throw corrupt("is not the next piece of the log");
    this.#apply(segment, bytes);
  }

  /** Copies of the log pieces after the base, in order. */
  tail(): Uint8Array<ArrayBuffer>[] {
    return this.#kept.map(({ bytes }) => bytes.slice());
  }

  /** Goes on from another state of the same index, whose base was older. */
  takeOver(older: OpenIndex): void {
    for (const { seq, bytes } of older.#kept) {
      if (seq > this.#last_seq) this.replay(bytes);
    }
    this.#sealed = older.#sealed;
  }

  release(scratch_path: string): void {
    this.#rows.graph?.release(scratch_path);
  }

  #apply(segment: Segment, bytes: Uint8Array): Outcome[] {
    const outcomes = segment.batches.map((batch) => this.#applyBatch(batch));
    this.#kept.push({ seq: segment.seq, bytes });
    this.#last_seq = segment.seq;
    this.#updated_at = segment.committed_at;
    return outcomes;
  }

  #applyBatch({ put, metadata, deleted, rows }: Batch): Outcome {
    const { table, flat, graph } = this.#rows;
    const graph_rows = graph?.rows ?? 0;
    let removed = 0;
    let updated = 0;
    for (const id of deleted) {
      this.#rows.graph_live -= Number((table.row(id) ?? graph_rows) < graph_rows);
      if (table.delete(id)) removed++;
    }
    flat.append(rows, put.length);
    for (const [at, id] of put.entries()) {
      this.#rows.graph_live -= Number((table.row(id) ?? graph_rows) < graph_rows);
      if (table.put(id, metadata[at] ?? null)) updated++;
    }
    return { added: put.length - updated, updated, deleted: removed, count: table.live };
  }
}

/** A piece ready to be stored; `rejected` gives the error of each batch left out, by its place. */
export interface Sealed {
  readonly seq: number | undefined;
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  readonly rejected: Readonly<Record<number, Json>>;
}

function fillFlat(flat: Flat, path: string, parameters: IndexParameters, rows: number): void {
  const { matrix, slot_of } = readGraphFile(path, parameters, rows);
  const row_bytes = matrix.length / rows;
  for (const slot of slot_of) {
    flat.append(matrix.subarray(slot * row_bytes, (slot + 1) * row_bytes), 1);
  }
}

function tooManyItems(limits: Limits): LakehouseError {
  return new LakehouseError(
    "limit_exceeded",
    `The index would hold more than ${limits.vector_index_items} vectors.`,
    { hint: "Delete vectors, or raise vector_index_items under [limits]." },
  );
}
