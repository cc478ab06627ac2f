import type { Column } from "../../../core/services.ts";
import { decimalDigits } from "../column-types.ts";
import { binary, bool, i32, list, struct, type ThriftValue } from "./thrift-compact.ts";

/** Types and repetition, by their numbers in parquet.thrift. */
const BOOLEAN = 0;
const INT32 = 1;
const INT64 = 2;
const DOUBLE = 5;
const BYTE_ARRAY = 6;
const FIXED_LEN_BYTE_ARRAY = 7;
const OPTIONAL = 1;

/** What readers had before there were logical types. */
const CONVERTED = { utf8: 0, decimal: 5, date: 6, timestamp_micros: 10 } as const;

interface StoredType {
  readonly physical: number;
  /** Of FIXED_LEN_BYTE_ARRAY. */
  readonly length_bytes?: number;
  readonly converted?: number;
  readonly logical?: ThriftValue;
  readonly digits?: { readonly precision: number; readonly scale: number };
}

const EMPTY = struct();
const MICROS = struct([2, EMPTY]);
const timestamp = (is_utc: boolean): ThriftValue =>
  struct([8, struct([1, bool(is_utc)], [2, MICROS])]);

/**
 * Bytes of a decimal of so many digits: 4 or 8 are those of a whole number, more a big-endian one
 * (https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#decimal). Pure.
 */
export function decimalBytes(precision: number): number {
  if (precision <= 18) return precision <= 9 ? 4 : 8;
  return Math.ceil((precision * Math.log2(10) + 1) / 8);
}

/** How Parquet stores the type of this Arrow name. Throws `RangeError` for one that no text becomes. */
export function storedType(arrow: string): StoredType {
  const digits = decimalDigits(arrow);
  if (digits !== undefined) return storedDecimal(digits);
  switch (arrow) {
    case "int64":
      return { physical: INT64 };
    case "float64":
      return { physical: DOUBLE };
    case "bool":
      return { physical: BOOLEAN };
    case "date32[day]":
      return { physical: INT32, converted: CONVERTED.date, logical: struct([6, EMPTY]) };
    case "timestamp[us]":
      return { physical: INT64, converted: CONVERTED.timestamp_micros, logical: timestamp(false) };
    case "timestamp[us, tz=UTC]":
      return { physical: INT64, converted: CONVERTED.timestamp_micros, logical: timestamp(true) };
    case "utf8":
      return { physical: BYTE_ARRAY, converted: CONVERTED.utf8, logical: struct([1, EMPTY]) };
    default:
      throw new RangeError(`no column is written as ${arrow}`);
  }
}

function storedDecimal(digits: NonNullable<StoredType["digits"]>): StoredType {
  const bytes = decimalBytes(digits.precision);
  const physical = bytes === 4 ? INT32 : bytes === 8 ? INT64 : FIXED_LEN_BYTE_ARRAY;
  return {
    physical,
    ...(physical === FIXED_LEN_BYTE_ARRAY ? { length_bytes: bytes } : {}),
    converted: CONVERTED.decimal,
    logical: struct([5, struct([1, i32(digits.scale)], [2, i32(digits.precision)])]),
    digits,
  };
}

/** The elements of a flat schema: a root, and a column each that may be null. Pure. */
export function schemaElements(columns: readonly Column[]): ThriftValue {
  const root = struct([4, binary("schema")], [5, i32(columns.length)]);
  return list("struct", [root, ...columns.map(schemaElement)]);
}

function schemaElement({ id, name, type }: Column): ThriftValue {
  const { physical, length_bytes, converted, logical, digits } = storedType(type);
  return struct(
    [1, i32(physical)],
    [2, length_bytes === undefined ? undefined : i32(length_bytes)],
    [3, i32(OPTIONAL)],
    [4, binary(name)],
    [6, converted === undefined ? undefined : i32(converted)],
    [7, digits && i32(digits.scale)],
    [8, digits && i32(digits.precision)],
    [9, i32(id)],
    [10, logical],
  );
}
