import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  act,
  fixturePool,
  isRunning,
  patient,
  rejection,
  until,
} from "./support/worker-fixture.ts";

const MIB = 1024 * 1024;
const onLinux = process.platform === "linux";

test.each([1, 1000, 65_536, 65_537, 3 * MIB + 1])(
  "streamed in pieces of %d bytes, every byte arrives in its place",
  async (piece) => {
    await using pool = fixturePool();
    const total = Math.min(piece * 3000, 10 * MIB) + 5;
    const stream = await pool.stream(act("bytes", { total, piece }), patient);
    let received = 0;
    let wrong = 0;
    for await (const chunk of stream.bytes) {
      for (const byte of chunk) {
        if (byte !== received % 251) wrong += 1;
        received += 1;
      }
    }
    expect({ received, wrong, result: await stream.result }).toEqual({
      received: total,
      wrong: 0,
      result: { total },
    });
  },
);

test("chunks stay as they are while later ones arrive", async () => {
  await using pool = fixturePool();
  const total = 5 * MIB;
  const stream = await pool.stream(act("bytes", { total, piece: 70_001 }), patient);
  const all = Buffer.concat(await Array.fromAsync(stream.bytes));
  expect(all.length).toBe(total);
  expect(all.every((byte, place) => byte === place % 251)).toBe(true);
});

test("an answer without bytes is an empty stream with a result", async () => {
  await using pool = fixturePool();
  const stream = await pool.stream(act("echo", "nothing"), patient);
  expect(await stream.result).toBe("nothing");
  expect(await Array.fromAsync(stream.bytes)).toEqual([]);
});

test("a failure before the first byte rejects the stream itself", async () => {
  await using pool = fixturePool();
  const error = await rejection(pool.stream(act("refuse"), patient));
  expect(error).toMatchObject({ code: "invalid_csv", extra: { line: 3 } });
});

test.each([
  ["fault_after_bytes", "result_too_large"],
  ["exit_after_bytes", "worker_died"],
])(
  "after the first byte, %s throws %s from the bytes and rejects the result",
  async (action, code) => {
    await using pool = fixturePool();
    const stream = await pool.stream(act(action), patient);
    let received = 0;
    const reading = (async () => {
      for await (const chunk of stream.bytes) received += chunk.length;
    })();
    expect(await rejection(reading)).toMatchObject({ code });
    expect(await rejection(stream.result)).toMatchObject({ code });
    expect(received).toBe(10);
    expect(await Array.fromAsync(stream.bytes)).toEqual([]);
    expect(await pool.call(act("echo", 1), patient)).toBe(1);
  },
);

test("a result that nobody looks at is no unhandled rejection", async () => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", listen);
  try {
    await using pool = fixturePool();
    const stream = await pool.stream(act("fault_after_bytes"), patient);
    await rejection(Array.fromAsync(stream.bytes));
    await pool.stream(act("bytes_then_hang"), patient);
    await pool.stop();
    // Rejections are reported at the end of a turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("unhandledRejection", listen);
  }
  expect(unhandled).toEqual([]);
});

test("leaving the loop early kills the worker and frees its place", async () => {
  await using pool = fixturePool();
  const pid = Number(await pool.call(act("pid"), patient));
  const stream = await pool.stream(act("flood", { total: 1e12, piece: 65_536 }), patient);
  for await (const chunk of stream.bytes) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  expect(await rejection(stream.result)).toMatchObject({ code: "request_aborted" });
  await until(() => !isRunning(pid));
  expect(await pool.call(act("pid"), patient)).not.toBe(pid);
});

test("leaving does not wait for a worker that is silent", async () => {
  await using pool = fixturePool();
  const stream = await pool.stream(act("bytes_then_hang"), patient);
  const bytes = stream.bytes[Symbol.asyncIterator]();
  await bytes.next();
  const waiting = bytes.next();
  await new Promise((resolve) => setImmediate(resolve));
  await bytes.return?.();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(await bytes.next()).toEqual({ done: true, value: undefined });
});

test("leaving before the first read kills the worker too", async () => {
  await using pool = fixturePool();
  const stream = await pool.stream(act("bytes_then_hang"), patient);
  await stream.bytes[Symbol.asyncIterator]().return?.();
  expect(await rejection(stream.result)).toMatchObject({ code: "request_aborted" });
});

test("the deadline covers a caller who does not read on", async () => {
  await using pool = fixturePool();
  const request = act("flood", { total: 1e12, piece: 65_536 });
  const stream = await pool.stream(request, { deadline_ms: 2000 });
  expect(await rejection(stream.result)).toMatchObject({ code: "deadline_exceeded" });
  expect(await rejection(Array.fromAsync(stream.bytes))).toMatchObject({
    code: "deadline_exceeded",
  });
});

test("an abort in mid-stream throws from the bytes", async () => {
  await using pool = fixturePool();
  const abort = new AbortController();
  const request = act("flood", { total: 1e12, piece: 65_536 });
  const stream = await pool.stream(request, { ...patient, signal: abort.signal });
  let received = 0;
  const reading = (async () => {
    for await (const chunk of stream.bytes) {
      received += chunk.length;
      if (received > MIB) abort.abort();
    }
  })();
  expect(await rejection(reading)).toMatchObject({ code: "request_aborted" });
});

test("a Response streams the bytes, and a client that leaves kills the worker", async () => {
  await using pool = fixturePool({ size: 2 });
  const pids: number[] = [];
  const onProgress = (pid: unknown): void => void pids.push(Number(pid));
  using server = Bun.serve({
    port: 0,
    async fetch(request) {
      const total = Number(new URL(request.url).searchParams.get("total"));
      const wanted = act("flood_with_pid", { total, piece: 65_536 });
      const { bytes } = await pool.stream(wanted, { ...patient, onProgress });
      return new Response(bytes);
    },
  });
  const whole = await fetch(`${server.url.href}?total=${MIB}`);
  expect((await whole.arrayBuffer()).byteLength).toBe(MIB);

  const abort = new AbortController();
  const endless = await fetch(`${server.url.href}?total=1000000000000`, { signal: abort.signal });
  await endless.body?.getReader().read();
  abort.abort();
  await until(() => !isRunning(pids[1] ?? 0));
});

// /proc/<pid>/io counts what the worker wrote; other platforms have nothing like it.
test.skipIf(!onLinux)(
  "300 MB through a slow reader never pile up between the two processes",
  async () => {
    await using pool = fixturePool();
    const pid = Number(await pool.call(act("pid"), patient));
    const written_before = writtenBytes(pid);
    const total = 300 * 1_000_000;
    const stream = await pool.stream(act("flood", { total, piece: 50_000 }), patient);
    // The reader is asleep until the worker, running free, is stopped by the full pipe.
    await until(async () => {
      const before = writtenBytes(pid);
      await Bun.sleep(50);
      return writtenBytes(pid) === before;
    });
    let received = 0;
    // All that is written and not yet read, wherever it is: kernel, runtime or our own code.
    let lead_max = writtenBytes(pid) - written_before;
    for await (const chunk of stream.bytes) {
      received += chunk.length;
      Bun.hash(chunk);
      await new Promise((resolve) => setImmediate(resolve));
      lead_max = Math.max(lead_max, writtenBytes(pid) - written_before - received);
    }
    expect(received).toBe(total);
    expect(await stream.result).toBe(total);
    expect(lead_max).toBeLessThan(2 * MIB);
  },
  60_000,
);

function writtenBytes(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}
