import { corrupt } from "./frame.ts";

/**
 * The rows of an index in the order they came: who they are, and which of them still stand. A row
 * never changes; a new vector for an id is a new row, and the old one is dead from then on.
 */
export class RowTable {
  readonly #ids: (string | null)[];
  readonly #metadata: (string | null)[];
  readonly #row_of = new Map<string, number>();

  /** `ids` has null for dead rows. Throws `data_corrupt` if two rows have one id. */
  constructor(ids: readonly (string | null)[] = [], metadata: readonly (string | null)[] = []) {
    this.#ids = [...ids];
    this.#metadata = [...metadata];
    for (const [row, id] of this.#ids.entries()) {
      if (id === null) continue;
      if (this.#row_of.has(id)) throw corrupt("has two rows of one id");
      this.#row_of.set(id, row);
    }
  }

  /** Rows, dead ones included. */
  get size(): number {
    return this.#ids.length;
  }

  /** Ids. */
  get live(): number {
    return this.#row_of.size;
  }

  get dead(): number {
    return this.size - this.live;
  }

  /** The row of an id, or undefined. */
  row(id: string): number | undefined {
    return this.#row_of.get(id);
  }

  /** Null for a dead row. */
  id(row: number): string | null {
    return this.#ids[row] ?? null;
  }

  /** JSON text, or null if the row has none. */
  metadata(row: number): string | null {
    return this.#metadata[row] ?? null;
  }

  /** Adds a row; true if it takes the place of another. */
  put(id: string, metadata: string | null): boolean {
    const replaces = this.delete(id);
    this.#row_of.set(id, this.#ids.length);
    this.#ids.push(id);
    this.#metadata.push(metadata);
    return replaces;
  }

  /** True if it was there. */
  delete(id: string): boolean {
    const row = this.#row_of.get(id);
    if (row === undefined) return false;
    this.#row_of.delete(id);
    this.#ids[row] = null;
    this.#metadata[row] = null;
    return true;
  }
}
