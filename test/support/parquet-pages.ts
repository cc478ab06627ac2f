import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from "@duckdb/node-api";
import { type Data, tableFromIPC } from "apache-arrow";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readParquet } from "parquet-wasm/esm";
import { sqlLiteral } from "../../core/duckdb.ts";
import type { Column } from "../../core/services.ts";
import { loadParquetWasm } from "../../plugins/catalog/parquet-wasm.ts";
import { decimalDigits, outputType } from "../../plugins/ingest-csv/column-types.ts";
import { CsvKernel } from "../../plugins/ingest-csv/kernel/csv-kernel.ts";
import type { OutputColumn } from "../../plugins/ingest-csv/kernel/column-group.ts";
import { type RowGroupFile, writeRowGroup } from "../../plugins/ingest-csv/parquet/row-groups.ts";
import { decimalBytes } from "../../plugins/ingest-csv/parquet/schema.ts";
import { bitsOf, cellOf, textOf, type ValueColumn } from "./column-values.ts";
import { feed } from "./csv-scan.ts";
import type { Value } from "./csv-values.ts";

/** A column chunk as the engine tells of it. */
export interface ChunkFacts {
  readonly column: number;
  readonly encodings: readonly string[];
  readonly compression: string;
  readonly value_count: number;
  readonly null_count: number;
  /** In the type of the column. */
  readonly least: Value;
  readonly greatest: Value;
  readonly uncompressed_bytes: number;
}

/** Writes columns by the kernel, and reads them by two programs that know nothing of it. */
export class PagesRig implements AsyncDisposable {
  readonly folder: string;
  readonly sql: DuckDBConnection;
  readonly #engine: DuckDBInstance;
  #files = 0;

  static async open(): Promise<PagesRig> {
    await loadParquetWasm();
    const folder = await mkdtemp(join(tmpdir(), "lakehouse-pages-"));
    const engine = await DuckDBInstance.create(":memory:", { threads: "1" });
    const sql = await engine.connect();
    await sql.run("SET TimeZone = 'UTC'");
    return new PagesRig(folder, engine, sql);
  }

