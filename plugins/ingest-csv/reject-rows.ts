import { mkdirSync } from "node:fs";
import type { DuckDBInstance } from "@duckdb/node-api";
import type { CodecRejects } from "../../core/codec.ts";
import type { Column } from "../../core/services.ts";
import { TEXT, typeNamed } from "./column-types.ts";
import type { Dialect } from "./dialect.ts";
import { STANDARD_SYNTAX, textOf } from "./kernel/field-syntax.ts";
import type { BadRecord } from "./kernel/scanner.ts";
import { joinParquet } from "./parquet/join.ts";
import { type ColumnPlan, Parts, sumParts } from "./parts.ts";
import { Segments } from "./segments.ts";
import { checkCopy } from "./witness.ts";

/** `raw` is the record as it stands in the file; the last two say which cell, if it was one. */
const COLUMNS = (["line", "raw", "reason", "column_name", "value"] as const).map(
  (name, index): Column => ({
    id: index + 1,
    name,
    type: name === "line" ? "int64" : "utf8",
    nullable: true,
  }),
);
const PLAN: ColumnPlan = {
  columns: COLUMNS,
  types: COLUMNS.map(({ type }) => typeNamed(type) ?? TEXT),
  sources: COLUMNS.map((_, index) => index),
  signed_zero: false,
};

/** Writes the records that are no rows as Parquet, in the order of the file, in bounded memory. */
export class RejectRows {
  readonly #dialect: Dialect;
  readonly #segments: Segments;
  readonly #parts: Parts;
  readonly #columns = COLUMNS.map(() => ({
    empty_count: 0,
    quoted_empty_count: 0,
    text_bytes: 0,
  }));
  #row_count = 0;
  #record_bytes_max = 0;

  constructor(engine: DuckDBInstance, dialect: Dialect, folder: string) {
    mkdirSync(folder, { mode: 0o700 });
    this.#dialect = dialect;
    const { delimiter, quote } = STANDARD_SYNTAX;
    this.#parts = new Parts(engine, { delimiter, quote, width: COLUMNS.length }, folder);
    this.#segments = new Segments(folder, (paths) =>
      this.#parts.add(paths, PLAN, this.#record_bytes_max),
    );
  }

  add({ reason, line, field, bytes, field_bytes }: BadRecord): void {
    const name = reason === "field_count" ? undefined : this.#dialect.names[field];
    const value =
      reason === "does_not_fit" ? textOf(decoder.decode(field_bytes), this.#dialect) : undefined;
    const row = [String(line), decoder.decode(bytes), reason, name, value];
    const text = row.map((cell) => (cell === undefined ? "" : quoted(cell))).join(",");
    const encoded = Buffer.from(`${text}\n`);
    for (const [index, cell] of row.entries()) {
      const column = this.#columns[index];
      if (column === undefined) continue;
      if (cell === undefined) column.empty_count += 1;
      else column.text_bytes += Buffer.byteLength(cell);
    }
    this.#row_count += 1;
    this.#record_bytes_max = Math.max(this.#record_bytes_max, encoded.length);
    const { bytes: room, fresh } = this.#segments.room();
    if (encoded.length > room && !fresh) this.#segments.next();
    this.#segments.write(encoded);
  }

  /** Undefined if there are none. */
  async finish(path: string): Promise<CodecRejects | undefined> {
    if (this.#row_count === 0) return undefined;
    this.#segments.finish();
    const parts = await this.#parts.finish(PLAN);
    checkCopy({ row_count: this.#row_count, columns: this.#columns }, PLAN, sumParts(parts, PLAN));
    const { row_count, size_bytes, sha256 } = await joinParquet(
      parts.map((part) => part.path),
      path,
    );
    return { columns: COLUMNS, row_count, size_bytes, sha256 };
  }

  /** Waits until nothing runs, so that the engine can be closed. */
  async idle(): Promise<void> {
    this.#segments.close();
    await this.#parts.idle();
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
