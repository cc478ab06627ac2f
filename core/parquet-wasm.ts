import { initSync } from "parquet-wasm/esm";
import wasmPath from "parquet-wasm/esm/parquet_wasm_bg.wasm" with { type: "file" };

let compiling: Promise<WebAssembly.Module> | undefined;
let loaded = false;

/** Compiles parquet-wasm off the main thread, once per process; threads may share the module. */
export function parquetWasmModule(): Promise<WebAssembly.Module> {
  compiling ??= Bun.file(wasmPath)
    .arrayBuffer()
    .then((bytes) => WebAssembly.compile(bytes));
  return compiling;
}

/**
 * Makes parquet-wasm ready in this thread. Its `node` entry reads a path that a compiled binary does
 * not have and its `bundler` entry fails under Bun, hence the `esm` entry with the module handed over.
 */
export function useParquetWasm(module: WebAssembly.Module): void {
  if (!loaded) initSync({ module });
  loaded = true;
}

export async function loadParquetWasm(): Promise<void> {
  useParquetWasm(await parquetWasmModule());
}
