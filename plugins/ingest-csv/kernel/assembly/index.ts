/** What the kernel offers its host, `plugins/ingest-csv/kernel/scanner.ts`. */
import { clearCuts, cut_at, cutAfter, line_at, skipTo } from "./cuts";
import { clearFacts } from "./facts";
import {
  beginColumns,
  clearGroup,
  giveColumn,
  group_rows,
  OUT_BYTES,
  outs,
  startGroup,
} from "./group";
import {
  bad_count,
  blank_count,
  clearJudge,
  endBlanks,
  giveType,
  listed_records,
  row_count,
} from "./judge";
import {
  clearColumns,
  COLUMN_BYTES,
  columns,
  enlarge,
  input,
  layOut,
  nulls,
} from "./memory";
import { chunk, encodeChunk } from "./parquet/chunk";
import { clearRooms } from "./parquet/room";
import {
  bare_quotes,
  clearRecords,
  indexRecords,
  line_count,
  line_ends,
  longest_record,
  record_count,
  unclosed,
} from "./records";
import { clearTaken, escaped_count, misfits, takeRecords } from "./take";

/**
 * Starts a file. `quote` and `escape` are 0 for none; bit s of `scales` is set if a decimal may have
 * s digits behind its point. False if the memory cannot be had.
 */
export function begin(
  delimiter: u8,
  quote: u8,
  escape: u8,
  column_count: u32,
  capacity: u32,
  null_bytes: u32,
  scales: u64,
): bool {
  if (!layOut(delimiter, quote, escape, column_count, capacity, null_bytes)) return false;
  clearColumns();
  clearRecords();
  clearGroup();
  clearRooms();
  clearCuts();
  clearFacts(scales);
  clearJudge();
  clearTaken();
  return true;
}

export {
  bad_count,
  bare_quotes,
  beginColumns,
  blank_count,
  chunk,
  clearGroup as endColumns,
  COLUMN_BYTES,
  columns,
  cut_at,
  cutAfter,
  encodeChunk,
  endBlanks,
  enlarge,
  escaped_count,
  giveColumn,
  giveType,
  group_rows,
  indexRecords,
  input,
  line_at,
  line_count,
  line_ends,
  listed_records,
  longest_record,
  misfits,
  nulls,
  OUT_BYTES,
  outs,
  record_count,
  row_count,
  skipTo,
  startGroup,
  takeRecords,
  unclosed,
};

/** For the test that the host numbers them alike. */
export {
  BIG_INTEGER,
  BOOLEAN_LOWER,
  BOOLEAN_TITLE,
  BOOLEAN_UPPER,
  DATE,
  DECIMAL,
  INEXACT,
  INTEGER,
  NEGATIVE_ZERO,
  SCIENTIFIC,
  TEXT,
  TIMESTAMP,
  TIMESTAMP_UTC,
} from "./memory";
