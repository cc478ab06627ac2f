import {
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Float64,
  Int64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
} from "apache-arrow";
import {
  Compression,
  Table,
  type WriterProperties,
  WriterPropertiesBuilder,
  writeParquet,
} from "parquet-wasm/esm";
import type { Column } from "../../../core/services.ts";
import { decimalDigits } from "../column-types.ts";
import { arrowStream } from "./arrow-stream.ts";
import type { ColumnGroup, GroupColumn } from "../kernel/column-group.ts";

/** Where parquet-rs and pyarrow look for the id of a field. */
const FIELD_ID_KEY = "PARQUET:field_id";

/** Writes groups of rows as Parquet files of one row group each. parquet-wasm must be loaded. */
export class RowGroups {
  readonly #columns: readonly Column[];
  readonly #schema: Schema;

  constructor(columns: readonly Column[]) {
    this.#columns = columns;
    this.#schema = new Schema(
      columns.map(
        ({ id, name, type }) =>
          new Field(name, arrowType(type), true, new Map([[FIELD_ID_KEY, String(id)]])),
      ),
    );
  }

  /** The file's bytes, the same for the same rows. */
  encode({ row_count, columns }: ColumnGroup): Uint8Array {
    const children = columns.map((column, index) => {
      const type = this.#schema.fields[index]?.type;
      if (type === undefined) throw new Error("there are more columns than fields");
      return dataOf(type, row_count, column);
    });
    const struct = new Struct(this.#schema.fields);
    const batch = new RecordBatch(
      this.#schema,
      makeData({ type: struct, length: row_count, nullCount: 0, children }),
    );
    const stream = arrowStream(batch);
    return writeParquet(Table.fromIPCStream(stream), this.#properties(row_count, columns));
  }

  #properties(row_count: number, columns: readonly GroupColumn[]): WriterProperties {
    // A dictionary of what never repeats costs three times the writing, and room. Doubles never get
    // one: there the two zeros could be taken for one value.
    const properties = new WriterPropertiesBuilder()
      .setCompression(Compression.SNAPPY)
      .setMaxRowGroupSize(Math.max(1, row_count))
      // A tenth faster than its 1024.
      .setWriteBatchSize(Math.min(16_384, Math.max(1, row_count)))
      .setDictionaryEnabled(false);
    return columns
      .reduce(
        (builder, { repeats }, index) =>
          repeats
            ? builder.setColumnDictionaryEnabled(this.#columns[index]?.name ?? "", true)
            : builder,
        properties,
      )
      .build();
  }
}

function arrowType(name: string): DataType {
  const digits = decimalDigits(name);
  if (digits !== undefined) return new Decimal(digits.scale, digits.precision, 128);
  switch (name) {
    case "int64":
      return new Int64();
    case "float64":
      return new Float64();
    case "bool":
      return new Bool();
    case "date32[day]":
      return new DateDay();
    case "timestamp[us]":
      return new TimestampMicrosecond();
    case "timestamp[us, tz=UTC]":
      return new TimestampMicrosecond("UTC");
    case "utf8":
      return new Utf8();
    default:
      throw new RangeError(`no column is written as ${name}`);
  }
}

function dataOf(type: DataType, length: number, column: GroupColumn) {
  const { null_count: nullCount, validity: nullBitmap, values, offsets } = column;
  const common = { length, nullCount, nullBitmap };
  if (type instanceof Utf8) {
    if (offsets === undefined) throw new Error("text without offsets");
    return makeData({ ...common, type, valueOffsets: int32(offsets), data: values });
  }
  if (type instanceof Int64) return makeData({ ...common, type, data: int64(values) });
  if (type instanceof Float64) return makeData({ ...common, type, data: float64(values) });
  if (type instanceof Bool) return makeData({ ...common, type, data: values });
  if (type instanceof DateDay) return makeData({ ...common, type, data: int32(values) });
  if (type instanceof TimestampMicrosecond)
    return makeData({ ...common, type, data: int64(values) });
  if (type instanceof Decimal) return makeData({ ...common, type, data: uint32(values) });
  throw new RangeError(`no column is written as type ${type.typeId}`);
}

const int32 = ({ buffer, byteOffset, byteLength }: Uint8Array): Int32Array =>
  new Int32Array(buffer, byteOffset, byteLength / 4);
const uint32 = ({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array =>
  new Uint32Array(buffer, byteOffset, byteLength / 4);
const int64 = ({ buffer, byteOffset, byteLength }: Uint8Array): BigInt64Array =>
  new BigInt64Array(buffer, byteOffset, byteLength / 8);
const float64 = ({ buffer, byteOffset, byteLength }: Uint8Array): Float64Array =>
  new Float64Array(buffer, byteOffset, byteLength / 8);
