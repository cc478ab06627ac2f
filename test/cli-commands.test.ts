import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRecord } from "../core/json.ts";
import { programCommand, startServer, type TestServer } from "./support/server.ts";

const COUNTRIES = join(import.meta.dir, "../examples/data/countries.csv");

let server: TestServer;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-cli-"));
  server = await startServer();
}, 60_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command against the server under test. */
async function lakehouse(args: readonly string[], stdin?: Blob): Promise<Result> {
  const child = Bun.spawn([...programCommand(), ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", LAKEHOUSE_URL: server.url },
    stdin: stdin ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { code, out, err };
}

async function write(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await Bun.write(path, text);
  return path;
}

describe("ingest", () => {
  test("sends a file and says what became of it; again, it is the existing dataset", async () => {
    const first = await lakehouse(["ingest", COUNTRIES, "--name", "countries"]);
    expect(first).toMatchObject({ code: 0, err: "" });
    expect(first.out).toStartWith("countries: 195 rows, 11 columns, ");
    expect(first.out).toContain("(new)");
    expect(first.out).toContain("iso_numeric utf8");
    expect(first.out).toContain("un_member_since date32[day]");
    const second = await lakehouse(["ingest", COUNTRIES]);
    expect(second.out).toContain("of an existing dataset)");
  }, 60_000);

  test("reads standard input, and prints the server's answer on request", async () => {
    const file = new Blob(["id;name\n1;one\n"]);
    const args = ["ingest", "-", "--name", "piped", "--option", "delimiter=semicolon"];
    const { code, out, err } = await lakehouse([...args, "--format", "json"], file);
    expect([code, err]).toEqual([0, ""]);
    const answer: unknown = JSON.parse(out);
    expect(answer).toMatchObject({ row_count: 1, manifest: { name: "piped" } });
  }, 60_000);

  test("shows the server's refusal with its place and its hint", async () => {
    const path = await write("ragged.csv", "a,b\n1,2\n3\n");
    const { code, out, err } = await lakehouse(["ingest", path, "--name", "ragged"]);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toMatch(/^error: .*line 3/);
  }, 60_000);

  test("says which file it cannot read, and asks no server", async () => {
    const missing = await lakehouse(["ingest", "missing.csv", "--name", "x"]);
    expect(missing.code).toBe(1);
    expect(missing.err).toStartWith("error: missing.csv cannot be read.");
    const directory = await lakehouse(["ingest", folder, "--name", "x"]);
    expect(directory.err).toContain("is a folder");
    const unnamed = await lakehouse(["ingest", "-"]);
    expect(unnamed).toMatchObject({ code: 2, out: "" });
    expect(unnamed.err).toContain("--name");
  });

  test.skipIf(process.platform !== "linux")(
    "sends a large file in bounded memory (needs /proc)",
    async () => {
      const path = join(folder, "large.csv");
      const writer = Bun.file(path).writer();
      await writer.write("id,text\n");
      for (let i = 0; i < 4_000; i++) await writer.write(`${i},${"x".repeat(50_000)}\n`);
      await writer.end();
      const child = Bun.spawn([...programCommand(), "ingest", path, "--name", "large"], {
        env: { PATH: process.env["PATH"] ?? "", LAKEHOUSE_URL: server.url },
        stdout: "pipe",
        stderr: "pipe",
      });
      const peak = peakMemory(child);
      const [out, code] = await Promise.all([child.stdout.text(), child.exited]);
      expect(code).toBe(0);
      expect(out).toStartWith("large: 4,000 rows, 2 columns, ");
      // 200 MB were sent; the runtime alone takes about 60.
      const peak_mib = await peak;
      expect(peak_mib).toBeGreaterThan(20);
      expect(peak_mib).toBeLessThan(140);
    },
    60_000,
  );
});

/**
 * The most memory a process had, in MiB, sampled until it ends (proc(5), VmHWM). Not its resource
 * usage: there Linux counts what this process had when it started the other.
 */
async function peakMemory(child: Bun.Subprocess): Promise<number> {
  let peak_kib = 0;
  while (child.exitCode === null && child.signalCode === null) {
    const status = await Bun.file(`/proc/${child.pid}/status`)
      .text()
      .catch(() => "");
    peak_kib = Math.max(peak_kib, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0));
    await Bun.sleep(10);
  }
  return peak_kib / 1024;
}

describe("sql", () => {
  beforeAll(async () => {
    expect((await lakehouse(["ingest", COUNTRIES, "--name", "countries"])).code).toBe(0);
  }, 60_000);

  test("prints a table", async () => {
    const { code, out, err } = await lakehouse([
      "sql",
      "SELECT iso_numeric, capital, area_km2, landlocked FROM countries ORDER BY 1 LIMIT 2",
    ]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toBe(
      [
        "iso_numeric │ capital │ area_km2 │ landlocked",
        "────────────┼─────────┼──────────┼───────────",
        "004         │ Kabul   │   652230 │ true",
        "008         │ Tirana  │    28748 │ false",
        "(2 rows)",
        "",
      ].join("\n"),
    );
  }, 60_000);

  test("shows no more rows than asked for, and says how many there are", async () => {
    const statement = "SELECT country FROM countries";
    const { out } = await lakehouse(["sql", statement]);
    expect(out.split("\n")).toHaveLength(100 + 4);
    expect(out).toEndWith("(195 rows; not shown: 95 more rows)\n");
    const all = await lakehouse(["sql", statement, "--rows", "0"]);
    expect(all.out).toEndWith("(195 rows)\n");
  }, 60_000);

  test("passes JSON and CSV through as the server sends them", async () => {
    const statement = "SELECT 9007199254740993 AS big, 'a,b' AS text, NULL AS nothing";
    const csv = await lakehouse(["sql", statement, "--format", "csv"]);
    expect(csv.out.replaceAll("\r\n", "\n")).toBe('big,text,nothing\n9007199254740993,"a,b",\n');
    const json = await lakehouse(["sql", statement, "--format", "json"]);
    expect(json.out).toContain("9007199254740993");
    const body: unknown = JSON.parse(json.out);
    expect(isRecord(body) ? body["row_count"] : undefined).toBe(1);
    const ndjson = await lakehouse([
      "sql",
      "SELECT 1 AS a UNION ALL SELECT 2",
      "--format",
      "ndjson",
    ]);
    expect(ndjson.out.trimEnd().split("\n")).toHaveLength(2);
    const table = await lakehouse(["sql", statement]);
    expect(table.out).toContain("\n9007199254740993 │ a,b");
  }, 60_000);

  test("hands over parameters, positional and named", async () => {
    const positional = ["SELECT capital FROM countries WHERE iso_numeric = $1", "--param", "004"];
    const named = ["SELECT $n + 1 AS n, $text AS text", "--param", "n=41", "--param", "text=x=y"];
    expect((await lakehouse(["sql", ...positional, "--format", "csv"])).out).toContain("Kabul");
    expect((await lakehouse(["sql", ...named, "--format", "csv"])).out).toContain("42,x=y");
  }, 60_000);

  test("shows the engine's complaint", async () => {
    const { code, out, err } = await lakehouse(["sql", "SELECT nosuch FROM countries"]);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toStartWith("error: ");
    expect(err).toContain("nosuch");
  }, 60_000);

  test("never passes a part of a result for the whole", async () => {
    const statement = `SELECT CASE WHEN range = 2900000 THEN error('late') ELSE 'filling' END AS x
                       FROM range(3000000)`;
    for (const format of ["csv", "json", "table"]) {
      const { code, err } = await lakehouse(["sql", statement, "--format", format]);
      expect(`${format} ${code} ${err}`).toStartWith(
        `${format} 1 error: The answer broke off before its end: ECONNRESET.`,
      );
    }
  }, 60_000);

  test("ends quietly when its reader goes away", async () => {
    const program = programCommand()
      .map((word) => `'${word}'`)
      .join(" ");
    const line = `${program} sql "SELECT range FROM range(1000000)" --format csv | head -n 2; echo "\${PIPESTATUS[0]}"`;
    const shell = Bun.spawn(["bash", "-c", line], {
      env: { PATH: process.env["PATH"] ?? "", LAKEHOUSE_URL: server.url },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([shell.stdout.text(), shell.stderr.text()]);
    expect(out.replaceAll("\r\n", "\n")).toBe("range\n0\n0\n");
    expect(err).toBe("");
  }, 60_000);
});

describe("list and plugins", () => {
  test("list shows every dataset of the server", async () => {
    expect((await lakehouse(["ingest", COUNTRIES, "--name", "listed"])).code).toBe(0);
    const { code, out } = await lakehouse(["list"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^name +│ +rows │ columns │ +size │ version │ updated/);
    expect(out).toMatch(/^listed +│ +195 │ +11 │ +[\d.]+ KiB │ +1 │ \d{4}-\d\d-\d\d /m);
    const json = await lakehouse(["list", "--format", "json"]);
    expect(json.out).toContain('"listed"');
  }, 60_000);

  test("plugins tells what is enabled, without a server", async () => {
    const config = await write("two.toml", "[plugins.storage-fs]\n[plugins.catalog]\n");
    const { code, out, err } = await lakehouse(["plugins", "--config", config]);
    expect([code, err]).toEqual([0, ""]);
    const state = Object.fromEntries(
      out
        .split("\n")
        .slice(2, -2)
        .map((line) => {
          const [name = "", enabled = ""] = line.split(" │ ").map((cell) => cell.trim());
          return [name, enabled];
        }),
    );
    expect(state).toEqual({
      "storage-fs": "yes",
      "storage-s3": "no",
      catalog: "yes",
      "ingest-csv": "no",
      query: "no",
      vector: "no",
    });
    expect(out).toMatch(/^query .*catalog.*\/sql/m);
  });
});

describe("a server with a token", () => {
  test("serves the command line that has it, and tells the one that has not", async () => {
    const token = "a-token-of-some-length";
    await using guarded = await startServer({ server: { token } });
    const run = async (env: Readonly<Record<string, string>>): Promise<string> => {
      const child = Bun.spawn([...programCommand(), "list", "--url", guarded.url], {
        env: { PATH: process.env["PATH"] ?? "", ...env },
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      return `${await child.exited} ${out}${err}`;
    };
    expect(await run({ LAKEHOUSE_TOKEN: token })).toStartWith("0 ");
    expect(await run({})).toMatch(/^1 error: /);
  }, 60_000);
});
