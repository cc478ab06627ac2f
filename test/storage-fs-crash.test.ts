import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readAll } from "../core/storage.ts";
import { FsStore } from "../plugins/storage-fs/store.ts";
import { keysOf } from "./conformance/storage-bytes.ts";

const ROUNDS = 8;
const WRITERS = 3;
const TIMEOUT_MS = 60_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-crash-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Writer {
  readonly id: string;
  /** Resolves once it acknowledged this many more writes. */
  readonly reached: (more: number) => Promise<void>;
  /** The last count it acknowledged, at its death. */
  readonly kill: () => Promise<number | undefined>;
}

function startWriter(mode: "objects" | "counter", root: string, id: string, from = 0): Writer {
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "fixtures/fs-writer.ts"), mode, root, id, `${from}`],
    { stdout: "pipe", stderr: "inherit", stdin: "ignore" },
  );
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  const following = (async () => {
    let rest = "";
    for await (const chunk of child.stdout) {
      const parts = (rest + Buffer.from(chunk).toString()).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
      for (const check of waiting) check();
    }
  })();
  return {
    id,
    reached: (more) =>
      new Promise((resolve, reject) => {
        const target = lines.length + more;
        const check = (): void => {
          if (lines.length >= target) resolve();
        };
        waiting.push(check);
        child.exited.then(() => reject(new Error("the writer ended by itself"))).catch(() => {});
        check();
      }),
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
      await following;
      const last = lines.at(-1);
      return last === undefined ? undefined : Number(last);
    },
  };
}

async function open(root: string): Promise<FsStore & AsyncDisposable> {
  const store = new FsStore({ path: root });
  await store.open();
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** The number an object of `fs-writer` carries; throws if it is not whole. */
async function turnOf(store: FsStore, key: string): Promise<number> {
  const object = await store.get(key);
  if (object === undefined) throw new Error(`${key} is gone`);
  const bytes = Buffer.from(await readAll(object, 1e7));
  const [turn, hash] = bytes.subarray(0, bytes.indexOf("\n")).toString().split(" ");
  const content = bytes.subarray(bytes.indexOf("\n") + 1);
  expect(`${key} ${Bun.CryptoHasher.hash("sha256", content, "hex")}`).toBe(`${key} ${hash}`);
  return Number(turn);
}

describe("a process killed in the middle of its writes", () => {
  test(
    "loses nothing it acknowledged and leaves no partial object",
    async () => {
      const root = join(folder, "objects");
      let from = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const writer = startWriter("objects", root, "w", from);
        await writer.reached(1 + round * 2);
        const last = await writer.kill();
        await using store = await open(root);
        const keys = await keysOf(store, { prefix: "new/w/" });
        const turns = await Promise.all(keys.map((key) => turnOf(store, key)));
        const whole = new Set(turns);
        for (let turn = 0; turn <= (last ?? -1); turn++) expect(whole.has(turn)).toBe(true);
        expect(await turnOf(store, "same/w")).toBeGreaterThanOrEqual(last ?? 0);
        from = Math.max(-1, ...turns) + 1;
      }
    },
    TIMEOUT_MS,
  );

  test(
    "leaves files that the next start sweeps, and no others",
    async () => {
      const root = join(folder, "leftovers");
      const sessions = join(root, ".lakehouse/sessions");
      const dead = startWriter("objects", root, "dead");
      const live = startWriter("objects", root, "live");
      await Promise.all([dead.reached(2), live.reached(2)]);
      expect(await readdir(sessions)).toHaveLength(2);
      await dead.kill();
      await using store = await open(root);
      // Ours and that of the one that lives on, which the sweep has not disturbed.
      expect(await readdir(sessions)).toHaveLength(2);
      await live.reached(3);
      const last = await live.kill();
      expect(await turnOf(store, "same/live")).toBeGreaterThanOrEqual(last ?? 0);
    },
    TIMEOUT_MS,
  );

  test(
    "neither loses nor repeats a compare-and-swap, beside others that do the same",
    async () => {
      const root = join(folder, "counter");
      await using store = await open(root);
      await store.put("counters", { kind: "bytes", bytes: Buffer.from("{}") });
      for (let round = 0; round < 3; round++) {
        const writers = Array.from({ length: WRITERS }, (_, at) =>
          startWriter("counter", root, `${round}-${at}`),
        );
        await Promise.all(writers.map((writer) => writer.reached(5)));
        const acknowledged = await Promise.all(
          writers.map(async (writer) => ({ id: writer.id, count: await writer.kill() })),
        );
        const object = await store.get("counters");
        const text =
          object === undefined ? "{}" : Buffer.from(await readAll(object, 1e6)).toString();
        const counters = new Map<string, unknown>(Object.entries(JSON.parse(text)));
        for (const { id, count = 0 } of acknowledged) {
          // One more may have been committed when the kill came before its acknowledgement.
          expect([count, count + 1]).toContain(Number(counters.get(id)));
        }
      }
    },
    TIMEOUT_MS,
  );
});
