import { initSync } from "parquet-wasm/esm";
import wasmPath from "parquet-wasm/esm/parquet_wasm_bg.wasm" with { type: "file" };

let loading: Promise<void> | undefined;

/**
 * Compiles parquet-wasm off the main thread, once per process. Its `node` entry reads a path that a
 * compiled binary does not have and its `bundler` entry fails under Bun, hence the `esm` entry with
 * the module handed over.
 */
export function loadParquetWasm(): Promise<void> {
  loading ??= compile();
  return loading;
}

async function compile(): Promise<void> {
  const module = await WebAssembly.compile(await Bun.file(wasmPath).arrayBuffer());
  initSync({ module });
}
