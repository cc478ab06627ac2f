import { describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "../core/json.ts";
import { encodeFrame, encodeJson, FrameDecoder, type FrameType } from "../core/worker-frames.ts";
import {
  act,
  fixturePool,
  isRunning,
  patient,
  rejection,
  until,
} from "./support/worker-fixture.ts";

const MIB = 1024 * 1024;
const fixture = (name: string): string => join(import.meta.dir, "fixtures", name);
const onLinux = process.platform === "linux";

/** A worker without a pool, and its first frame. */
async function spawnRole(type: FrameType, payload: Json) {
  const worker = Bun.spawn({
    cmd: [process.execPath, fixture("worker-role.ts")],
    env: {},
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  await worker.stdin.write(encodeFrame(type, encodeJson(payload)));
  await worker.stdin.flush();
  return worker;
}

test("a worker has an empty environment", async () => {
  process.env["LAKEHOUSE_TEST_SECRET"] = "s3cret";
  try {
    await using pool = fixturePool();
    expect(await pool.call(act("environment"), patient)).toEqual([]);
  } finally {
    delete process.env["LAKEHOUSE_TEST_SECRET"];
  }
});

test("whatever a worker prints goes to the log and never into an answer", async () => {
  await using pool = fixturePool();
  expect(await pool.call(act("chatter"), patient)).toBe("clean");
  const lines = () => pool.lines.map((line) => Bun.inspect(line.fields)).join("\n");
  await until(() => lines().includes("to descriptor 1"));
  for (const way of ["to console.log", "to console.info", "to process.stdout"]) {
    expect(lines()).toContain(way);
  }
});

test("a worker that floods standard error is neither blocked nor able to flood the log", async () => {
  await using pool = fixturePool();
  expect(await pool.call(act("flood_stderr", 100_000), patient)).toBe("done");
  await pool.stop();
  expect(pool.lines.length).toBeLessThan(210);
  const longest = Math.max(...pool.lines.map((line) => Bun.inspect(line.fields).length));
  expect(longest).toBeLessThan(6000);
  expect(Bun.inspect(pool.lines.at(-1))).toContain("dropped_lines");
  // No terminal sequence of an untrusted file reaches a terminal through the log.
  expect(pool.lines.some((line) => JSON.stringify(line.fields).includes("\\u001b"))).toBe(false);
});

test("Ctrl-C and SIGTERM to the whole group leave workers alive, for the parent to drain", async () => {
  await using pool = fixturePool();
  expect(await pool.call(act("signals"), patient)).toBe("alive");
  expect(await pool.call(act("calls"), patient)).toBe(2);
});

describe("a worker spoken to by hand", () => {
  const init = { init: null, memory_limit_bytes: 1024 * MIB, cache_dirs: [] };

  test("ends when its standard input does", async () => {
    await using worker = await spawnRole("init", { ...init, parent_pid: process.pid });
    const { value } = await worker.stdout.getReader().read();
    expect(new FrameDecoder().push(value ?? new Uint8Array())).toMatchObject([{ type: "ready" }]);
    // Work that would keep the process alive for ever.
    await worker.stdin.write(encodeFrame("call", encodeJson(act("hang"))));
    await worker.stdin.end();
    await worker.exited;
  });

  test("ends without a word if its parent died before it could ask to die with it", async () => {
    // Process 1 is nobody's worker pool: to the worker it looks as if its parent had changed.
    await using worker = await spawnRole("init", { ...init, parent_pid: 1 });
    expect((await new Response(worker.stdout).bytes()).length).toBe(0);
    await worker.exited;
  });

  test("ends with an error at a frame out of turn", async () => {
    await using worker = await spawnRole("call", null);
    expect(await worker.exited).not.toBe(0);
    expect(await new Response(worker.stderr).text()).toContain("out of turn");
  });
});

describe.skipIf(!onLinux)("on Linux (rlimits and prctl are read from /proc)", () => {
  test("a worker writes no core file, and its address space has a limit", async () => {
    await using pool = fixturePool({ memory_limit_bytes: 512 * MIB });
    const limits = String(await pool.call(act("limits"), patient));
    expect(limits).toMatch(/Max core file size +0 +0 /);
    const [, soft, hard] = /Max address space +(\d+) +(\d+)/.exec(limits) ?? [];
    expect(soft).toBe(hard);
    const used_kib = /^VmSize:\s+(\d+)/m.exec(String(await pool.call(act("status"), patient)))?.[1];
    const headroom_bytes = Number(soft) - Number(used_kib) * 1024;
    expect(headroom_bytes).toBeGreaterThan(256 * MIB);
    expect(headroom_bytes).toBeLessThanOrEqual(512 * MIB);
  });

  test("a worker inherits no descriptor of the server", async () => {
    // A listening socket and an open file, as a server has them.
    using server = Bun.serve({ port: 0, fetch: () => new Response("ok") });
    const own_file = openSync(import.meta.path, "r");
    await using pool = fixturePool();
    const descriptors = await pool.call(act("descriptors"), patient);
    closeSync(own_file);
    expect(server.port).toBeGreaterThan(0);
    const sockets = JSON.stringify(descriptors).match(/socket:/g) ?? [];
    // Standard input, output and error, and the second name of output.
    expect({ sockets: sockets.length, descriptors }).toMatchObject({ sockets: 4 });
    expect(descriptors).not.toContain(import.meta.path);
  });

  test.each([["bytes_then_hang"], ["bytes_then_spin"]])(
    "a parent killed with SIGKILL leaves no orphan (worker busy with %s)",
    async (work) => {
      const parent = Bun.spawn({
        cmd: [process.execPath, fixture("worker-role-parent.ts"), work],
        stdout: "pipe",
        stderr: "inherit",
      });
      const { value } = await parent.stdout.getReader().read();
      const pid = Number(new TextDecoder().decode(value));
      expect(isRunning(pid)).toBe(true);
      parent.kill("SIGKILL");
      await until(() => !isRunning(pid));
    },
  );

  // DuckDB 1.5.6 lets both past its own memory_limit.
  test.each([
    ["one huge string", "SELECT length(repeat(repeat('x', 1000000), 3000))"],
    ["one huge list", "SELECT count(DISTINCT x) FROM (SELECT unnest(range(300000000)) x)"],
  ])(
    "%s in DuckDB is an out-of-memory error within the limit, and the worker serves on",
    async (_name, sql) => {
      await using pool = fixturePool({
        fixture: "worker-role-duckdb.ts",
        memory_limit_bytes: 512 * MIB,
      });
      const answer = await pool.call({ sql }, patient);
      expect(answer).toMatchObject({
        error: expect.stringMatching(/out of memory|bad_alloc|allocat/i),
      });
      expect(await pool.call({ sql: "SELECT 42" }, patient)).toEqual({ first: "42" });
    },
  );

  test("JavaScript that takes all memory ends its worker and nothing else", async () => {
    await using pool = fixturePool({ memory_limit_bytes: 256 * MIB });
    const error = await rejection(pool.call(act("eat_memory"), patient));
    // Either the engine throws a RangeError, or it gives up on the spot.
    expect(error).toMatchObject({ code: expect.stringMatching(/^(internal|worker_died)$/) });
    expect(await pool.call(act("echo", "next"), patient)).toBe("next");
  });
});
