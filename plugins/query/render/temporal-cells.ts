import { DuckDBTypeId } from "@duckdb/node-api";
import type { ByteSink } from "./byte-sink.ts";
import { writePlain } from "./scalar-cells.ts";
import {
  isoDate,
  isoDateTime,
  isoDuration,
  isoTimeOfDay,
  isoTimestamp,
  isoTimeTz,
} from "./temporal.ts";
import { type CellMaker, heapOf, nullable, type Style, wordsOf } from "./vector.ts";

const QUOTE = 0x22;
const POINT = 0x2e;
const COLON = 0x3a;
const LETTER_T = 0x54;
const DAY_SECONDS = 86_400;
const TWO_32 = 0x1_0000_0000;
const INT32_MAX = 0x7fff_ffff;
const INT64_MAX = 0x7fff_ffff_ffff_ffffn;

const MEMO_SIZE = 4096;

/** Dates repeat: a direct-mapped cache keeps the text of the last ones. */
function memoised(format: (days: number) => string): (days: number) => string {
  const keys = new Float64Array(MEMO_SIZE).fill(Number.NaN);
  const texts: string[] = [];
  return (days) => {
    const slot = days & (MEMO_SIZE - 1);
    if (keys[slot] !== days) {
      keys[slot] = days;
      texts[slot] = format(days);
    }
    return texts[slot] ?? "";
  };
}

/** The infinities are the two ends of the range. */
const dateText = memoised((days) => {
  if (days === INT32_MAX) return "infinity";
  return days === -INT32_MAX ? "-infinity" : isoDate(days);
});

const date =
  (style: Style): CellMaker =>
  (vector, count) => {
    const { buffer, offset } = heapOf(vector, count * 4);
    const values = new Int32Array(buffer, offset, count);
    return nullable(vector, count, style, (sink, row) =>
      writePlain(sink, style, dateText(values[row] ?? 0)),
    );
  };

/** `digits`: the unit is 10^-digits seconds. */
const timestamp =
  (digits: number, zone: string) =>
  (style: Style): CellMaker =>
  (vector, count) => {
    const words = wordsOf(vector, count);
    const unit = 10 ** digits;
    return nullable(vector, count, style, (sink, row) => {
      const low = (words[row * 2] ?? 0) >>> 0;
      const high = words[row * 2 + 1] ?? 0;
      const value = high * TWO_32 + low;
      if (!Number.isSafeInteger(value)) {
        writePlain(sink, style, farTimestamp((BigInt(high) << 32n) + BigInt(low), digits, zone));
        return;
      }
      // The quotient may round up to the next whole number; the remainder tells.
      let seconds = Math.floor(value / unit);
      let part = value - seconds * unit;
      if (part < 0) {
        seconds -= 1;
        part += unit;
      }
      if (style === "json") sink.byte(QUOTE);
      const days = Math.floor(seconds / DAY_SECONDS);
      sink.ascii(dateText(days));
      writeTime(sink, seconds - days * DAY_SECONDS, part, digits);
      sink.ascii(style === "json" ? `${zone}"` : zone);
    });
  };

/** `T12:34:56.5`, without the strings of `isoTime`: timestamps are frequent. */
function writeTime(sink: ByteSink, seconds: number, part: number, digits: number): void {
  const minutes = (seconds / 60) | 0;
  const hours = (minutes / 60) | 0;
  sink.byte(LETTER_T);
  sink.digits(hours, 2);
  sink.byte(COLON);
  sink.digits(minutes - hours * 60, 2);
  sink.byte(COLON);
  sink.digits(seconds - minutes * 60, 2);
  if (part === 0) return;
  let significant = part;
  let width = digits;
  while (significant % 10 === 0) {
    significant /= 10;
    width--;
  }
  sink.byte(POINT);
  sink.digits(significant, width);
}

/** Beyond 2^53 units from 1970, and the infinities, which are the two ends of the range. */
function farTimestamp(value: bigint, digits: number, zone: string): string {
  if (value === INT64_MAX) return "infinity";
  if (value === -INT64_MAX) return "-infinity";
  if (digits === 0) return isoDateTime(Number(value), 0, 0) + zone;
  return isoTimestamp(value, digits) + zone;
}

/** Any type of 64 bits whose text is made from the whole value. */
const wholeValue =
  (format: (value: bigint) => string) =>
  (style: Style): CellMaker =>
  (vector, count) => {
    const { buffer, offset } = heapOf(vector, count * 8);
    const values = new BigUint64Array(buffer, offset, count);
    return nullable(vector, count, style, (sink, row) =>
      writePlain(sink, style, format(values[row] ?? 0n)),
    );
  };

/** Months and days in 32 bits each, microseconds in 64. */
const interval =
  (style: Style): CellMaker =>
  (vector, count) => {
    const { buffer, offset } = heapOf(vector, count * 16);
    const parts = new Int32Array(buffer, offset, count * 4);
    const micros = new BigInt64Array(buffer, offset, count * 2);
    return nullable(vector, count, style, (sink, row) =>
      writePlain(
        sink,
        style,
        isoDuration(parts[row * 4] ?? 0, parts[row * 4 + 1] ?? 0, micros[row * 2 + 1] ?? 0n),
      ),
    );
  };

export const temporalCells: ReadonlyMap<DuckDBTypeId, (style: Style) => CellMaker> = new Map([
  [DuckDBTypeId.DATE, date],
  [DuckDBTypeId.TIME, wholeValue((value) => isoTimeOfDay(value, 6))],
  [DuckDBTypeId.TIME_NS, wholeValue((value) => isoTimeOfDay(value, 9))],
  [DuckDBTypeId.TIME_TZ, wholeValue(isoTimeTz)],
  [DuckDBTypeId.TIMESTAMP_S, timestamp(0, "")],
  [DuckDBTypeId.TIMESTAMP_MS, timestamp(3, "")],
  [DuckDBTypeId.TIMESTAMP, timestamp(6, "")],
  [DuckDBTypeId.TIMESTAMP_NS, timestamp(9, "")],
  [DuckDBTypeId.TIMESTAMP_TZ, timestamp(6, "Z")],
  [DuckDBTypeId.INTERVAL, interval],
]);
