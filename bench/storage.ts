import { copyFile, mkdir, mkdtemp, open, readdir, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FsStore } from "../plugins/storage-fs/store.ts";

/**
 * storage-fs against the bare system calls that any durable store needs, in the same run:
 * write + fsync + rename + fsync of the folder, and open + stat + read + close. A ratio of 1 costs nothing.
 */

const MIB = 1024 * 1024;
const SMALL_COUNT = 400;
const LARGE_BYTES = 256 * MIB;
const LIST_COUNT = 25_000;
const ROUNDS = 5;

interface Row {
  readonly what: string;
  readonly ours_ms: number;
  readonly raw_ms: number;
}

export async function run(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "lakehouse-bench-"));
  const raw = join(folder, "raw");
  await mkdir(raw);
  const store = new FsStore({ path: join(folder, "data") });
  await store.open();
  try {
    const rows = [
      ...(await smallObjects(store, raw, 1)),
      ...(await smallObjects(store, raw, 32)),
      ...(await largeObject(store, raw)),
      await listing(store, raw),
    ];
    console.log("operation                              ours        raw   ratio");
    for (const { what, ours_ms, raw_ms } of rows) {
      const cells = [ours_ms, raw_ms].map((each) => `${each.toFixed(3)} ms`.padStart(11));
      console.log(
        `${what.padEnd(30)} ${cells.join("")} ${(ours_ms / raw_ms).toFixed(2).padStart(7)}`,
      );
    }
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
}

/** Milliseconds per object of 4 KiB, so many at once. */
async function smallObjects(store: FsStore, raw: string, width: number): Promise<Row[]> {
  const bytes = new Uint8Array(4096).fill(65);
  const put = await inTurns(
    (round) => each(width, (at) => store.put(`put/${round}/${at}`, { kind: "bytes", bytes })),
    (round) => each(width, (at) => durableWrite(raw, `${round}-${at}`, bytes)),
  );
  const get = await inTurns(
    () => each(width, (at) => drain(store, `put/0/${at}`)),
    () => each(width, (at) => plainRead(join(raw, `0-${at}`))),
  );
  return [
    { what: `put 4 KiB, ${width} at once`, ...put },
    { what: `get 4 KiB, ${width} at once`, ...get },
  ];
}

/** Milliseconds per MiB of one large object. */
async function largeObject(store: FsStore, raw: string): Promise<Row[]> {
  const chunk = new Uint8Array(MIB).fill(66);
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < LARGE_BYTES; at += MIB) yield await Promise.resolve(chunk);
  }
  const per_mib = async (work: () => Promise<unknown>): Promise<number> =>
    (await timed(work)) / (LARGE_BYTES / MIB);
  const put = await inTurns(
    () => per_mib(() => store.put("large", { kind: "stream", stream: stream() })),
    () =>
      per_mib(async () => {
        const file = await open(join(raw, "large.tmp"), "w");
        for await (const each of stream()) await file.write(each);
        await file.sync();
        await file.close();
        await rename(join(raw, "large.tmp"), join(raw, "large"));
      }),
  );
  const path = join(raw, "large");
  const file = await inTurns(
    () => per_mib(() => store.put("copied", { kind: "file", path })),
    async (round) =>
      per_mib(async () => {
        const copy = join(raw, `copied-${round}`);
        await copyFile(path, copy);
        const copied = await open(copy, "r+");
        await copied.sync();
        await copied.close();
      }),
  );
  const buffer = new Uint8Array(MIB);
  const get = await inTurns(
    () => per_mib(() => drain(store, "large")),
    () =>
      per_mib(async () => {
        const opened = await open(path, "r");
        for (let at = 0; at < LARGE_BYTES; at += MIB) await opened.read(buffer, 0, MIB, at);
        await opened.close();
      }),
  );
  return [
    { what: "put 256 MiB stream, per MiB", ...put },
    { what: "put 256 MiB file, per MiB", ...file },
    { what: "get 256 MiB, per MiB", ...get },
  ];
}

/** Milliseconds for a page of 1,000 of 25,000 objects in one folder, against readdir + stat of it. */
async function listing(store: FsStore, raw: string): Promise<Row> {
  const folder = join(raw, "list");
  await mkdir(folder);
  const target = (await store.localPath("large")) ?? "";
  const ours = join(target, "..", "list");
  await mkdir(ours);
  for (let at = 0; at < LIST_COUNT; at++) {
    await Bun.write(join(folder, `object-${at}`), "");
    await Bun.write(join(ours, `object-${at}`), "");
  }
  let longest_ms = 0;
  const times = await inTurns(
    async () => {
      let last_ms = performance.now();
      const heartbeat = setInterval(() => {
        longest_ms = Math.max(longest_ms, performance.now() - last_ms);
        last_ms = performance.now();
      }, 1);
      const total_ms = await timed(async () => {
        for (let after: string | undefined = ""; after !== undefined;) {
          ({ next: after } = await store.list({ prefix: "list/", after }));
        }
      });
      clearInterval(heartbeat);
      return total_ms / (LIST_COUNT / 1000);
    },
    () =>
      timed(async () => {
        const names = (await readdir(folder)).sort();
        await Promise.all(names.slice(0, 1000).map((name) => stat(join(folder, name))));
      }),
  );
  console.log(`longest pause of the event loop while listing: ${longest_ms.toFixed(1)} ms`);
  return { what: "list 1,000 of 25,000", ...times };
}

/** Medians of both, taken in turns, so that a busy machine is busy for both. */
async function inTurns(
  ours: (round: number) => Promise<number>,
  raw: (round: number) => Promise<number>,
): Promise<{ readonly ours_ms: number; readonly raw_ms: number }> {
  const times: { ours: number; raw: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    times.push({ ours: await ours(round), raw: await raw(round) });
  }
  return {
    ours_ms: median(times.map((time) => time.ours)),
    raw_ms: median(times.map((time) => time.raw)),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function each(width: number, work: (at: number) => Promise<unknown>): Promise<number> {
  const numbers = Array.from({ length: SMALL_COUNT }, (_, at) => at).values();
  const total_ms = await timed(() =>
    Promise.all(
      Array.from({ length: width }, async () => {
        for (const at of numbers) await work(at);
      }),
    ),
  );
  return total_ms / SMALL_COUNT;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start_ms = performance.now();
  await work();
  return performance.now() - start_ms;
}

async function drain(store: FsStore, key: string): Promise<void> {
  const object = await store.get(key);
  for await (const _ of object?.stream ?? []);
}

async function plainRead(path: string): Promise<void> {
  const file = await open(path, "r");
  const { size } = await file.stat();
  await file.read(Buffer.allocUnsafe(size), 0, size, 0);
  await file.close();
}

async function durableWrite(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(folder, `${name}.tmp`);
  const file = await open(temporary, "w");
  await file.write(bytes);
  await file.sync();
  await file.close();
  await rename(temporary, join(folder, name));
  const parent = await open(folder, "r");
  await parent.sync();
  await parent.close();
}
