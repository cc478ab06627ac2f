import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { summariseRun } from "./support/ci-summary.ts";

/** What the end of the checks tells, read from what this very version of Bun prints. */

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-summary-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs test files of these bodies as the checks do; `test` and `expect` are at hand. */
async function run(files: Readonly<Record<string, string>>) {
  const root = await mkdtemp(join(folder, "run-"));
  for (const [name, body] of Object.entries(files)) {
    await Bun.write(join(root, name), `import { expect, test } from "bun:test";\n${body}\n`);
  }
  const child = Bun.spawn(["sh", "-c", 'exec "$0" test --parallel=2 2>&1', process.execPath], {
    cwd: root,
    env: { PATH: process.env["PATH"] ?? "", CI: "true" },
    stdout: "pipe",
  });
  const log = await child.stdout.text();
  return summariseRun(log, await child.exited);
}

const passing = 'test("holds", () => {});';
const named = ({ failures }: ReturnType<typeof summariseRun>): string[] =>
  failures.map(({ name }) => name.replace(/ \[[\d.]+ms\]$/, "")).toSorted();

test("every failed test is named with the text that belongs to it", async () => {
  const summary = await run({
    "a.test.ts": `${passing}
      test("differs", () => { console.log("printed before"); expect([1, 2]).toEqual([1, 3]); });
      ${passing.replace("holds", "holds too")}
      test("is late", async () => { await Bun.sleep(60_000); }, 50);`,
    "b.test.ts": `test("throws", () => { throw new Error("of b"); });`,
    "c.test.ts": passing,
  });
  expect(summary).toMatchObject({ passed: 3, failed: 3 });
  expect(named(summary)).toEqual(["a.test.ts: differs", "a.test.ts: is late", "b.test.ts: throws"]);
  const text = summary.failures.flatMap(({ lines }) => lines).join("\n");
  expect(text).toContain("printed before");
  expect(text).toContain("\n+   2,\n");
  expect(text).toContain("error: of b");
  expect(text).toContain("this test timed out after 50ms");
});

test("the text before a failure is shown with it, and no other", () => {
  const log = `a.test.ts:
noise
(pass) one
error: of two
(fail) two [1ms]
(fail) three [5ms]
  ^ this test timed out after 5ms.
`;
  expect(summariseRun(log, 1).failures.slice(0, 2)).toEqual([
    { name: "a.test.ts: two [1ms]", lines: ["error: of two"] },
    { name: "a.test.ts: three [5ms]", lines: ["  ^ this test timed out after 5ms."] },
  ]);
});

test("a text that comes after its failure, as in parallel it may, is shown all the same", () => {
  const log = `a.test.ts:
(fail) one [1ms]
(pass) two

b.test.ts:
(pass) three

HERE:
error: of one
(pass) four
`;
  for (const file of ["a.test.ts", "c.test.ts"]) {
    expect(summariseRun(log.replace("HERE", file), 1).failures[0]).toEqual({
      name: "a.test.ts: one [1ms]",
      lines: ["error: of one"],
    });
  }
});

test("a long text is shown by its ends", async () => {
  const { failures } = await run({
    "a.test.ts": `test("talks", () => {
      for (let i = 0; i < 500; i++) console.log("line", i);
      throw new Error("at last");
    });`,
  });
  const [only] = failures;
  expect(only?.lines.length).toBeLessThanOrEqual(61);
  expect(only?.lines).toContain("line 0");
  expect(only?.lines.join("\n")).toContain("error: at last");
});

test("a file that cannot be loaded, and one whose process dies, are failures", async () => {
  const summary = await run({
    "a.test.ts": `import { x } from "./absent.ts";\ntest("uses it", () => void x);`,
    "b.test.ts": `test("dies", async () => {
      process.kill(process.pid, "SIGKILL");
      await Bun.sleep(60_000);
    });`,
    "c.test.ts": passing,
  });
  expect(summary).toMatchObject({ passed: 1, failed: 2 });
  // The first may be told under the name of another file, but it says which it is.
  const text = summary.failures.map(({ name, lines }) => [name, ...lines].join("\n")).join("\n");
  expect(text).toContain(": between tests");
  expect(text).toContain("absent.ts");
  expect(text).toContain("b.test.ts (worker crashed: SIGKILL)");
});

test("a run that was killed is a failure, whatever passed before", () => {
  const log = "bun test v1\n\na.test.ts:\n(pass) one [1ms]\n(pass) two\nhalf a li";
  expect(summariseRun(log, 137)).toMatchObject({
    passed: 2,
    failed: 1,
    failures: [
      {
        name: "the run did not reach its end: exit code 137 (SIGKILL); its last lines:",
        lines: log.split("\n"),
      },
    ],
  });
});

test("a run that ends early is no success, even with exit code 0", async () => {
  // A test that leaves with `process.exit(0)` ends the run so.
  expect(summariseRun("a.test.ts:\n(pass) one\n", 0)).toMatchObject({ passed: 1, failed: 1 });
  const counts = "\n 2 pass\n 0 fail\nRan 2 tests across 1 file. [3.00ms]\n";
  expect(summariseRun(counts, 0)).toEqual({ passed: 2, failed: 0, failures: [] });
  expect(summariseRun(counts, 1)).toMatchObject({ passed: 2, failed: 1 });
});
