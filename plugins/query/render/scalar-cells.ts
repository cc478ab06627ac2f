import { DuckDBTypeId } from "@duckdb/node-api";
import type { ByteSink } from "./byte-sink.ts";
import { type CellMaker, heapOf, nullable, stringReader, type Style, wordsOf } from "./vector.ts";

const QUOTE = 0x22;
const MINUS = 0x2d;
const TWO_32 = 0x1_0000_0000;
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** Text without characters that JSON or CSV would escape. */
export function writePlain(sink: ByteSink, style: Style, text: string): void {
  if (style === "csv") return sink.ascii(text);
  sink.byte(QUOTE);
  sink.ascii(text);
  sink.byte(QUOTE);
}

/** A JSON number up to 2^53−1; beyond, a string, because readers round larger numbers. */
export function writeBigInt(sink: ByteSink, style: Style, value: bigint): void {
  if (value >= -SAFE && value <= SAFE) sink.integer(Number(value));
  else writePlain(sink, style, String(value));
}

/**
 * The shortest text that reads back as the same double. JSON has no NaN and no infinity, so these
 * are strings there.
 */
function writeDouble(sink: ByteSink, style: Style, value: number): void {
  const magnitude = Math.abs(value);
  // Most numbers people store have few decimals. If n / 10^k is this double, with n below 10^15,
  // then n and its point are the shortest text that reads back as it (at most 15 digits are
  // unique), and writing them is five times faster than the general algorithm.
  if (magnitude < 1e9 && magnitude >= 1e-3) {
    for (let scale = 0, power = 1; scale <= 6; scale++, power *= 10) {
      const scaled = Math.round(magnitude * power);
      if (scaled / power === magnitude) {
        if (value < 0) sink.byte(MINUS);
        sink.scaled(scaled, scale);
        return;
      }
    }
  }
  writeNumberText(sink, style, value, String(value));
}

function writeNumberText(sink: ByteSink, style: Style, value: number, text: string): void {
  if (!Number.isFinite(value)) writePlain(sink, style, text);
  else sink.ascii(Object.is(value, -0) ? "-0.0" : text);
}

/** At most nine digits give back any single; a double's digits would show noise. */
function singleText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  for (let digits = 6; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return String(shorter);
  }
  return String(Number(value.toPrecision(9)));
}

type SmallInts = new (buffer: ArrayBuffer, offset: number, length: number) => ArrayLike<number>;

const smallInteger =
  (View: SmallInts, size_bytes: number) =>
  (style: Style): CellMaker =>
  (vector, count) => {
    const { buffer, offset } = heapOf(vector, count * size_bytes);
    const values = new View(buffer, offset, count);
    return nullable(vector, count, style, (sink, row) => sink.integer(values[row] ?? 0));
  };

const bigint =
  (style: Style): CellMaker =>
  (vector, count) => {
    const words = wordsOf(vector, count);
    return nullable(vector, count, style, (sink, row) => {
      const low = (words[row * 2] ?? 0) >>> 0;
      const high = words[row * 2 + 1] ?? 0;
      const value = high * TWO_32 + low;
      if (Number.isSafeInteger(value)) sink.integer(value);
      else writePlain(sink, style, String((BigInt(high) << 32n) + BigInt(low)));
    });
  };

const ubigint =
  (style: Style): CellMaker =>
  (vector, count) => {
    const { buffer, offset } = heapOf(vector, count * 8);
    const values = new BigUint64Array(buffer, offset, count);
    return nullable(vector, count, style, (sink, row) =>
      writeBigInt(sink, style, values[row] ?? 0n),
    );
  };

/** 128 bits as two 64-bit halves, low first; the upper half carries the sign if there is one. */
export function wideReader(
  vector: Parameters<CellMaker>[0],
  count: number,
  signed: boolean,
): (row: number) => bigint {
  const { buffer, offset } = heapOf(vector, count * 16);
  const lower = new BigUint64Array(buffer, offset, count * 2);
  const upper = signed ? new BigInt64Array(buffer, offset, count * 2) : lower;
  return (row) => ((upper[row * 2 + 1] ?? 0n) << 64n) | (lower[row * 2] ?? 0n);
}

const wideInteger =
  (signed: boolean) =>
  (style: Style): CellMaker =>
  (vector, count) => {
    const read = wideReader(vector, count, signed);
    return nullable(vector, count, style, (sink, row) => writeBigInt(sink, style, read(row)));
  };

const boolean =
  (style: Style): CellMaker =>
  (vector, count) => {
    const { bytes } = heapOf(vector, count);
    return nullable(vector, count, style, (sink, row) =>
      sink.ascii(bytes[row] === 0 ? "false" : "true"),
    );
  };

