import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programCommand } from "./support/server.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-quickstart-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Child = Bun.Subprocess<"ignore", "pipe", "pipe">;

function spawn(...args: string[]): Child {
  return Bun.spawn([...programCommand(), "quickstart", ...args], {
    cwd: folder,
    env: {
      PATH: process.env["PATH"] ?? "",
      TMPDIR: tmpdir(),
      LAKEHOUSE_SERVER_SCRATCH_PATH: join(folder, "scratch"),
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** Standard output up to and with the line that contains `end`. */
async function readUntil(child: Child, end: string): Promise<string> {
  const decoder = new TextDecoder();
  const reader = child.stdout.getReader();
  let text = "";
  try {
    while (!text.includes(end)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`ended early:\n${text}\n${await child.stderr.text()}`);
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    reader.releaseLock();
  }
  return text;
}

async function run(): Promise<{ child: Child; out: string }> {
  const child = spawn("--port", "0");
  return { child, out: await readUntil(child, "Ctrl-C stops the server.") };
}

describe("quickstart", () => {
  test("loads a file, queries it by SQL and by vector, and drains at Ctrl-C", async () => {
    const { child, out } = await run();
    try {
      expect(out).toContain("countries: 195 rows, 11 columns");
      expect(out).toMatch(/continent +│ countries │ millions │ last_in_un │ landlocked/);
      expect(out).toMatch(/Africa +│ +54 │ .* │ 2011-07-14 +│ +16/);
      // Oslo itself at distance 0, then the nearest by great circle.
      expect(out).toMatch(/NO +│ Oslo +│ Norway +│ +0\n +SE +│ Stockholm +│ Sweden +│ +41\d\n/);
    } finally {
      child.kill("SIGINT");
    }
    expect(await child.exited).toBe(0);
    expect(await child.stderr.text()).toBe("");
  }, 60_000);

  test("prints commands to try next that work as they are", async () => {
    const { child, out } = await run();
    try {
      const lines = out.split("\n").filter((line) => line.trimStart().startsWith("curl"));
      expect(lines.length).toBeGreaterThanOrEqual(5);
      await Bun.write(join(folder, "YOUR.csv"), "id,name\n1,one\n");
      for (const line of lines) {
        const shell = Bun.spawn(["sh", "-c", `${line} --fail --silent --show-error`], {
          cwd: folder,
          stdout: "pipe",
          stderr: "pipe",
        });
        const [answer, err] = await Promise.all([shell.stdout.text(), shell.stderr.text()]);
        expect(`${line}: ${await shell.exited} ${err}`).toBe(`${line}: 0 `);
        expect(JSON.parse(answer)).toBeObject();
      }
    } finally {
      child.kill("SIGINT");
      await child.exited;
    }
  }, 60_000);

  test("can be run again on the same data, and uses it", async () => {
    for (const state of [/existing dataset|new/, /existing dataset/]) {
      const { child, out } = await run();
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
      expect(out).toMatch(state);
      expect(out).toMatch(/SE +│ Stockholm/);
    }
  }, 60_000);

  test("says so at once when the port is taken", async () => {
    const busy = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") });
    try {
      const child = spawn("--port", String(busy.port));
      const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      expect(await child.exited).toBe(1);
      expect(out).toBe("");
      expect(err).toContain(`Cannot listen on 127.0.0.1:${busy.port}`);
      expect(err).toContain("hint: ");
    } finally {
      await busy.stop(true);
    }
  }, 60_000);
});
