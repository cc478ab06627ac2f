import { closeSync, openSync, readSync, rmSync } from "node:fs";
import type { SchemaInput } from "../../core/codec.ts";
import { CsvColumns } from "./csv-columns.ts";
import type { Dialect } from "./dialect.ts";
import type { GivenFacts } from "./given-types.ts";
import type { ColumnGroup } from "./kernel/column-group.ts";
import { CsvKernel } from "./kernel/csv-kernel.ts";
import { type ColumnFacts, RecordTooLong, type Scan, type ScanOptions } from "./kernel/scanner.ts";
import { readOptions } from "./options.ts";
import { type PackedRecords, RecordPacker } from "./packed-records.ts";
import { type RowGroupFile, writeRowGroup } from "./parquet/row-groups.ts";
import type { WrittenColumn } from "./judged-schema.ts";
import { TextCheck, type TextFault } from "./text-check.ts";
import type { TextRange } from "./text-cuts.ts";

/** What all ranges of a text have in common. Like all that follows it can cross to a thread. */
export interface RangeSettings {
  readonly path: string;
  readonly dialect: Dialect;
  /** As `readOptions` takes them. */
  readonly options: Readonly<Record<string, string>>;
  readonly schema: SchemaInput;
  readonly record_limit_bytes: number;
  /** Records that are no rows which are given back whole; the others are only counted. */
  readonly bad_max: number;
}

export interface RangeJob extends Pick<TextRange, "start" | "end"> {
  readonly settings: RangeSettings;
  /** What to write the rows as, and where; without it they are only judged. */
  readonly output?: RangeOutput | undefined;
}

export interface RangeOutput {
  readonly columns: readonly WrittenColumn[];
  /** Row group `n` becomes the file `<path_prefix><n>.parquet`. */
  readonly path_prefix: string;
}

/** Rows and lines count from the beginning of the range. */
export interface RangeResult {
  /** Where the range stops being text; then nothing else of this counts. */
  readonly fault?: TextFault | undefined;
  readonly too_long?: { readonly line: number; readonly limit_bytes: number | undefined };
  readonly scan?: Scan;
  /** By the index of the column. */
  readonly given: ReadonlyMap<number, GivenFacts>;
  readonly bad: PackedRecords;
  /** Undefined if the rows were not written, or not all of them fit the planned columns. */
  readonly files?: readonly RowGroupFile[] | undefined;
}

const CAPACITY_BYTES = 1024 * 1024;
/** Of a row group: 32 MiB of numbers, or twice that of decimals. */
const GROUP_CELLS_MAX = 4 * 1024 * 1024;
const GROUP_ROWS_MAX = 256 * 1024;

/** Judges a range of a text and writes its rows as Parquet. Blocks its thread. */
export async function convertRange({
  settings,
  start,
  end,
  output,
}: RangeJob): Promise<RangeResult> {
  using kernel = await CsvKernel.borrow();
  const columns = columnsOf(settings);
  const bad = new RecordPacker();
  const written = output && new RangeWriter(output);
  const scanner = kernel.scan({
    ...scanOptions(settings, start, columns, (record) => {
      if (bad.count < settings.bad_max) bad.add(record);
    }),
    output: output && {
      columns: output.columns.map((column) => columns.outputOf(column)),
      group_rows_max: groupRows(end - start, settings.dialect.names.length, output.columns.length),
      onGroup: (group) => written?.add(group),
    },
  });
  const given = (): RangeResult["given"] =>
    new Map([...columns.given].map(([index, column]) => [index, column.seen]));
  const check = new TextCheck(start);
  const file = openSync(settings.path, "r");
  try {
    for (let position = start; position < end;) {
      const space = scanner.space();
      const wanted = Math.min(space.length, end - position);
      const count = readSync(file, space, 0, wanted, position);
      if (count === 0) throw new Error("the text is shorter than it was");
      const fault = check.push(space.subarray(0, count));
      if (fault !== undefined) return { fault, given: given(), bad: bad.pack() };
      position += count;
      scanner.advance(count);
      if (scanner.misfit_count > 0) scanner.stopWriting();
    }
    const fault = check.finish();
    if (fault !== undefined) return { fault, given: given(), bad: bad.pack() };
    const scan = scanner.finish();
    const is_whole = written !== undefined && scanner.misfit_count === 0;
    if (!is_whole) written?.remove();
    return { scan, given: given(), bad: bad.pack(), files: is_whole ? written.files : undefined };
  } catch (error) {
    written?.remove();
    if (!(error instanceof RecordTooLong)) throw error;
    return {
      too_long: { line: error.line, limit_bytes: error.limit_bytes },
      given: given(),
      bad: bad.pack(),
    };
  } finally {
    closeSync(file);
  }
}

/** Bytes from which the types of a text are foretold. */
const SAMPLE_BYTES = 1024 * 1024;

/** What the first rows of a range say of its columns; a foretaste, and nothing to rely on. */
export async function sampleRange({ settings, start, end }: RangeJob): Promise<ColumnFacts[]> {
  using kernel = await CsvKernel.borrow();
  const scanner = kernel.scan(scanOptions(settings, start, columnsOf(settings), () => {}));
  const file = openSync(settings.path, "r");
  try {
    const sample_end = Math.min(end, start + SAMPLE_BYTES - 1);
    for (let position = start; position < sample_end;) {
      const space = scanner.space();
      const count = readSync(
        file,
        space,
        0,
        Math.min(space.length, sample_end - position),
        position,
      );
      if (count === 0) break;
      position += count;
      scanner.advance(count);
    }
    return sample_end === end ? [...scanner.finish().columns] : scanner.columns();
  } catch (error) {
    if (error instanceof RecordTooLong) return scanner.columns();
    throw error;
  } finally {
    closeSync(file);
  }
}

function columnsOf({ dialect, options, schema }: RangeSettings): CsvColumns {
  return new CsvColumns(dialect.names, readOptions(options), schema);
}

function scanOptions(
  { dialect, options, record_limit_bytes }: RangeSettings,
  offset: number,
  { given, scales }: CsvColumns,
  onBadRecord: ScanOptions["onBadRecord"],
): ScanOptions {
  const { delimiter, quote, escape } = dialect;
  return {
    delimiter,
    quote,
    escape,
    column_count: dialect.names.length,
    offset,
    line: 1,
    capacity_bytes: CAPACITY_BYTES,
    record_limit_bytes,
    null_texts: readOptions(options).null_texts,
    given,
    scales,
    onBadRecord,
  };
}

/** Writes the files of one range. */
class RangeWriter {
  readonly files: RowGroupFile[] = [];
  /** Those that were begun. */
  readonly #paths: string[] = [];
  readonly #output: RangeOutput;

  constructor(output: RangeOutput) {
    this.#output = output;
  }

  add(group: ColumnGroup): void {
    const { path_prefix, columns } = this.#output;
    const path = `${path_prefix}${this.files.length}.parquet`;
    this.#paths.push(path);
    this.files.push(writeRowGroup(path, columns, group));
  }

  remove(): void {
    for (const path of this.#paths) rmSync(path, { force: true });
  }
}

/** By the bytes alone, and no more than they can hold: a row has a byte per field at least. */
function groupRows(bytes: number, fields: number, columns: number): number {
  const possible = Math.ceil((bytes + 1) / fields);
  const wanted = Math.min(GROUP_ROWS_MAX, Math.floor(GROUP_CELLS_MAX / Math.max(1, columns)));
  return Math.max(1, Math.min(possible, wanted));
}
