import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

/**
 * Takes rows in the one form that leaves a reader nothing to decide: one delimiter, LF, and
 * quotes only around whole cells. Where it is cut depends on the rows alone.
 */
export interface PlainSink {
  /** Bytes that still fit into the present piece, and whether it holds none yet. */
  room(): { readonly bytes: number; readonly fresh: boolean };
  /** Whole rows; the bytes are valid during the call. */
  write(rows: Uint8Array): void;
  /** The next row has no room: begin another piece. */
  next(): void;
}

/**
 * Under the 8,000,000 bytes that one scanner of the engine takes at a time, with room for a long
 * row. Where two scanners meet near a quoted cell with line breaks or `""` in it, the engine
 * guesses, and now and then returns other text; a file that one scanner reads alone has no such
 * place.
 */
const SEGMENT_BYTES = 6_500_000;
/** Files of one statement: enough for the engine's threads, few enough to begin early. */
const BATCH_SEGMENTS = 4;

/**
 * The first line of every segment, which the engine skips: without it a segment whose first cell
 * begins with U+FEFF would lose that character, as a byte order mark.
 */
const FIRST_LINE = Buffer.from("segment\n");

/** Receives the paths of each batch as soon as its last row is written. */
export type OnBatch = (paths: readonly string[]) => void;

/**
 * Writes plain rows into files that one scanner of the engine reads each. Where they are cut, and
 * which make a batch, depends on the rows alone: the same upload always gives the same files.
 */
export class Segments implements PlainSink {
  readonly #folder: string;
  readonly #onBatch: OnBatch;
  #batch: string[] = [];
  #count = 0;
  #file: number | undefined;
  #written_bytes = 0;

  constructor(folder: string, onBatch: OnBatch) {
    this.#folder = folder;
    this.#onBatch = onBatch;
  }

  room(): { readonly bytes: number; readonly fresh: boolean } {
    return { bytes: SEGMENT_BYTES - this.#written_bytes, fresh: this.#written_bytes === 0 };
  }

  write(rows: Uint8Array): void {
    this.#file ??= this.#open();
    for (let done = 0; done < rows.length;) done += writeSync(this.#file, rows, done);
    this.#written_bytes += rows.length;
  }

  next(): void {
    this.close();
    if (this.#batch.length === BATCH_SEGMENTS) this.#handOver();
  }

  /** No more rows. */
  finish(): void {
    this.close();
    if (this.#batch.length > 0) this.#handOver();
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    this.#written_bytes = 0;
  }

  #handOver(): void {
    const paths = this.#batch;
    this.#batch = [];
    this.#onBatch(paths);
  }

  #open(): number {
    const path = join(this.#folder, `segment-${String(this.#count).padStart(6, "0")}.csv`);
    this.#count += 1;
    this.#batch.push(path);
    const file = openSync(path, "wx", 0o600);
    writeSync(file, FIRST_LINE);
    return file;
  }
}
