import { rmSync } from "node:fs";
import { join } from "node:path";
import type { DuckDBInstance } from "@duckdb/node-api";
import type { Column } from "../../core/services.ts";
import type { ColumnType } from "./column-types.ts";
import type { ConversionProgress } from "./conversion-progress.ts";
import { type Copied, copyTyped, textBytes } from "./typed-copy.ts";

/** What the columns of the Parquet file are to be, in its order. */
export interface ColumnPlan {
  readonly columns: readonly Column[];
  readonly types: readonly ColumnType[];
  /** Per column, its index in the CSV. */
  readonly sources: readonly number[];
  /** A double may be zero with a minus. */
  readonly signed_zero: boolean;
}

/** How the engine is to read the segments. */
export interface SegmentFormat {
  readonly delimiter: string;
  /** Empty: nothing is quoted. */
  readonly quote: string;
  /** Cells of a line; a row has the first of them. */
  readonly width: number;
}

/** A part of the Parquet file, with what the engine says it holds. */
export interface Part extends Copied {
  readonly path: string;
  /** Bytes of the text columns, by name. */
  readonly text_bytes: ReadonlyMap<string, number>;
}

interface Task {
  readonly paths: readonly string[];
  readonly output_path: string;
  readonly record_bytes_max: number;
  plan: ColumnPlan;
  part: Promise<Part>;
}

/** Statements under way at once: one alone leaves threads idle at its beginning and its end. */
const CONCURRENCY = 2;

/**
 * Converts batches of segments while later ones still arrive, each by what is known of the columns
 * so far. At the end those are converted again whose columns turned out otherwise: the bytes of the
 * result depend on the rows and the final plan alone.
 */
export class Parts {
  readonly #engine: DuckDBInstance;
  readonly #format: SegmentFormat;
  readonly #folder: string;
  readonly #tasks: Task[] = [];
  readonly #slots: Promise<unknown>[] = Array.from({ length: CONCURRENCY }, () =>
    Promise.resolve(),
  );
  readonly #progress: ConversionProgress | undefined;
  #next_slot = 0;
  #begun_count = 0;
  #done_count = 0;

  constructor(
    engine: DuckDBInstance,
    format: SegmentFormat,
    folder: string,
    progress?: ConversionProgress,
  ) {
    this.#engine = engine;
    this.#format = format;
    this.#folder = folder;
    this.#progress = progress;
  }

  /** Begins to convert a batch. A failure shows in `finish`. */
  add(paths: readonly string[], plan: ColumnPlan, record_bytes_max: number): void {
    const output_path = join(
      this.#folder,
      `part-${String(this.#tasks.length).padStart(6, "0")}.parquet`,
    );
    const task = { paths, output_path, record_bytes_max, plan };
    this.#tasks.push({ ...task, part: this.#start(task) });
  }

  /** All parts in order, under the final plan. */
  async finish(plan: ColumnPlan): Promise<readonly Part[]> {
    for (const task of this.#tasks) {
      if (samePlan(task.plan, plan)) continue;
      // Whatever became of the first try, it was for other columns.
      await task.part.catch(() => {});
      rmSync(task.output_path, { force: true });
      task.plan = plan;
      task.part = this.#start(task);
    }
    return Promise.all(this.#tasks.map((task) => task.part));
  }

  /** Waits until nothing runs, so that the engine can be closed. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#tasks.map((task) => task.part));
  }

  #start(task: Omit<Task, "part">): Promise<Part> {
    const slot = this.#next_slot;
    this.#next_slot = (slot + 1) % CONCURRENCY;
    this.#begun_count += 1;
    this.#progress?.parts(this.#done_count, this.#begun_count);
    const part = (this.#slots[slot] ?? Promise.resolve()).then(() => this.#convert(task));
    // Kept from being unhandled: `finish` waits for each.
    this.#slots[slot] = part.catch(() => {});
    return part;
  }

  async #convert({
    paths,
    output_path,
    record_bytes_max,
    plan,
  }: Omit<Task, "part">): Promise<Part> {
    const connection = await this.#engine.connect();
    try {
      const source = { ...this.#format, paths, record_bytes_max };
      const copied = await copyTyped(connection, { source, output_path, ...plan });
      const text = plan.columns.filter((_, index) => plan.types[index]?.is_text);
      const names = text.map(({ name }) => name);
      const bytes = await textBytes(connection, names, output_path);
      const text_bytes = new Map(names.map((name, index) => [name, bytes[index] ?? 0]));
      this.#done_count += 1;
      this.#progress?.parts(this.#done_count, this.#begun_count);
      return { ...copied, path: output_path, text_bytes };
    } finally {
      connection.closeSync();
    }
  }
}

function samePlan(one: ColumnPlan, other: ColumnPlan): boolean {
  if (one.columns.length !== other.columns.length) return false;
  if (one.signed_zero !== other.signed_zero) return false;
  return one.columns.every((column, index) => {
    const { id, name, type } = other.columns[index] ?? {};
    const is_same = column.id === id && column.name === name && column.type === type;
    return is_same && one.sources[index] === other.sources[index];
  });
}

/** What all parts hold together. */
export function sumParts(parts: readonly Part[], plan: ColumnPlan): Omit<Part, "path"> {
  const null_counts = plan.columns.map((_, index) =>
    parts.reduce((sum, part) => sum + (part.null_counts[index] ?? 0), 0),
  );
  const text_bytes = new Map<string, number>();
  for (const part of parts) {
    for (const [name, bytes] of part.text_bytes) {
      text_bytes.set(name, (text_bytes.get(name) ?? 0) + bytes);
    }
  }
  return {
    row_count: parts.reduce((sum, part) => sum + part.row_count, 0),
    null_counts,
    text_bytes,
  };
}
