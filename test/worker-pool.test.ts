import { expect, test } from "bun:test";
import {
  act,
  fixturePool,
  isRunning,
  patient,
  rejection,
  until,
} from "./support/worker-fixture.ts";

test("nothing is spawned before the first call, and no more than the calls need", async () => {
  await using pool = fixturePool({ size: 4 });
  expect(pool.spawned).toBe(0);
  for (let i = 0; i < 3; i++) await pool.call(act("echo", i), patient);
  expect(pool.spawned).toBe(1);
  expect(await pool.call(act("calls"), patient)).toBe(4);
});

test("calls at once get a process each, up to the size", async () => {
  await using pool = fixturePool({ size: 2 });
  const abort = new AbortController();
  const busy = rejection(pool.call(act("hang"), { ...patient, signal: abort.signal }));
  const calls = Array.from({ length: 6 }, () => pool.call(act("pid"), patient));
  expect(new Set(await Promise.all(calls)).size).toBe(1);
  expect(pool.spawned).toBe(2);
  abort.abort();
  await busy;
});

test("waiting calls are served in order of arrival", async () => {
  await using pool = fixturePool();
  const order: number[] = [];
  const calls = Array.from({ length: 10 }, async (_, i) => {
    await pool.call(act("echo", i), patient);
    order.push(i);
  });
  await Promise.all(calls);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a full queue refuses the next call as overloaded, and takes calls again when it moves", async () => {
  await using pool = fixturePool({ size: 2, queue_limit: 3 });
  const abort = new AbortController();
  const held = { ...patient, signal: abort.signal };
  const busy = Array.from({ length: 2 }, () => rejection(pool.call(act("hang"), held)));
  const queued = Array.from({ length: 3 }, (_, i) => pool.call(act("echo", i), patient));
  const refused = await rejection(pool.call(act("echo", 3), patient));
  expect(refused).toMatchObject({ code: "overloaded", status: 503, hint: expect.any(String) });
  abort.abort();
  await Promise.all(busy);
  expect(await Promise.all(queued)).toEqual([0, 1, 2]);
  expect(await pool.call(act("echo", 4), patient)).toBe(4);
});

test("with a queue of one, as many calls at once as there are workers plus one are taken", async () => {
  await using pool = fixturePool({ size: 2, queue_limit: 1 });
  const calls = Array.from({ length: 4 }, (_, i) => pool.call(act("echo", i), patient));
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.map((outcome) => outcome.status)).toEqual([
    "fulfilled",
    "fulfilled",
    "fulfilled",
    "rejected",
  ]);
});

test("an aborted call leaves the queue and makes room", async () => {
  await using pool = fixturePool({ queue_limit: 1 });
  const release = new AbortController();
  const busy = rejection(pool.call(act("hang"), { ...patient, signal: release.signal }));
  const abort = new AbortController();
  const waiting = rejection(pool.call(act("calls"), { ...patient, signal: abort.signal }));
  abort.abort();
  expect(await waiting).toMatchObject({ code: "request_aborted" });
  const next = pool.call(act("echo", "next"), patient);
  release.abort();
  await busy;
  expect(await next).toBe("next");
});

test("a worker that dies is replaced before the next call asks for one", async () => {
  await using pool = fixturePool();
  await rejection(pool.call(act("exit", 1), patient));
  await until(() => pool.spawned === 2);
  expect(await pool.call(act("calls"), patient)).toBe(1);
  expect(pool.spawned).toBe(2);
});

test("a worker killed while idle is replaced too", async () => {
  await using pool = fixturePool();
  const pid = Number(await pool.call(act("pid"), patient));
  process.kill(pid, "SIGKILL");
  await until(() => pool.spawned === 2);
  expect(await pool.call(act("pid"), patient)).not.toBe(pid);
});

test("one death among several workers fails one call only", async () => {
  await using pool = fixturePool({ size: 3 });
  const outcomes = await Promise.allSettled([
    pool.call(act("echo", 1), patient),
    pool.call(act("segfault"), patient),
    pool.call(act("echo", 2), patient),
    pool.call(act("echo", 3), patient),
  ]);
  expect(outcomes.map((outcome) => outcome.status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
});

test.each([
  ["exit at start", "worker_died", /exit code 9/],
  ["refuse to start", "invalid_config", /No such engine/],
])("a role that cannot start (%s) says why, after a few tries", async (init, code, why) => {
  await using pool = fixturePool({ init });
  const error = await rejection(pool.call(act("echo"), patient));
  expect(error).toMatchObject({ code, message: expect.stringMatching(why) });
  expect(pool.spawned).toBe(3);
});

test("while starts fail, calls fail at once and no process is spawned for them", async () => {
  await using pool = fixturePool({ init: "exit at start" });
  await rejection(pool.call(act("echo"), patient));
  // All at once: the next start is due 400 ms later, whatever else the machine does meanwhile.
  const calls = Array.from({ length: 100 }, () => rejection(pool.call(act("echo"), patient)));
  for (const error of await Promise.all(calls)) {
    expect(error).toMatchObject({ code: "worker_died" });
  }
  expect(pool.spawned).toBe(3);
});

test("a worker that dies idle again and again is not respawned at full speed", async () => {
  await using pool = fixturePool({ init: "die when idle" });
  pool.call(act("echo"), patient).catch(() => {});
  await until(() => pool.spawned >= 2);
  const start_ms = performance.now();
  const spawned_before = pool.spawned;
  await until(() => performance.now() - start_ms > 1000);
  // Pauses of 100, 200, 400, 800 ms.
  expect(pool.spawned - spawned_before).toBeLessThanOrEqual(4);
});

test("a program that does not exist is a clear error", async () => {
  await using pool = fixturePool({ argv: ["/nonexistent/lakehouse"] });
  const error = await rejection(pool.call(act("echo"), patient));
  expect(error).toMatchObject({ code: "worker_died", message: expect.stringMatching(/started/) });
});

test("a role that hangs at start is killed at the start timeout", async () => {
  await using pool = fixturePool({ init: "hang at start", worker_start_timeout_ms: 300 });
  const error = await rejection(pool.call(act("echo"), patient));
  expect(error).toMatchObject({ code: "worker_died", message: expect.stringMatching(/300 ms/) });
});

test("stop rejects what runs and what waits, and leaves no process", async () => {
  await using pool = fixturePool({ size: 2 });
  // A stream is handed out with its first byte, so both are certainly under way.
  const pids: number[] = [];
  const streams = await Promise.all(
    ["bytes_then_spin", "bytes_then_hang"].map((action) =>
      pool.stream(act(action), { ...patient, onProgress: (pid) => void pids.push(Number(pid)) }),
    ),
  );
  const waiting = rejection(pool.call(act("echo"), patient));
  await pool.stop();
  expect(pids.length).toBe(2);
  expect(pids.filter(isRunning)).toEqual([]);
  for (const stream of streams) {
    expect(await rejection(stream.result)).toMatchObject({ code: "worker_died" });
  }
  expect(await waiting).toMatchObject({ code: "not_ready" });
  expect(await rejection(pool.call(act("echo"), patient))).toMatchObject({ code: "not_ready" });
  expect(pool.spawned).toBe(2);
});

test("stop in the middle of a start leaves no process", async () => {
  await using pool = fixturePool({ init: "hang at start" });
  const call = rejection(pool.call(act("echo"), patient));
  await pool.stop();
  expect(await call).toMatchObject({ code: "not_ready" });
  expect(pool.spawned).toBe(1);
});
