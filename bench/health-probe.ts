import { setTimeout as sleep } from "node:timers/promises";

/**
 * Asks a server for /health without a pause until standard input ends, and prints how long that
 * took. A process of its own: the one that sends the load is busy, and would measure itself.
 */
const url = `${process.argv[2] ?? ""}/health`;
const times_ms: number[] = [];
const ended = new AbortController();
void Bun.stdin.text().then(() => ended.abort());
while (!ended.signal.aborted) {
  const started_ms = performance.now();
  await (await fetch(url)).arrayBuffer();
  times_ms.push(performance.now() - started_ms);
  await sleep(1);
}
const sorted = times_ms.toSorted((a, b) => a - b);
const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
console.log(JSON.stringify({ median_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) }));
