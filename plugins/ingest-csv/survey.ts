import { closeSync, openSync, readSync } from "node:fs";
import type { Dialect } from "./dialect.ts";
import type { DecodedFile } from "./encoding.ts";
import { type BadRecord, CsvScanner, type Scan } from "./kernel/scanner.ts";

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
  /** Receives the good rows in plain form, whole rows at a time. */
  readonly onPlainBytes?: (bytes: Uint8Array) => void;
}

/**
 * Looks at every byte of the file once: counts records, finds those that are no rows, and gathers
 * what is known of each column. Throws `limit_exceeded` for a record that is too long. For worker
 * processes: it blocks.
 */
export async function surveyFile(
  file: DecodedFile,
  dialect: Dialect,
  options: SurveyOptions,
): Promise<Survey> {
  const bad: BadRecord[] = [];
  const scanner = await CsvScanner.open({
    delimiter: dialect.delimiter,
    quote: '"',
    column_count: dialect.names.length,
    offset: dialect.data_offset,
    line: dialect.data_line,
    capacity_bytes: CAPACITY_BYTES,
    null_texts: [],
    given: new Map(),
    onBadRecord: (record) => {
      if (bad.length < BAD_RECORDS_SHOWN) bad.push(record);
    },
    ...options,
  });
  const input = openSync(file.path, "r");
  try {
    for (let position = dialect.data_offset; ;) {
      const space = scanner.space();
      const count = readSync(input, space, 0, space.length, position);
      if (count === 0) break;
      position += count;
      scanner.advance(count);
    }
  } finally {
    closeSync(input);
  }
  return { scan: scanner.finish(), bad };
}
