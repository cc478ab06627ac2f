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
    with_output: boolean,
  ): number;
  /** Makes room for longer inputs; keeps what stands in the input and the columns. */
  enlarge(capacity_bytes: number, with_output: boolean): number;
  /** `accepted`: kinds of cells that need not be asked of the host; with text, none is. */
  giveType(column: number, accepted: number): void;
  indexRecords(length: number, final: boolean): number;
  judgeRecords(base_offset: number, line: number): void;
  emitRecords(from_record: number, budget_bytes: number, fresh: boolean): number;
  endBlanks(): void;
  fieldStart(field: number): number;
  fieldEnd(field: number): number;
  readonly input: WebAssembly.Global;
  /** Room for the null texts, each behind its length in one byte. */
  readonly nulls: WebAssembly.Global;
  readonly output: WebAssembly.Global;
  readonly columns: WebAssembly.Global;
  readonly COLUMN_BYTES: WebAssembly.Global;
  readonly record_count: WebAssembly.Global;
  readonly emitted_records: WebAssembly.Global;
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

/** What the kernel asks of its host, see `assembly/judge.ts` and `assembly/classify.ts`. */
export interface KernelHost {
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
  "judgeRecords",
  "emitRecords",
  "endBlanks",
  "fieldStart",
  "fieldEnd",
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