  private constructor(folder: string, engine: DuckDBInstance, sql: DuckDBConnection) {
    this.folder = folder;
    this.#engine = engine;
    this.sql = sql;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sql.closeSync();
    this.#engine.closeSync();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Paths of files of so many rows each. */
  async write(columns: readonly ValueColumn[], group_rows?: number): Promise<string[]> {
    return (await this.writeFiles(columns, group_rows)).map(({ path }) => path);
  }

  /** From one scan of the columns as CSV. */
  async writeFiles(
    columns: readonly ValueColumn[],
    group_rows = 1 << 20,
  ): Promise<readonly RowGroupFile[]> {
    const files: RowGroupFile[] = [];
    const row_count = columns[0]?.values.length ?? 0;
    using kernel = await CsvKernel.borrow();
    const scanner = kernel.scan({
      delimiter: ",",
      quote: '"',
      escape: '"',
      scales: [0],
      // One more, so that no line is blank.
      column_count: columns.length + 1,
      offset: 0,
      line: 1,
      capacity_bytes: 1 << 16,
      record_limit_bytes: 1 << 26,
      null_texts: [],
      given: new Map(),
      onBadRecord: ({ row, reason }) => {
        throw new Error(`row ${row}: ${reason}`);
      },
      output: {
        columns: columns.map(({ arrow }, source) => writtenAs(arrow, source)),
        group_rows_max: Math.max(1, Math.min(group_rows, row_count)),
        onGroup: (group) => {
          files.push(writeRowGroup(this.fresh(), tableColumns(columns), group));
        },
      },
    });
    feed(scanner, csvOf(columns), [1 << 20]);
    scanner.finish();
    if (scanner.misfit_count > 0) throw new Error(`${scanner.misfit_count} cells have no value`);
    return files;
  }

  fresh(): string {
    return join(this.folder, `${this.#files++}.parquet`);
  }

  /** Where the files differ from the values, by either reader; the first place of each column. */
  async faults(
    columns: readonly ValueColumn[],
    paths: readonly string[],
  ): Promise<readonly string[]> {
    const found = { DuckDB: empty(columns), "arrow-rs": empty(columns) };
    for (const path of paths) {
      append(found.DuckDB, await this.#readByEngine(path));
      append(found["arrow-rs"], await readByArrow(path, columns));
    }
    return Object.entries(found).flatMap(([reader, read]) =>
      columns.flatMap(({ arrow, values }, index) => {
        const [there = [], name] = [read[index], `column ${index}, ${arrow}, by ${reader}`];
        if (there.length !== values.length)
          return [`${name}: ${there.length} rows for ${values.length}`];
        const row = values.findIndex((value, row) => value !== there[row]);
        return row < 0 ? [] : [`${name}, row ${row}: ${show(there[row])} for ${show(values[row])}`];
      }),
    );
  }

  /** What the engine selects from a file, or from anything else. */
  async select(sql: string): Promise<Value[][]> {
    const reader = await this.sql.runAndReadAll(sql);
    return reader.getRows().map((row) => row.map(valueOf));
  }

  /** The chunks of a file, in the order of its columns. */
  async chunks(path: string, columns: readonly ValueColumn[]): Promise<ChunkFacts[]> {
    const rows = await this.select(
      `SELECT column_id, encodings, compression, num_values, stats_null_count, stats_min_value,
         stats_max_value, total_uncompressed_size
       FROM parquet_metadata(${sqlLiteral(path)}) ORDER BY column_id`,
    );
    const texts = rows.map((row) => row.slice(5, 7));
    const casts = columns.flatMap(({ arrow }, index) =>
      // A text needs no cast, and may have what no literal has.
      texts[index]?.map((text) => (arrow === "utf8" ? "NULL" : sqlCast(arrow, text))),
    );
    const [cast = []] = await this.select(`SELECT ${casts.join(", ")}`);
    const bounds = columns.flatMap(({ arrow }, index) =>
      arrow === "utf8" ? (texts[index] ?? []) : cast.slice(2 * index, 2 * index + 2),
    );
    return rows.map(([column, encodings, compression, values, nulls, , , size], index) => ({
      column: Number(column),
      encodings: String(encodings).split(", "),
      compression: String(compression),
      value_count: Number(values),
      null_count: Number(nulls),
      least: bounds[2 * index] ?? null,
      greatest: bounds[2 * index + 1] ?? null,
      uncompressed_bytes: Number(size),
    }));
  }

  /** Rows that a filter on the column finds; it may skip what the statistics rule out. */
  async count(path: string, index: number, condition: string): Promise<number> {
    const [[count] = []] = await this.select(
      `SELECT count(*) FROM ${sqlLiteral(path)} WHERE c${index} ${condition}`,
    );
    return Number(count);
  }

  async #readByEngine(path: string): Promise<Value[][]> {
    const reader = await this.sql.runAndReadAll(`FROM ${sqlLiteral(path)}`);
    return reader.getColumns().map((column) => column.map(valueOf));
  }
}

/** Ids that are no positions. */
export const tableColumns = (columns: readonly Pick<ValueColumn, "arrow">[]): Column[] =>
  columns.map(({ arrow }, index) => ({
    id: 5 + 3 * index,
    name: `c${index}`,
    type: arrow,
    nullable: true,
  }));

function writtenAs(arrow: string, source: number): OutputColumn {
  const digits = decimalDigits(arrow);
  return {
    source,
    type: outputType(arrow),
    scale: digits?.scale ?? 0,
    stored_bytes: digits === undefined ? 0 : decimalBytes(digits.precision),
  };
}

function csvOf(columns: readonly ValueColumn[]): string {
  const lines = (columns[0]?.values ?? []).map(
    (_, row) =>
      `${columns.map(({ arrow, values }) => cellOf(arrow, values[row] ?? null)).join(",")},x\n`,
  );
  return lines.join("");
}

/** The literal of a value in SQL. */
export function sqlValue(arrow: string, value: bigint | boolean | string): string {
  if (typeof value === "string") return `decode(from_hex('${Buffer.from(value).toString("hex")}'))`;
  return sqlCast(arrow, textOf(arrow, value));
}

function sqlCast(arrow: string, text: Value): string {
  if (text === null) return "NULL";
  return `CAST(${sqlLiteral(String(text))} AS ${sqlType(arrow)})`;
}

function sqlType(arrow: string): string {
  const digits = decimalDigits(arrow);
  if (digits !== undefined) return `DECIMAL(${digits.precision}, ${digits.scale})`;
  return {
    utf8: "VARCHAR",
    int64: "BIGINT",
    float64: "DOUBLE",
    bool: "BOOLEAN",
    date32: "DATE",
    timestamp: "TIMESTAMP",
    timestamp_utc: "TIMESTAMPTZ",
    decimal128: "",
  }[outputType(arrow)];
}

function valueOf(value: DuckDBValue): Value {
  if (value === null || typeof value === "bigint" || typeof value === "boolean") return value;
  if (typeof value === "string") return value;
  if (typeof value === "number") return bitsOf(value);
  if ("days" in value && typeof value.days === "number") return BigInt(value.days);
  if ("micros" in value && typeof value.micros === "bigint") return value.micros;
  if ("value" in value && typeof value.value === "bigint") return value.value;
  throw new TypeError(`no value: ${String(value)}`);
}

async function readByArrow(path: string, columns: readonly ValueColumn[]): Promise<Value[][]> {
  const table = tableFromIPC(readParquet(await Bun.file(path).bytes()).intoIPCStream());
  return columns.map(({ arrow }, index) => {
    const data = table.getChildAt(index)?.data ?? [];
    return data.flatMap((each) =>
      Array.from({ length: each.length }, (_, row) =>
        each.getValid(row) ? arrowValue(each, arrow, row) : null,
      ),
    );
  });
}

/** From the buffers themselves: the library gives moments as rounded milliseconds. */
function arrowValue(data: Data, arrow: string, row: number): Value {
  const values: unknown = data.values;
  if (values instanceof BigInt64Array) return values[row] ?? null;
  if (values instanceof Float64Array) return bitsOf(values[row] ?? Number.NaN);
  if (values instanceof Int32Array) return BigInt(values[row] ?? Number.NaN);
  if (values instanceof Uint32Array) {
    const words = Array.from(values.subarray(4 * row, 4 * row + 4), BigInt);
    return BigInt.asIntN(
      128,
      words.reduceRight((high, word) => (high << 32n) | word, 0n),
    );
  }
  if (!(values instanceof Uint8Array)) throw new TypeError(`no values of ${arrow}`);
  if (arrow === "bool") {
    const at = data.offset + row;
    return ((values[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }
  const offsets: unknown = data.valueOffsets;
  if (!(offsets instanceof Int32Array)) throw new TypeError("text without offsets");
  return Buffer.from(values.buffer, values.byteOffset).toString(
    "utf8",
    offsets[row],
    offsets[row + 1],
  );
}

const empty = (columns: readonly ValueColumn[]): Value[][] => columns.map(() => []);

function append(to: Value[][], from: readonly (readonly Value[])[]): void {
  for (const [index, values] of from.entries()) for (const value of values) to[index]?.push(value);
}

function show(value: Value | undefined): string {
  return typeof value === "string" && value.length > 80
    ? `a text of ${value.length} characters`
    : typeof value === "string"
      ? JSON.stringify(value)
      : String(value);
}
