import { join } from "node:path";
import type { ArrivingFile } from "./arriving-file.ts";
import { type BadRecords, SHOWN_MAX } from "./bad-records.ts";
import type { ConversionProgress } from "./conversion-progress.ts";
import type { CsvColumns } from "./csv-columns.ts";
import { type JudgedSchema, samePlan, type WrittenColumn } from "./judged-schema.ts";
import type { BadRecord, Scan } from "./kernel/scanner.ts";
import { unpacked } from "./packed-records.ts";
import {
  convertRange,
  type RangeJob,
  type RangeOutput,
  type RangeResult,
  type RangeSettings,
  sampleRange,
} from "./range-convert.ts";
import type { RangeThreads } from "./range-threads.ts";
import type { RangeFiles } from "./result-file.ts";
import { recordTooLong } from "./record-too-long.ts";
import { ScanSum } from "./scan-sum.ts";
import type { TextFault } from "./text-check.ts";
import { cutText, type TextRange } from "./text-cuts.ts";
import { EngineDisagrees } from "./witness.ts";

/**
 * Of a text; what one thread holds in memory, and one row group of the result unless it is wide. Short
 * ones are sooner done when the upload ends, long ones make a smaller footer.
 */
const RANGE_BYTES_MIN = 8 * 1024 * 1024;
const RANGE_BYTES_MAX = 16 * 1024 * 1024;
const RANGES_AHEAD = 32;
/** Ranges begun and not yet merged. */
const AHEAD_MAX = 8;

/** Of the range that begins at `start`: the same for the same text, however long it will be. */
const rangeBytes = (start: number): number =>
  Math.max(RANGE_BYTES_MIN, Math.min(RANGE_BYTES_MAX, Math.floor(start / RANGES_AHEAD)));

export interface TextConversionOptions {
  readonly settings: Omit<RangeSettings, "bad_max">;
  readonly file: ArrivingFile;
  readonly threads: RangeThreads;
  readonly columns: CsvColumns;
  readonly bad: BadRecords;
  /** Receives every record that is no row, in the order of the file. */
  readonly rejects: { add(record: BadRecord): void } | undefined;
  /** Where the rows are written, and who is told; without it they are only judged. */
  readonly writing: RowWriting | undefined;
  readonly progress: ConversionProgress | undefined;
  /** For tests alone: another size gives other files for the same text. */
  readonly range_bytes?: number | undefined;
}

export interface RowWriting {
  readonly folder: string;
  /** The files of each range, in order; undefined if it is to be written again. */
  readonly onRange: (files: RangeFiles | undefined, columns: readonly WrittenColumn[]) => void;
}

interface Task {
  readonly range: TextRange;
  readonly columns: readonly WrittenColumn[] | undefined;
  /** The files of its rows; the rest of the result is not held on to: rejected rows can be many. */
  readonly files: Promise<RangeFiles | undefined>;
  readonly merged: Promise<void>;
}

/**
 * Judges a text as it arrives, range by range in several threads, and writes each range as Parquet
 * by what is known of the columns so far. At the end those are written again whose columns turned
 * out otherwise: what is written depends on the text and the final plan alone.
 */
export class TextConversion {
  readonly #options: TextConversionOptions;
  readonly #settings: RangeSettings;
  readonly #sum: ScanSum;
  readonly #tasks: Task[] = [];
  #judged: JudgedSchema | undefined;
  #merged: Promise<void> = Promise.resolve();
  #merged_count = 0;
  #fault: TextFault | undefined;
  /** Nothing that follows matters any more. */
  #is_over = false;

  constructor(options: TextConversionOptions) {
    this.#options = options;
    const { settings, columns, rejects } = options;
    this.#settings = { ...settings, bad_max: rejects === undefined ? SHOWN_MAX : Infinity };
    const { names, data_line } = settings.dialect;
    const { scales } = columns;
    this.#sum = new ScanSum({ column_count: names.length, first_line: data_line, scales });
  }

  get scan(): Scan {
    return this.#sum.scan;
  }

  /** By all rows that were seen. */
  judge(): JudgedSchema {
    return this.#options.columns.judge(this.#sum.scan.columns);
  }

