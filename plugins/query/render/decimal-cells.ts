import type { DuckDBDecimalType } from "@duckdb/node-api";
import { wideReader, writePlain } from "./scalar-cells.ts";
import { type Cell, type CellMaker, heapOf, nullable, type Style, wordsOf } from "./vector.ts";

const QUOTE = 0x22;
const MINUS = 0x2d;
const TWO_32 = 0x1_0000_0000;

/**
 * DECIMAL as text with every digit, as many after the point as the scale says. Always a string in
 * JSON: `1.10` as a number would come back as 1.1. The engine stores the scaled value in the
 * smallest integer that fits the width.
 */
export function decimalCells({ width, scale }: DuckDBDecimalType, style: Style): CellMaker {
  return (vector, count) => {
    const cell =
      width > 18
        ? wide(wideReader(vector, count, true), scale, style)
        : narrow(narrowReader(width, vector, count), scale, style);
    return nullable(vector, count, style, cell);
  };
}

function narrow(read: (row: number) => number | bigint, scale: number, style: Style): Cell {
  const quoted = style === "json";
  return (sink, row) => {
    const value = read(row);
    if (typeof value === "bigint") {
      writePlain(sink, style, withPoint(value, scale));
      return;
    }
    if (quoted) sink.byte(QUOTE);
    if (value < 0) sink.byte(MINUS);
    sink.scaled(Math.abs(value), scale);
    if (quoted) sink.byte(QUOTE);
  };
}

/** A number where it is safe. */
function narrowReader(
  width: number,
  vector: Parameters<CellMaker>[0],
  count: number,
): (row: number) => number | bigint {
  if (width > 9) {
    const words = wordsOf(vector, count);
    return (row) => {
      const low = (words[row * 2] ?? 0) >>> 0;
      const high = words[row * 2 + 1] ?? 0;
      const value = high * TWO_32 + low;
      return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) + BigInt(low);
    };
  }
  const { buffer, offset } = heapOf(vector, count * (width > 4 ? 4 : 2));
  const values =
    width > 4 ? new Int32Array(buffer, offset, count) : new Int16Array(buffer, offset, count);
  return (row) => values[row] ?? 0;
}

const wide =
  (read: (row: number) => bigint, scale: number, style: Style): Cell =>
  (sink, row) =>
    writePlain(sink, style, withPoint(read(row), scale));

function withPoint(value: bigint, scale: number): string {
  const negative = value < 0n;
  const digits = String(negative ? -value : value).padStart(scale + 1, "0");
  const point = digits.length - scale;
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return negative ? `-${text}` : text;
}
