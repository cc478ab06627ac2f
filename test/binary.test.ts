import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isRecord } from "../core/json.ts";

/** What only the compiled binary can show: that it needs nothing beside it. */
const named = process.env["LAKEHOUSE_TEST_BINARY"];
const built = resolve(named ?? join(import.meta.dir, "../dist/lakehouse"));
const present = existsSync(built);

test("the binary that was named is there", () => {
  if (named !== undefined && named !== "") expect(present).toBe(true);
});

async function post(url: string, path: string, body: unknown): Promise<[number, unknown]> {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return [response.status, await response.json()];
}

const suite = present ? describe : describe.skip;
const name = present
  ? "the binary, alone in an empty folder,"
  : "the binary (skipped: not built; `bun run build` makes it)";

suite(name, () => {
  let folder: string;
  let binary: string;
  const cache = (): string => join(folder, "cache");

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lakehouse-binary-"));
    binary = join(folder, "lakehouse");
    await cp(built, binary);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  type Environment = Readonly<Record<string, string>>;

  /** No PATH, no HOME: nothing of this machine but the kernel and the C library. */
  function spawn(args: readonly string[], env: Environment, cwd = folder, file = binary) {
    return Bun.spawn([file, ...args], {
      cwd,
      env: { ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  async function run(args: readonly string[], env: Environment = {}) {
    const child = spawn(args, env);
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { code: await child.exited, out, err };
  }

  /** Starts a server on the folder `data` of the case; resolves when it listens. */
  async function serve(cwd: string, env: Environment, file = binary) {
    const child = spawn(
      ["serve"],
      {
        LAKEHOUSE_SERVER_BIND: "127.0.0.1:0",
        LAKEHOUSE_SERVER_SCRATCH_PATH: join(cwd, "scratch"),
        ...env,
      },
      cwd,
      file,
    );
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of child.stderr) {
      text += decoder.decode(chunk, { stream: true });
      const line = text.split("\n").find((each) => each.includes('"listening"'));
      if (line === undefined) continue;
      const entry: unknown = JSON.parse(line);
      if (isRecord(entry) && typeof entry["url"] === "string") return { child, url: entry["url"] };
    }
    throw new Error(`the server did not start:\n${text}`);
  }

  async function freshFolder(): Promise<string> {
    return mkdtemp(join(folder, "case-"));
  }

  test("shows version and help, and unpacks nothing for that", async () => {
    const env = { LAKEHOUSE_CACHE_DIR: cache() };
    expect(await run(["--version"], env)).toEqual({ code: 0, out: "lakehouse 0.1.0\n", err: "" });
    expect((await run(["--help"], env)).out).toContain("quickstart");
    expect(existsSync(cache())).toBe(false);
  });

  test("ingests, answers SQL and finds vectors, also after kill -9", async () => {
    const cwd = await freshFolder();
    const env = { LAKEHOUSE_CACHE_DIR: cache() };
    const csv = join(cwd, "cities.csv");
    await writeFile(csv, "code,city,people\n0301,Oslo,717710\n4601,Bergen,291940\n");
    const sql = "SELECT code, people + 0 AS people FROM cities ORDER BY people DESC";
    const search = { vector: [1, 0.1, 0], k: 2 };

    const first = await serve(cwd, env);
    const sent = await run(["ingest", csv, "--url", first.url], env);
    expect(sent).toMatchObject({ code: 0, err: "" });
    await post(first.url, "/vectors/index", { name: "v", dimension: 3 });
    await post(first.url, "/vectors/index/v/add", {
      items: [
        { id: "x", vector: [1, 0, 0] },
        { id: "y", vector: [0, 1, 0] },
      ],
    });
    const rows = await post(first.url, "/sql", { sql });
    const neighbours = await post(first.url, "/vectors/index/v/search", search);
    expect(rows).toMatchObject([200, { row_count: 2 }]);
    expect(JSON.stringify(rows)).toContain('"0301"');
    expect(neighbours).toMatchObject([200, { results: [{ id: "x" }, { id: "y" }] }]);
    first.child.kill("SIGKILL");
    await first.child.exited;

    const second = await serve(cwd, env);
    try {
      expect(await post(second.url, "/sql", { sql })).toEqual(rows);
      expect(await post(second.url, "/vectors/index/v/search", search)).toEqual(neighbours);
    } finally {
      second.child.kill("SIGTERM");
    }
    expect(await second.child.exited).toBe(0);
    const unpacked = await readdir(cache());
    expect(new Set(unpacked.map((each) => each.split("-")[0]))).toEqual(
      new Set(["duckdb", "usearch"]),
    );
  }, 60_000);

  test("unpacks nothing for plugins that are left out", async () => {
    const cwd = await freshFolder();
    const own_cache = join(cwd, "cache");
    const env = { LAKEHOUSE_CACHE_DIR: own_cache, LAKEHOUSE_PLUGINS: "storage-fs,catalog" };
    const { child, url } = await serve(cwd, env);
    try {
      expect((await fetch(`${url}/catalog/list`)).status).toBe(200);
      expect(existsSync(own_cache)).toBe(false);
    } finally {
      child.kill("SIGTERM");
    }
    expect(await child.exited).toBe(0);
  }, 60_000);

  test("runs with a home that cannot be written", async () => {
    const cwd = await freshFolder();
    await writeFile(join(cwd, "home"), "a file, so that nothing can be made in it");
    // The folder for temporary files comes after the home; here it is one of this test.
    const env = { HOME: join(cwd, "home"), TMPDIR: cwd };
    const { child, url } = await serve(cwd, env);
    try {
      expect(await post(url, "/sql", { sql: "SELECT 1 AS one" })).toMatchObject([
        200,
        { rows: [[1]] },
      ]);
      expect(await readdir(cwd)).toContain(`lakehouse-cache-${process.getuid?.() ?? -1}`);
    } finally {
      child.kill("SIGTERM");
      await child.exited;
    }
  }, 60_000);

  test("says what to do when it may unpack nowhere", async () => {
    const cwd = await freshFolder();
    await writeFile(join(cwd, "blocked"), "");
    const blocked = join(cwd, "blocked", "cache");
    const env = {
      LAKEHOUSE_CACHE_DIR: blocked,
      LAKEHOUSE_PLUGINS: "storage-fs,catalog,query",
    };
    const { child, url } = await serve(cwd, env);
    try {
      const [status, problem] = await post(url, "/sql", { sql: "SELECT 1" });
      expect(status).toBe(500);
      const text = JSON.stringify(problem);
      expect(text).toContain("LAKEHOUSE_CACHE_DIR");
      expect((await fetch(`${url}/health`)).status).toBe(200);
    } finally {
      child.kill("SIGTERM");
      await child.exited;
    }
  }, 60_000);

  test("takes no orders from files of the folder it is started in", async () => {
    const cwd = await freshFolder();
    await writeFile(join(cwd, ".env"), "LAKEHOUSE_PLUGINS=storage-fs\n");
    await writeFile(join(cwd, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
    await writeFile(join(cwd, "evil.ts"), 'console.error("loaded"); process.exit(3);\n');
    await mkdir(join(cwd, "plugins/vector"), { recursive: true });
    await cp(join(cwd, "evil.ts"), join(cwd, "plugins/vector/thread.ts"));
    const { child, url } = await serve(cwd, { LAKEHOUSE_CACHE_DIR: cache() });
    try {
      const health: unknown = await (await fetch(`${url}/health`)).json();
      expect(health).toMatchObject({ status: "ok" });
      expect(isRecord(health) ? health["plugins"] : []).toContain("vector");
      const [status] = await post(url, "/vectors/index", { name: "v", dimension: 2 });
      expect(status).toBe(201);
    } finally {
      child.kill("SIGTERM");
    }
    expect(await child.exited).toBe(0);
  }, 60_000);

  test.skipIf(process.platform !== "linux")(
    "runs on in its own version after an upgrade has replaced its file (needs /proc)",
    async () => {
      const cwd = await freshFolder();
      const file = join(cwd, "lakehouse");
      await cp(built, file);
      const { child, url } = await serve(cwd, { LAKEHOUSE_CACHE_DIR: cache() }, file);
      try {
        await writeFile(join(cwd, "next"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
        await rename(join(cwd, "next"), file);
        // The first statement starts the first worker process.
        expect(await post(url, "/sql", { sql: "SELECT 1 AS one" })).toMatchObject([
          200,
          { rows: [[1]] },
        ]);
      } finally {
        child.kill("SIGTERM");
      }
      expect(await child.exited).toBe(0);
    },
    60_000,
  );
});
