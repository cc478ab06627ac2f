import { type DuckDBResult, ResultReturnType } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import { LakehouseError } from "../../../core/error.ts";
import { ByteSink } from "./byte-sink.ts";
import { cellsOf } from "./cells.ts";
import { type Format, layoutOf, type ResultColumn } from "./layout.ts";
import type { Cell } from "./vector.ts";

/** Rows are sent in pieces of about this size: single rows would cost a message each. */
const FLUSH_BYTES = 64 * 1024;

export interface RenderOptions {
  readonly result: DuckDBResult;
  readonly format: Format;
  readonly limit_bytes: number;
  write(bytes: Uint8Array): Promise<void>;
}

export interface Rendered {
  readonly row_count: number;
  readonly size_bytes: number;
}

/** The engine failed after its first chunk; it does not say how. */
export class ResultCutShort extends Error {
  /** False if all that was rendered is still here. */
  readonly sent: boolean;

  constructor(sent: boolean) {
    super("the statement failed in the middle of its result");
    this.name = "ResultCutShort";
    this.sent = sent;
  }
}

/**
 * Streams a result as bytes, chunk by chunk, in bounded memory. Throws `result_too_large` before
 * the piece that would go beyond the limit, and `ResultCutShort`.
 */
export async function renderResult(options: RenderOptions): Promise<Rendered> {
  const { result } = options;
  const columns = columnsOf(result);
  const layout = layoutOf(options.format, columns);
  const makers = columns.map(({ type }) => cellsOf(type, layout.style));
  const sink = new ByteSink();
  let size_bytes = 0;
  let row_count = 0;

  const flush = async (): Promise<void> => {
    if (sink.at === 0) return;
    size_bytes += sink.at;
    if (size_bytes > options.limit_bytes) throw tooLarge(options.limit_bytes);
    await options.write(sink.take());
  };

  sink.raw(layout.head);
  for (;;) {
    const chunk = await result.fetchChunk();
    const count = chunk?.rowCount ?? 0;
    if (chunk === null || count === 0) break;
    const cells = makers.map((maker, index) =>
      maker(duckdb.data_chunk_get_vector(chunk.chunk, index), count),
    );
    for (let row = 0; row < count; row++) {
      if (row_count > 0) sink.raw(layout.row_separator);
      writeRow(sink, cells, layout.prefixes, row);
      sink.raw(layout.row_end);
      row_count++;
      if (sink.at >= FLUSH_BYTES) await flush();
    }
  }
  // A stream that failed ends like one that is complete; only the type of its result tells.
  if (result.returnType === ResultReturnType.INVALID) throw new ResultCutShort(size_bytes > 0);
  sink.raw(layout.tail(row_count));
  await flush();
  return { row_count, size_bytes };
}

function writeRow(
  sink: ByteSink,
  cells: readonly Cell[],
  prefixes: readonly Uint8Array[],
  row: number,
): void {
  for (let index = 0; index < cells.length; index++) {
    const prefix = prefixes[index];
    if (prefix !== undefined) sink.raw(prefix);
    cells[index]?.(sink, row);
  }
}

function columnsOf(result: DuckDBResult): ResultColumn[] {
  return Array.from({ length: result.columnCount }, (_, index) => {
    const type = result.columnType(index);
    return {
      name: result.columnName(index),
      type,
      // JSON is text to the engine, told apart by an alias only.
      type_name: result.columnLogicalType(index).alias ?? type.toString(),
    };
  });
}

function tooLarge(limit_bytes: number): LakehouseError {
  return new LakehouseError("result_too_large", `The result is larger than ${limit_bytes} bytes.`, {
    hint: "Select fewer rows or columns, aggregate, or raise limits.result_bytes.",
    extra: { limit_bytes },
  });
}
