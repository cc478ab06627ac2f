import type { ArrivingFile } from "./arriving-file.ts";
import type { ConversionProgress } from "./conversion-progress.ts";
import type { Dialect } from "./dialect.ts";
import {
  type BadRecord,
  CsvScanner,
  type GivenTest,
  type PlainSink,
  type Scan,
} from "./kernel/scanner.ts";
import { TextCheck, type TextFault } from "./text-check.ts";

const CAPACITY_BYTES = 1024 * 1024;

export interface SurveyOptions {
  readonly record_limit_bytes: number;
  readonly null_texts: readonly string[];
  /** By column. */
  readonly given: ReadonlyMap<number, GivenTest>;
  readonly scales: readonly number[];
  /** Told of each record that is no row, in the order of the file. */
  readonly onBadRecord: (record: BadRecord) => void;
  /** Receives the good rows in plain form; nobody wants them in a dry run. */
  readonly plain?: ((scanner: () => CsvScanner) => PlainSink) | undefined;
  readonly progress?: ConversionProgress | undefined;
}

/**
 * Looks at every byte behind the header once, as the bytes arrive: counts records, finds those that
 * are no rows, gathers what is known of each column. Ends early, with the fault, at bytes that are
 * no UTF-8 text. Throws `limit_exceeded` for a record that is too long.
 */
export async function surveyFile(
  file: ArrivingFile,
  dialect: Dialect,
  { plain, progress, ...options }: SurveyOptions,
): Promise<Scan | TextFault> {
  const scanner: CsvScanner = await CsvScanner.open({
    ...options,
    delimiter: dialect.delimiter,
    quote: dialect.quote,
    escape: dialect.escape,
    column_count: dialect.names.length,
    offset: dialect.data_offset,
    line: dialect.data_line,
    capacity_bytes: CAPACITY_BYTES,
    ...(plain === undefined ? {} : { plain: plain(() => scanner) }),
  });
  const check = new TextCheck(dialect.data_offset);
  for (let position = dialect.data_offset; ;) {
    const space = scanner.space();
    const count = await file.read(space, position);
    if (count === 0) break;
    const fault = check.push(space.subarray(0, count));
    if (fault !== undefined) return fault;
    position += count;
    scanner.advance(count);
    progress?.judged(position, scanner.row_count);
  }
  return check.finish() ?? scanner.finish();
}