const double =
  (style: Style): CellMaker =>
  (vector, count) => {
    const { buffer, offset } = heapOf(vector, count * 8);
    const values = new Float64Array(buffer, offset, count);
    return nullable(vector, count, style, (sink, row) => {
      writeDouble(sink, style, values[row] ?? 0);
    });
  };

const float =
  (style: Style): CellMaker =>
  (vector, count) => {
    const { buffer, offset } = heapOf(vector, count * 4);
    const values = new Float32Array(buffer, offset, count);
    return nullable(vector, count, style, (sink, row) => {
      const value = values[row] ?? 0;
      writeNumberText(sink, style, value, singleText(value));
    });
  };

const varchar =
  (style: Style): CellMaker =>
  (vector, count) => {
    const read = stringReader(vector, count);
    return nullable(vector, count, style, (sink, row) => {
      const { source, start, length } = read(row);
      if (style === "json") sink.jsonString(source, start, length);
      else sink.csvField(source, start, length);
    });
  };

/** Base64 (RFC 4648 §4). An empty blob is quoted in CSV, where nothing at all means NULL. */
const blob =
  (style: Style): CellMaker =>
  (vector, count) => {
    const read = stringReader(vector, count);
    return nullable(vector, count, style, (sink, row) => {
      const { source, start, length } = read(row);
      const text = Buffer.from(source.buffer, source.byteOffset + start, length).toString("base64");
      if (text === "") sink.ascii('""');
      else writePlain(sink, style, text);
    });
  };

/** The first byte says how many leading bits of the second are padding. */
const bit =
  (style: Style): CellMaker =>
  (vector, count) => {
    const read = stringReader(vector, count);
    return nullable(vector, count, style, (sink, row) => {
      const { source, start, length } = read(row);
      let bits = "";
      for (const byte of source.subarray(start + 1, start + length)) {
        bits += byte.toString(2).padStart(8, "0");
      }
      writePlain(sink, style, bits.slice(source[start] ?? 0));
    });
  };

/** Big endian after a 3-byte header, whose first bit is the sign; negative ones complemented. */
const bignum =
  (style: Style): CellMaker =>
  (vector, count) => {
    const read = stringReader(vector, count);
    return nullable(vector, count, style, (sink, row) => {
      const { source, start, length } = read(row);
      const positive = ((source[start] ?? 0) & 0x80) !== 0;
      const bytes = source.subarray(start + 3, start + length);
      const hex = Buffer.from(positive ? bytes : bytes.map((byte) => byte ^ 0xff)).toString("hex");
      const magnitude = BigInt(`0x0${hex}`);
      writeBigInt(sink, style, positive ? magnitude : -magnitude);
    });
  };

/** Stored with the first bit flipped, so that unsigned order is signed order. */
const uuid =
  (style: Style): CellMaker =>
  (vector, count) => {
    const read = wideReader(vector, count, false);
    return nullable(vector, count, style, (sink, row) => {
      const hex = (read(row) ^ (1n << 127n)).toString(16).padStart(32, "0");
      writePlain(
        sink,
        style,
        `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
      );
    });
  };

/** The type of a bare NULL. */
const nothing =
  (style: Style): CellMaker =>
  () =>
  (sink) => {
    if (style === "json") sink.ascii("null");
  };

/** By type id; temporal, parametrised and nested types are elsewhere. */
export const scalarCells: ReadonlyMap<DuckDBTypeId, (style: Style) => CellMaker> = new Map([
  [DuckDBTypeId.BOOLEAN, boolean],
  [DuckDBTypeId.TINYINT, smallInteger(Int8Array, 1)],
  [DuckDBTypeId.SMALLINT, smallInteger(Int16Array, 2)],
  [DuckDBTypeId.INTEGER, smallInteger(Int32Array, 4)],
  [DuckDBTypeId.BIGINT, bigint],
  [DuckDBTypeId.UTINYINT, smallInteger(Uint8Array, 1)],
  [DuckDBTypeId.USMALLINT, smallInteger(Uint16Array, 2)],
  [DuckDBTypeId.UINTEGER, smallInteger(Uint32Array, 4)],
  [DuckDBTypeId.UBIGINT, ubigint],
  [DuckDBTypeId.HUGEINT, wideInteger(true)],
  [DuckDBTypeId.UHUGEINT, wideInteger(false)],
  [DuckDBTypeId.FLOAT, float],
  [DuckDBTypeId.DOUBLE, double],
  [DuckDBTypeId.VARCHAR, varchar],
  [DuckDBTypeId.BLOB, blob],
  [DuckDBTypeId.BIT, bit],
  [DuckDBTypeId.BIGNUM, bignum],
  [DuckDBTypeId.UUID, uuid],
  [DuckDBTypeId.SQLNULL, nothing],
]);
