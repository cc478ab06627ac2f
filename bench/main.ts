import { join } from "node:path";
import { isRecord } from "../core/json.ts";

/**
 * `bun run bench NAME`: runs `bench/NAME.ts`. Each benchmark prints ratios against a peer, or the
 * raw engine, measured in the same run: machines are noisy, and absolute times mean little.
 */
const names = (await Array.fromAsync(new Bun.Glob("*.ts").scan(import.meta.dir)))
  .filter((file) => file !== "main.ts")
  .map((file) => file.replace(/\.ts$/, ""))
  .sort();
const name = process.argv[2];
if (name === undefined || !names.includes(name)) {
  console.error(`usage: bun run bench NAME\nbenchmarks: ${names.join(", ")}`);
  process.exit(2);
}
const module: unknown = await import(join(import.meta.dir, `${name}.ts`));
if (!isRecord(module) || typeof module["run"] !== "function")
  throw new Error(`bench/${name}.ts exports no run()`);
await module["run"]();
