import type { ArrivingFile } from "./arriving-file.ts";
import type { ConversionProgress } from "./conversion-progress.ts";
import type { Dialect } from "./dialect.ts";
import { type BadRecord, CsvScanner, type PlainSink, type Scan } from "./kernel/scanner.ts";
import { TextCheck, type TextFault } from "./text-check.ts";

/** How many bad records an answer shows. */
export const BAD_RECORDS_SHOWN = 5;
const CAPACITY_BYTES = 1024 * 1024;

export interface Survey {
  readonly scan: Scan;
  /** The first few. */
  readonly bad: readonly BadRecord[];
}

export interface SurveyOptions {
  readonly record_limit_bytes: number;
  /** Receives the good rows in plain form. */
  readonly plain: (scanner: () => CsvScanner) => PlainSink;
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
  { record_limit_bytes, plain, progress }: SurveyOptions,
): Promise<Survey | TextFault> {
  const bad: BadRecord[] = [];
  const scanner: CsvScanner = await CsvScanner.open({
    delimiter: dialect.delimiter,
    quote: '"',
    column_count: dialect.names.length,
    offset: dialect.data_offset,
    line: dialect.data_line,
    capacity_bytes: CAPACITY_BYTES,
    record_limit_bytes,
    null_texts: [],
    given: new Map(),
    onBadRecord: (record) => {
      if (bad.length < BAD_RECORDS_SHOWN) bad.push(record);
    },
    plain: plain(() => scanner),
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
  return check.finish() ?? { scan: scanner.finish(), bad };
}
