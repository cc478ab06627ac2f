import { describe, expect, test } from "bun:test";
import { parseArguments, UsageError } from "../core/cli/command.ts";
import { commands } from "../core/cli/commands.ts";
import { commandHelp, overview } from "../core/cli/help.ts";
import { ingest } from "../core/cli/ingest.ts";
import { parseParameters, sql } from "../core/cli/sql.ts";
import { programCommand } from "./support/server.ts";

/** Runs the real program; `stdin` is closed. */
async function lakehouse(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([...programCommand(), ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env["PATH"] ?? "" },
  });
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { code, out, err };
}

function usageError(run: () => unknown): UsageError {
  try {
    run();
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("flags", () => {
  test("take their value from the next argument or after =", () => {
    const args = parseArguments(ingest, ["a.csv", "--name", "one", "--url=http://x"]);
    expect(args.positionals).toEqual(["a.csv"]);
    expect([args.text("name"), args.text("url")]).toEqual(["one", "http://x"]);
  });

  test("take a value that begins with a dash, unless it is a flag itself", () => {
    expect(parseArguments(sql, ["SELECT $1", "--param", "-5"]).texts("param")).toEqual(["-5"]);
    const error = usageError(() => parseArguments(sql, ["SELECT 1", "--param", "--url"]));
    expect(error.message).toBe("--param needs a value: --param VALUE.");
  });

  test("that are unknown are answered with the nearest known one", () => {
    const error = usageError(() => parseArguments(sql, ["SELECT 1", "--fromat", "json"]));
    expect(error.message).toBe("sql knows no flag --fromat.");
    expect(error.hint).toBe("Did you mean --format?");
  });

  test.each([
    [["SELECT", "1"], "one argument too many"],
    [[], "needs an argument more"],
    [["SELECT 1", "--url", "a", "--url", "b"], "given twice"],
    [["SELECT 1", "--help=yes"], "takes no value"],
    [["SELECT 1", "--format"], "needs a value"],
  ])("sql %j is refused: %s", (argv, why) => {
    expect(usageError(() => parseArguments(sql, argv)).message).toContain(why);
  });

  test("after -- are no flags", () => {
    expect(parseArguments(sql, ["--", "--comment"]).positionals).toEqual(["--comment"]);
  });
});

describe("SQL parameters", () => {
  test("are positional, or named by NAME=", () => {
    expect(parseParameters([])).toBeUndefined();
    expect(parseParameters(["1", "Oslo"])).toEqual([1, "Oslo"]);
    expect(parseParameters(["a=1", "b=x=y"])).toEqual({ a: 1, b: "x=y" });
    expect(usageError(() => parseParameters(["a=1", "2"])).message).toContain("--param");
  });

  test.each([
    ["42", 42],
    ["-1.5", -1.5],
    ["true", true],
    ["null", null],
    ['"null"', "null"],
    ['"a=b"', "a=b"],
    ["", ""],
    ["02134", "02134"],
    ["1e3", "1e3"],
    ["9007199254740993", "9007199254740993"],
    ["0.10000000000000000001", "0.10000000000000000001"],
    ["NaN", "NaN"],
    ["Infinity", "Infinity"],
    ['"', '"'],
  ])("%s is sent as %j, so that no digit is lost", (text, value) => {
    expect(parseParameters([text])).toEqual([value]);
  });
});

describe("help", () => {
  test("lists every command that is meant for people, and none that is not", () => {
    const shown = commands.filter(({ hidden }) => hidden !== true);
    expect(shown.map(({ name }) => name)).toEqual([
      "quickstart",
      "serve",
      "ingest",
      "sql",
      "list",
      "plugins",
    ]);
    for (const { name, summary } of shown) expect(overview()).toContain(name.padEnd(12) + summary);
    expect(overview()).not.toContain("worker");
  });

  test("of a command names every flag with what it does", () => {
    for (const command of commands) {
      const help = commandHelp(command);
      expect(help).toContain(`Usage: lakehouse ${command.name}`);
      for (const [flag, { description }] of Object.entries(command.options)) {
        expect(help).toContain(`--${flag}`);
        expect(help).toContain(description);
      }
    }
  });

  test("fits into a terminal of 100 columns", () => {
    for (const text of [overview(), ...commands.map(commandHelp)]) {
      for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
    }
  });
});

describe("the program", () => {
  test("prints version and help on standard output with exit code 0", async () => {
    const [version, help, sql_help, help_sql] = await Promise.all([
      lakehouse("--version"),
      lakehouse("--help"),
      lakehouse("sql", "--help"),
      lakehouse("help", "sql"),
    ]);
    expect(version).toEqual({ code: 0, out: "lakehouse 0.1.0\n", err: "" });
    expect(help).toEqual({ code: 0, out: overview(), err: "" });
    expect(sql_help).toEqual({ code: 0, out: commandHelp(sql), err: "" });
    expect(help_sql).toEqual(sql_help);
  });

  test("exits with 2 and a suggestion when the line cannot be understood", async () => {
    const [nothing, command, flag, choice] = await Promise.all([
      lakehouse(),
      lakehouse("srve"),
      lakehouse("list", "--urll", "x"),
      lakehouse("list", "--format", "yaml"),
    ]);
    expect(nothing).toEqual({ code: 2, out: "", err: overview() });
    expect(command).toEqual({
      code: 2,
      out: "",
      err: "error: There is no command srve.\nhint: Did you mean serve?\n",
    });
    expect(flag.code).toBe(2);
    expect(flag.err).toContain("Did you mean --url?");
    expect(choice.code).toBe(2);
    expect(choice.err).toContain("It is one of table, json.");
  });

  test("exits with 1 and a hint when no server answers", async () => {
    const { code, out, err } = await lakehouse("list", "--url", "http://127.0.0.1:9");
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain("error: http://127.0.0.1:9 cannot be reached: nothing listens there.");
    expect(err).toContain("hint: Start a server with `lakehouse serve`");
  });

  test("exits with 1 when the configuration is wrong, and says where", async () => {
    const { code, err } = await lakehouse("serve", "--config", "/nonexistent/lakehouse.toml");
    expect(code).toBe(1);
    expect(err).toContain("error: /nonexistent/lakehouse.toml: This file does not exist");
  });
});
