import type { DuckDBInstance } from "@duckdb/node-api";
import { rm } from "node:fs/promises";
import { samePlan, type WrittenColumn } from "./judged-schema.ts";
import type { Scan } from "./kernel/scanner.ts";
import { type JoinedFile, ParquetJoin } from "./parquet/join.ts";
import type { RowGroupFile } from "./parquet/row-groups.ts";
import {
  addReadBack,
  checkReadBack,
  checkSums,
  type ReadBack,
  readBack,
  readNothing,
} from "./read-back.ts";
import { EngineDisagrees } from "./witness.ts";

/** The files of one range, in the order of its rows. */
export type RangeFiles = readonly RowGroupFile[];

export interface ResultOptions {
  /** It may still be opening. */
  readonly engine: Promise<DuckDBInstance>;
  /** Must not exist. */
  readonly path: string;
  /** Files that are read back at the same time. */
  readonly readers_max: number;
}

/**
 * Makes one Parquet file of those of the ranges. Each is read back by the engine and joined to the
 * ones before as soon as it is there; if the columns turn out otherwise, all of it is done again.
 */
export class ResultFile implements AsyncDisposable {
  readonly #options: ResultOptions;
  #draft: Draft | undefined;
  /** The ranges so far were not all written as the same columns. */
  #is_mixed = false;
  #is_whole = false;

  constructor(options: ResultOptions) {
    this.#options = options;
  }

  /** The files of the next range; undefined if it has to be written again. A failure shows later. */
  add(files: RangeFiles | undefined, columns: readonly WrittenColumn[]): void {
    this.#draft ??= new Draft(this.#options, columns);
    if (files === undefined || !samePlan(this.#draft.columns, columns)) this.#is_mixed = true;
    if (files !== undefined && !this.#is_mixed) this.#draft.add(files);
  }

  /** Of all ranges, as they are now. Throws `EngineDisagrees`. */
  async finish(
    ranges: readonly RangeFiles[],
    columns: readonly WrittenColumn[],
    scan: Scan,
  ): Promise<JoinedFile> {
    let draft = this.#draft;
    const is_other = draft === undefined || !samePlan(draft.columns, columns);
    // Of ranges without rows the draft has nothing to join.
    if (draft === undefined || is_other || this.#is_mixed || scan.row_count === 0) {
      await this[Symbol.asyncDispose]();
      draft = new Draft(this.#options, columns);
      this.#draft = draft;
      for (const files of ranges) draft.add(files);
    }
    const { found, joined } = await draft.finish();
    checkReadBack(scan, columns, found);
    if (joined.row_count !== scan.row_count) throw new EngineDisagrees("the joined file lost rows");
    this.#is_whole = true;
    return joined;
  }

  /** Waits until nothing runs, so that the engine can be closed; leaves a whole file or none. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#draft?.close();
    if (!this.#is_whole) await rm(this.#options.path, { force: true });
  }
}

class Draft {
  readonly columns: readonly WrittenColumn[];
  readonly #options: ResultOptions;
  readonly #join: Promise<ParquetJoin>;
  readonly #unread: RowGroupFile[] = [];
  readonly #readers: Promise<void>[] = [];
  #reading_count = 0;
  #found: ReadBack;
  #joined: Promise<void>;

  constructor(options: ResultOptions, columns: readonly WrittenColumn[]) {
    this.#options = options;
    this.columns = columns;
    this.#join = ParquetJoin.create(options.path);
    this.#join.catch(() => {});
    this.#found = readNothing(columns.length);
    this.#joined = Promise.resolve();
  }

  add(files: RangeFiles): void {
    if (files.length === 0) return;
    this.#unread.push(...files);
    if (this.#reading_count < this.#options.readers_max) this.#readers.push(this.#read());
    this.#joined = this.#joinAfter(this.#joined, files);
    // Kept from being unhandled: `finish` tells.
    this.#readers.at(-1)?.catch(() => {});
    this.#joined.catch(() => {});
  }

  /** What has come and is read by nobody yet, shared with the other readers, until there is no more. */
  async #read(): Promise<void> {
    const { engine, readers_max } = this.#options;
    this.#reading_count += 1;
    while (this.#unread.length > 0) {
      const files = this.#unread.splice(0, Math.ceil(this.#unread.length / readers_max));
      const found = await readBack(
        await engine,
        this.columns,
        files.map(({ path }) => path),
      );
      checkSums(this.columns, found, files);
      this.#found = addReadBack(this.#found, found);
    }
    this.#reading_count -= 1;
  }

  async #joinAfter(before: Promise<void>, files: RangeFiles): Promise<void> {
    await before;
    const join = await this.#join;
    for (const { path } of files) await join.add(path);
  }

  async finish(): Promise<{ readonly found: ReadBack; readonly joined: JoinedFile }> {
    await Promise.all([...this.#readers, this.#joined]);
    return { found: this.#found, joined: await (await this.#join).finish() };
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#readers, this.#joined]);
    // Without a file there is nothing to close, and the first error is the one to tell.
    const join = await this.#join.catch(() => {});
    await join?.[Symbol.asyncDispose]();
  }
}
