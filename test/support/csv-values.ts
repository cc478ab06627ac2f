import type {
  ColumnGroup,
  GroupColumn,
  OutputColumn,
  OutputType,
} from "../../plugins/ingest-csv/kernel/column-group.ts";
import type { ScanOptions } from "../../plugins/ingest-csv/kernel/scanner.ts";
import { CsvKernel } from "../../plugins/ingest-csv/kernel/csv-kernel.ts";
import { feed } from "./csv-scan.ts";

/** As Arrow has it; of a double its 64 bits, which tell the two zeros apart. */
export type Value = bigint | boolean | string | null;

export interface Encoded {
  /** By column. */
  readonly values: readonly (readonly Value[])[];
  readonly null_counts: readonly number[];
  readonly misfit_count: number;
  /** Rows of each group. */
  readonly groups: readonly number[];
}

export interface EncodeOptions extends Partial<ScanOptions> {
  readonly columns: readonly OutputColumn[];
  readonly group_rows?: number;
  /** Bytes given at a time, over and over. */
  readonly pieces?: readonly number[];
}

/** A column of the result that is read from field `source`; a decimal takes 16 bytes. */
export const outputColumn = (type: OutputType, source = 0, scale = 0): OutputColumn => ({
  source,
  type,
  scale,
  stored_bytes: type === "decimal128" ? 16 : 0,
});

/** What the kernel writes for a text without a header. */
export async function encodeText(
  text: string | Uint8Array,
  { columns, group_rows = 7, pieces = [65_536], ...options }: EncodeOptions,
): Promise<Encoded> {
  const values: Value[][] = columns.map(() => []);
  const null_counts = columns.map(() => 0);
  const groups: number[] = [];
  // One is used again and again, as in a thread: what a scan before left must not matter.
  using kernel = await CsvKernel.borrow();
  const scanner = kernel.scan({
    delimiter: ",",
    quote: '"',
    escape: '"',
    scales: [0, 9, 18, 27, 37],
    column_count: columns.length,
    offset: 0,
    line: 1,
    capacity_bytes: 4096,
    record_limit_bytes: 1 << 26,
    null_texts: [],
    given: new Map(),
    onBadRecord: () => {},
    output: {
      columns,
      group_rows_max: group_rows,
      onGroup: (group) => {
        groups.push(group.row_count);
        for (const [index, column] of group.columns.entries()) {
          null_counts[index] = (null_counts[index] ?? 0) + column.null_count;
          const type = columns[index]?.type ?? "utf8";
          for (const value of valuesOf(group, column, type)) values[index]?.push(value);
        }
      },
    },
    ...options,
  });
  feed(scanner, text, pieces);
  scanner.finish();
  return { values, null_counts, misfit_count: scanner.misfit_count, groups };
}

const isSet = (bits: Uint8Array, index: number): boolean =>
  ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;

/** The values of a group are those of the rows that have one, side by side. */
function* valuesOf(
  { row_count }: ColumnGroup,
  { null_count, validity, values, offsets }: GroupColumn,
  type: OutputType,
): Generator<Value> {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const view = offsets && Buffer.from(offsets.buffer, offsets.byteOffset, offsets.byteLength);
  let held = 0;
  for (let row = 0; row < row_count; row++) {
    if (!isSet(validity, row)) {
      yield null;
      continue;
    }
    const start = view?.readInt32LE(4 * held) ?? 0;
    const end = view?.readInt32LE(4 * held + 4) ?? 0;
    yield valueAt(bytes, type, held, start, end);
    held += 1;
  }
  if (held !== row_count - null_count) throw new Error(`${held} values, ${null_count} nulls`);
}

function valueAt(bytes: Buffer, type: OutputType, at: number, start: number, end: number): Value {
  switch (type) {
    case "utf8":
      return bytes.toString("utf8", start, end);
    case "bool":
      return isSet(bytes, at);
    case "date32":
      return BigInt(bytes.readInt32LE(4 * at));
    case "decimal128":
      return (bytes.readBigInt64LE(16 * at + 8) << 64n) | bytes.readBigUInt64LE(16 * at);
    case "float64":
      return bytes.readBigUInt64LE(8 * at);
    case "int64":
    case "timestamp":
    case "timestamp_utc":
      return bytes.readBigInt64LE(8 * at);
    default:
      return type satisfies never;
  }
}
