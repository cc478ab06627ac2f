import wasmPath from "./kernel.wasm" with { type: "file" };

/** What the compiled kernel offers (`assembly/index.ts`). Positions are addresses in its memory. */
export interface Kernel {
  readonly memory: WebAssembly.Memory;
  /** `quote` and `escape` are 0 for none; the allowed scales of a decimal are bits. */
  begin(
    delimiter: number,
    quote: number,
    escape: number,
    column_count: number,
    capacity_bytes: number,
    null_bytes: number,
    scales: bigint,
  ): number;
  /** Makes room for longer inputs; the first bytes held in the input stay. */
  enlarge(capacity_bytes: number, held_bytes: number): number;
  /** `accepted`: kinds of cells that need not be asked of the host; with text, none is. */
  giveType(column: number, accepted: number): void;
  indexRecords(length: number, final: boolean): number;
  /** Judges records, and writes them into the present group as far as it has room. */
  takeRecords(from_record: number, base_offset: number, line: number): number;
  /** Behind `begin`: what the rows become, in groups of so many. */
  beginColumns(count: number, group_rows_max: number): number;
  /** `type` is a code of `column-group.ts`; `ask`: when the host reads a value. */
  giveColumn(
    index: number,
    source: number,
    type: number,
    scale: number,
    stored_bytes: number,
    ask: number,
  ): number;
  startGroup(): void;
  /** What follows is judged alone. */
  endColumns(): void;
  /** The pages of a column of the present group; told in `chunk`. */
  encodeChunk(index: number): number;
  skipTo(from: number, to: number): void;
  cutAfter(from: number, to: number, final: boolean): number;
  endBlanks(): void;
  readonly input: WebAssembly.Global;
  /** Room for the null texts, each behind its length in one byte. */
  readonly nulls: WebAssembly.Global;
  readonly columns: WebAssembly.Global;
  readonly COLUMN_BYTES: WebAssembly.Global;
  /** The columns of the present group. */
  readonly outs: WebAssembly.Global;
  readonly OUT_BYTES: WebAssembly.Global;
  readonly chunk: WebAssembly.Global;
  readonly group_rows: WebAssembly.Global;
  readonly listed_records: WebAssembly.Global;
  readonly misfits: WebAssembly.Global;
  readonly cut_at: WebAssembly.Global;
  readonly line_at: WebAssembly.Global;
  readonly record_count: WebAssembly.Global;
  readonly line_count: WebAssembly.Global;
  readonly row_count: WebAssembly.Global;
  readonly bad_count: WebAssembly.Global;
  readonly blank_count: WebAssembly.Global;
  readonly bare_quotes: WebAssembly.Global;
  readonly escaped_count: WebAssembly.Global;
  readonly line_ends: WebAssembly.Global;
  readonly longest_record: WebAssembly.Global;
  readonly unclosed: WebAssembly.Global;
}

/** What the kernel asks of its host: `assembly/judge.ts`, `classify.ts`, `values.ts`, `encode.ts`. */
export interface KernelHost {
  double(start: number, length: number): number;
  value(column: number, start: number, length: number, to: number): boolean;
  printsBack(start: number, length: number): boolean;
  fits(column: number, start: number, length: number): boolean;
  badRecord(
    reason: number,
    row: number,
    line: number,
    start: number,
    length: number,
    fields: number,
    field: number,
    field_start: number,
    field_length: number,
  ): void;
}

const FUNCTIONS = [
  "begin",
  "enlarge",
  "giveType",
  "indexRecords",
  "takeRecords",
  "beginColumns",
  "giveColumn",
  "startGroup",
  "endColumns",
  "encodeChunk",
  "skipTo",
  "cutAfter",
  "endBlanks",
];

let compiled: Promise<WebAssembly.Module> | undefined;

/** A fresh instance; the module is compiled once per process. */
export async function openKernel(host: KernelHost): Promise<Kernel> {
  compiled ??= Bun.file(wasmPath)
    .arrayBuffer()
    .then((bytes) => WebAssembly.compile(bytes));
  const { exports } = await WebAssembly.instantiate(await compiled, { host: { ...host } });
  if (!isKernel(exports)) throw new Error("kernel.wasm is not the kernel of this version");
  return exports;
}

function isKernel(exports: unknown): exports is Kernel {
  if (typeof exports !== "object" || exports === null || !("memory" in exports)) return false;
  const names = new Map<string, unknown>(Object.entries(exports));
  return FUNCTIONS.every((name) => typeof names.get(name) === "function");
}

/** The value of one of the kernel's counters and addresses. */
export const numberOf = (global: WebAssembly.Global): number => Number(global.value);
