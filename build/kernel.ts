import { join } from "node:path";

/**
 * Compiles the CSV kernel from AssemblyScript. The result is committed, so that a clone runs without
 * this step; a test compiles again and compares the bytes.
 */
export const KERNEL_PATH = join(import.meta.dir, "../plugins/ingest-csv/kernel/kernel.wasm");

export async function compileKernel(output_path: string): Promise<void> {
  const root = join(import.meta.dir, "..");
  await Bun.$`bun node_modules/assemblyscript/bin/asc.js plugins/ingest-csv/kernel/assembly/index.ts --outFile ${output_path} -O3 --noAssert --runtime stub --enable simd`
    .cwd(root)
    .quiet();
}

if (import.meta.main) await compileKernel(KERNEL_PATH);
