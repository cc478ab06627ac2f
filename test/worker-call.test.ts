import { expect, test } from "bun:test";
import {
  act,
  fixturePool,
  isRunning,
  patient,
  rejection,
  until,
} from "./support/worker-fixture.ts";

test("a call hands back the JSON value the handler returned", async () => {
  await using pool = fixturePool();
  const value = { a: [1, -0, 2 ** 53, "é\ud800"], b: { c: null, d: false } };
  expect(await pool.call(act("echo", value), patient)).toStrictEqual(value);
});

test("a request of many megabytes arrives whole", async () => {
  await using pool = fixturePool();
  const value = "0123456789".repeat(2_000_000);
  expect((await pool.call(act("echo", value), patient)) === value).toBe(true);
});

test("a request too large for a frame is refused before any worker sees it", async () => {
  await using pool = fixturePool();
  await rejection(pool.call(act("echo", "x".repeat(64 * 1024 * 1024)), patient));
  expect(pool.spawned).toBe(0);
});

test("a LakehouseError of the handler reaches the caller whole, and the worker serves on", async () => {
  await using pool = fixturePool();
  const pid = await pool.call(act("pid"), patient);
  expect(await rejection(pool.call(act("refuse"), patient))).toMatchObject({
    name: "LakehouseError",
    code: "invalid_csv",
    message: "Row 3 has 4 cells.",
    hint: "Quote the comma.",
    extra: { line: 3, column: 9 },
  });
  expect(await pool.call(act("pid"), patient)).toBe(pid);
});

test("any other error becomes `internal`: nothing of it in the answer, all of it in the log", async () => {
  await using pool = fixturePool();
  const pid = await pool.call(act("pid"), patient);
  const error = await rejection(pool.call(act("fault"), patient));
  expect(error).toMatchObject({ code: "internal" });
  expect(String(error)).not.toContain("secret");
  const logged = pool.lines.filter((line) => line.level === "error");
  expect(logged).toHaveLength(1);
  expect(Bun.inspect(logged[0]?.fields)).toContain("TypeError: secret detail");
  expect(Bun.inspect(logged[0]?.fields)).toContain("worker-role.ts");
  expect(await pool.call(act("pid"), patient)).toBe(pid);
});

test("a handler that returns NaN fails instead of answering null", async () => {
  await using pool = fixturePool();
  expect(await rejection(pool.call(act("nan"), patient))).toMatchObject({ code: "internal" });
});

test("progress reaches the caller in order, before the result", async () => {
  await using pool = fixturePool();
  const seen: unknown[] = [];
  const onProgress = (progress: unknown): void => void seen.push(progress);
  expect(await pool.call(act("progress"), { ...patient, onProgress })).toBe("done");
  expect(seen).toEqual([{ step: 1 }, { step: 2 }, { step: 3 }]);
});

function onProgress(): never {
  throw new RangeError("not now");
}

test("an error thrown by onProgress fails that call only", async () => {
  await using pool = fixturePool();
  const error = await rejection(pool.call(act("progress"), { ...patient, onProgress }));
  expect(error).toBeInstanceOf(RangeError);
  expect(await pool.call(act("echo", 1), patient)).toBe(1);
});

test.each([
  ["segfault", null, /signal SIGSEGV/, { signal: "SIGSEGV" }],
  ["exit", 3, /exit code 3/, { exit_code: 3 }],
  ["exit", 0, /exit code 0/, { exit_code: 0 }],
  ["kill_self", null, /signal SIGKILL/, { signal: "SIGKILL" }],
] as const)(
  "a worker that dies by %s %p fails its call as worker_died",
  async (action, argument, how, extra) => {
    await using pool = fixturePool();
    const error = await rejection(pool.call(act(action, argument), patient));
    expect(error).toMatchObject({ code: "worker_died", extra });
    expect(error).toMatchObject({ message: expect.stringMatching(how), hint: expect.any(String) });
    expect(await pool.call(act("echo", "next"), patient)).toBe("next");
  },
);

test("a worker that breaks the protocol is killed and fails only that call", async () => {
  await using pool = fixturePool();
  const error = await rejection(pool.call(act("garbage"), patient));
  expect(error).toMatchObject({ code: "worker_died", message: expect.stringMatching(/frame/) });
  expect(await pool.call(act("calls"), patient)).toBe(1);
});

test("bytes in answer to a plain call are an error, not silently dropped", async () => {
  await using pool = fixturePool();
  const request = act("bytes", { total: 10, piece: 10 });
  expect(await rejection(pool.call(request, patient))).toMatchObject({ code: "internal" });
});

test("what a handler writes after it returned never reaches the next call", async () => {
  await using pool = fixturePool();
  expect(await pool.call(act("write_late"), patient)).toBe("returned");
  expect(await pool.call(act("late_outcome"), patient)).toMatch(/returned before/);
  const stream = await pool.stream(act("bytes", { total: 4, piece: 4 }), patient);
  const chunks = await Array.fromAsync(stream.bytes);
  expect(Buffer.concat(chunks)).toEqual(Buffer.from([0, 1, 2, 3]));
});

test("the deadline is kept even by a handler that never yields", async () => {
  await using pool = fixturePool();
  await pool.call(act("pid"), patient);
  const start_ms = performance.now();
  const error = await rejection(pool.call(act("spin"), { deadline_ms: 100 }));
  expect(error).toMatchObject({ code: "deadline_exceeded", hint: expect.any(String) });
  expect(performance.now() - start_ms).toBeGreaterThanOrEqual(99);
  expect(await pool.call(act("echo", 1), patient)).toBe(1);
});

test("the deadline counts from when a worker takes the call, not while it waits", async () => {
  await using pool = fixturePool();
  const slow = rejection(pool.call(act("hang"), { deadline_ms: 2100 }));
  const quick = pool.call(act("echo", 1), { deadline_ms: 2000 });
  expect(await slow).toMatchObject({ code: "deadline_exceeded" });
  expect(await quick).toBe(1);
});

test("a deadline beyond what a timer can hold does not fire at once", async () => {
  await using pool = fixturePool();
  expect(await pool.call(act("echo", 1), { deadline_ms: 2 ** 40 })).toBe(1);
});

test("an abort kills the worker that is on the call", async () => {
  await using pool = fixturePool();
  const pid = await pool.call(act("pid"), patient);
  const abort = new AbortController();
  const onProgress = (): void => abort.abort();
  const call = pool.call(act("progress_then_hang"), {
    ...patient,
    signal: abort.signal,
    onProgress,
  });
  expect(await rejection(call)).toMatchObject({ code: "request_aborted" });
  await until(() => !isRunning(Number(pid)));
  expect(await pool.call(act("pid"), patient)).not.toBe(pid);
});

test("an aborted signal is refused without a worker, and a late abort harms nobody", async () => {
  await using pool = fixturePool();
  const gone = { ...patient, signal: AbortSignal.abort() };
  expect(await rejection(pool.call(act("pid"), gone))).toMatchObject({ code: "request_aborted" });
  expect(pool.spawned).toBe(0);

  const abort = new AbortController();
  const pid = await pool.call(act("pid"), { ...patient, signal: abort.signal });
  abort.abort();
  expect(await pool.call(act("pid"), patient)).toBe(pid);
});