  /**
   * Goes over the whole text. Gives back where it stops being text, if it does; throws
   * `limit_exceeded` for a record that is too long.
   */
  async run(): Promise<TextFault | undefined> {
    const { file, threads, settings, range_bytes } = this.#options;
    try {
      for await (const range of cutText(file, settings.dialect, {
        rangeBytes: range_bytes === undefined ? rangeBytes : () => range_bytes,
        record_limit_bytes: settings.record_limit_bytes,
      })) {
        if (this.#is_over) break;
        const is_alone = this.#tasks.length === 0 && range.is_last;
        if (!is_alone) await threads.free();
        await this.#caughtUp();
        // No other thread could help with a text that is one range.
        await this.#begin(range, is_alone ? convertRange : (job) => threads.convert(job));
      }
      await this.#merged;
    } finally {
      // After a failure nothing may be merged any more, and nobody told, when the caller goes on.
      this.#is_over = true;
      await Promise.allSettled(this.#tasks.flatMap(({ files, merged }) => [files, merged]));
    }
    return this.#fault;
  }

  /** The files of all rows, in order, written by the final plan. */
  async finish(columns: readonly WrittenColumn[]): Promise<readonly RangeFiles[]> {
    const all = this.#tasks.map((task, index) => this.#writtenAs(columns, task, index));
    // Whatever fails, nothing may be writing any more when the caller is told.
    await Promise.allSettled(all);
    return Promise.all(all);
  }

  /** Again, if need be. */
  async #writtenAs(
    columns: readonly WrittenColumn[],
    task: Task,
    index: number,
  ): Promise<RangeFiles> {
    const files = await task.files;
    if (files !== undefined && task.columns !== undefined && samePlan(task.columns, columns))
      return files;
    const job = this.#jobOf(task.range, `again-${index}`, columns);
    const again = await this.#options.threads.convert(job);
    if (again.files === undefined)
      throw new EngineDisagrees("a cell has no value in the type that all cells fit");
    return again.files;
  }

  /** Resolves when few results wait to be merged: with many rejected rows that is the slower part. */
  async #caughtUp(): Promise<void> {
    const { length } = this.#tasks;
    if (length - this.#merged_count >= AHEAD_MAX) await this.#tasks[length - AHEAD_MAX]?.merged;
  }

  async #begin(range: TextRange, convert: (job: RangeJob) => Promise<RangeResult>): Promise<void> {
    const { writing, columns } = this.#options;
    if (writing !== undefined)
      this.#judged ??= columns.judge(await sampleRange({ ...range, settings: this.#settings }));
    const plan = this.#judged?.written;
    const result = convert(this.#jobOf(range, `rows-${this.#tasks.length}`, plan));
    const files = result.then(({ files }) => files);
    const merged = this.#merged.then(async () =>
      this.#merge({ range, columns: plan }, await result),
    );
    this.#tasks.push({ range, columns: plan, files, merged });
    this.#merged = merged;
    // Awaited when those before it are merged, and at the end of `run`; they may have failed before.
    files.catch(() => {});
    merged.catch(() => {
      this.#is_over = true;
    });
  }

  #jobOf(
    { start, end }: TextRange,
    name: string,
    columns: readonly WrittenColumn[] | undefined,
  ): RangeJob {
    const { writing } = this.#options;
    const output: RangeOutput | undefined =
      writing === undefined || columns === undefined
        ? undefined
        : { columns, path_prefix: join(writing.folder, `${name}-`) };
    return { settings: this.#settings, start, end, output };
  }

  /** Ranges are merged in their order, so that the earliest problem is the one that is told. */
  #merge(
    task: Pick<Task, "range" | "columns">,
    { fault, too_long, scan, given, bad, files }: RangeResult,
  ): void {
    if (this.#is_over) return;
    const { row_count, bad_count, line_break_count } = this.#sum.scan;
    const lines_before = this.#options.settings.dialect.data_line - 1 + line_break_count;
    if (fault !== undefined) {
      this.#fault = fault;
      this.#is_over = true;
      return;
    }
    if (too_long !== undefined)
      throw recordTooLong({ ...too_long, line: too_long.line + lines_before });
    if (scan === undefined) throw new Error("a range without a result");
    // The rest of the text was not looked at: that must never pass for its end.
    if (task.range.is_broken)
      throw new Error("a record that is too long was read as one that is not");
    for (const record of unpacked(bad)) {
      const moved = {
        ...record,
        row: record.row + row_count + bad_count,
        line: record.line + lines_before,
      };
      this.#options.bad.add(moved);
      this.#options.rejects?.add(moved);
    }
    this.#options.bad.count += scan.bad_count - bad.count;
    for (const [index, facts] of given) this.#options.columns.given.get(index)?.addSeen(facts);
    this.#sum.add(scan);
    this.#merged_count += 1;
    if (this.#judged !== undefined) this.#judged = this.judge();
    const { progress, writing } = this.#options;
    if (task.columns !== undefined) writing?.onRange(files, task.columns);
    progress?.judged(task.range.end, this.#sum.scan.row_count);
    progress?.parts(this.#merged_count, this.#tasks.length);
  }
}
