import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, loadConfig } from "../core/config.ts";

const folder = await mkdtemp(join(tmpdir(), "lakehouse-config-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function load(text: string, env: Record<string, string> = {}): Promise<Config> {
  files += 1;
  const path = join(folder, `${files}.toml`);
  await writeFile(path, text);
  return loadConfig({ path, env });
}

/** The lines of the error, with the file's path shortened. */
async function problemsOf(text: string, env: Record<string, string> = {}): Promise<string[]> {
  const error = await load(text, env).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error("the configuration was accepted");
  expect(error).toMatchObject({ code: "invalid_config" });
  return error.message.replaceAll(join(folder, `${files}.toml`), "file").split("\n");
}

const enabled = (config: Config): string[] => config.plugins.map(({ plugin }) => plugin.name);

describe("a configuration", () => {
  test("with a table per plugin enables these plugins and no others", async () => {
    const config = await load('[plugins.catalog]\n[plugins.storage-fs]\nroot = "./lake"\n');
    expect(enabled(config)).toEqual(["storage-fs", "catalog"]);
    expect(config.plugins[0]?.config).toMatchObject({ root: "./lake" });
    expect(config.server.bind).toBe("127.0.0.1:3110");
    expect(config.limits.storage_puts).toBe(4);
  });

  test("reports every problem at once, each with its line and column", async () => {
    expect(
      await problemsOf(
        [
          "[server]",
          'bnid = "x"',
          "allow_anonymous = 3",
          "",
          "[plugins.catalogue]",
          "[limits]",
          "sql_workers = 0",
          "[nonsense]",
        ].join("\n"),
      ),
    ).toEqual([
      "file:8:1: Unknown key nonsense. Known: server, log, limits, plugins.",
      "file:2:1: Unknown key bnid. Did you mean bind?",
      "file:3:1: allow_anonymous: Expected boolean.",
      "file:7:1: sql_workers: Expected integer to be greater or equal to 1.",
      "file:5:1: Unknown key catalogue. Did you mean catalog?",
    ]);
  });

  test("that is not TOML says where", async () => {
    const [problem] = await problemsOf("[server]\nbind = = 1\n");
    expect(problem).toStartWith("file:2:");
  });

  test("whose named file is missing is an error, not the default", () => {
    expect(loadConfig({ path: join(folder, "absent.toml"), env: {} })).rejects.toMatchObject({
      code: "invalid_config",
      message: expect.stringContaining("does not exist"),
    });
  });
});

describe("the environment", () => {
  test("overrides every kind of key, read as its type", async () => {
    const config = await load('[plugins.storage-fs]\nroot = "./a"\n', {
      LAKEHOUSE_SERVER_BIND: "127.0.0.1:0",
      LAKEHOUSE_SERVER_ALLOW_ANONYMOUS: "true",
      LAKEHOUSE_SERVER_ALLOWED_HOSTS: "a.example, b.example",
      LAKEHOUSE_LIMITS_SQL_TIMEOUT_MS: "1500",
      LAKEHOUSE_PLUGINS_STORAGE_FS_ROOT: "./b",
    });
    expect(config.server).toMatchObject({
      bind: "127.0.0.1:0",
      allow_anonymous: true,
      allowed_hosts: ["a.example", "b.example"],
    });
    expect(config.limits.sql_timeout_ms).toBe(1500);
    expect(config.plugins[0]?.config).toMatchObject({ root: "./b" });
  });

  test("names the variable whose value does not fit", async () => {
    expect(await problemsOf("", { LAKEHOUSE_LIMITS_SQL_WORKERS: "many" })).toEqual([
      "LAKEHOUSE_LIMITS_SQL_WORKERS: sql_workers: Expected integer.",
    ]);
  });

  test("is not ignored when a variable is misspelt", async () => {
    expect(await problemsOf("", { LAKEHOUSE_SERVER_BNID: "x" })).toEqual([
      "LAKEHOUSE_SERVER_BNID: No key of an enabled table has this name.",
    ]);
  });

  test("chooses the plugins with LAKEHOUSE_PLUGINS", async () => {
    const config = await load("[plugins.storage-fs]\n[plugins.catalog]\n", {
      LAKEHOUSE_PLUGINS: "storage-fs",
    });
    expect(enabled(config)).toEqual(["storage-fs"]);
    expect(await problemsOf("", { LAKEHOUSE_PLUGINS: "storage-f" })).toEqual([
      "LAKEHOUSE_PLUGINS: Unknown plugin storage-f. Did you mean storage-fs?",
    ]);
  });
});
