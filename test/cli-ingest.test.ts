import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conversionLine } from "../core/cli/conversion-bar.ts";
import { isAccepted, previewOf } from "../core/cli/preview.ts";
import { okJson, programCommand, startServer, type TestServer } from "./support/server.ts";
import { longCsv, spools, until } from "./support/uploads.ts";

/** What `lakehouse ingest` shows on a terminal, on a real one. */

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-cli-ingest-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface OnTerminal {
  readonly child: Bun.Subprocess;
  readonly press: (key: string) => void;
  /** Everything written so far. */
  readonly screen: () => string;
}

/** Runs a command on a pseudo-terminal of its own, which controls it: Ctrl-C is a signal. */
function onTerminal(server: TestServer, args: readonly string[]): OnTerminal {
  const decoder = new TextDecoder();
  let text = "";
  const child = Bun.spawn([...programCommand(), ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", LAKEHOUSE_URL: server.url },
    terminal: {
      cols: 80,
      rows: 24,
      data: (_terminal, bytes) => {
        text += decoder.decode(bytes, { stream: true });
      },
    },
  });
  return { child, press: (key) => child.terminal?.write(key), screen: () => text };
}

describe("ingest on a terminal", () => {
  test("shows one bar for sending, then one for converting, then the result alone", async () => {
    await using server = await startServer({ limits: { ingest_threads: 1 } });
    let shown = false;
    // A conversion that was over before a bar was drawn says nothing: a longer one, then.
    for (let row_count = 300_000; !shown; row_count *= 2) {
      await Bun.write(join(folder, "shown.csv"), longCsv(row_count));
      const { child, screen } = onTerminal(server, ["ingest", "shown.csv"]);
      expect(await child.exited).toBe(0);
      await until(async () => screen().includes("sha256:"));
      const lines = screen().split("\r");
      const sending = lines.findLastIndex((line) => line.startsWith("sending ━"));
      const converting = lines.findIndex((line) =>
        /^converting [━─]{20} +\d+% {2}[\d,]+ rows {2}[\d.]+ MiB judged/.test(line),
      );
      shown = converting >= 0;
      if (!shown) continue;
      expect(sending).toBeGreaterThan(0);
      expect(converting).toBeGreaterThan(sending);
      // The bar is taken away before the result, and does not come back.
      const [before = "", result] = screen().split(
        `shown: ${row_count.toLocaleString("en")} rows, `,
      );
      expect(before).toEndWith("\r\u001b[K");
      expect(result).not.toContain("converting");
    }
  }, 60_000);

  test("is stopped by Ctrl-C, on the server too, and nothing is left", async () => {
    let stopped = false;
    // A conversion that was over before the key was pressed says nothing: a longer one, then.
    for (let row_count = 300_000; !stopped; row_count *= 2) {
      await Bun.write(join(folder, "stopped.csv"), longCsv(row_count));
      await using server = await startServer({ limits: { ingest_workers: 1 } });
      const { child, press, screen } = onTerminal(server, ["ingest", "stopped.csv"]);
      await until(async () => /[1-9][\d,]* rows/.test(screen()) || child.exitCode !== null);
      press("\u0003");
      await child.exited;
      await until(async () => (await spools(server)).length === 0);
      const { count } = await okJson(await server.fetch("/catalog/list"));
      stopped = count === 0;
      if (!stopped) continue;
      expect(child.signalCode).toBe("SIGINT");
      const small = { method: "POST", body: "a,b\n1,2\n" };
      expect(await okJson(await server.fetch("/ingest?name=next", small))).toMatchObject({
        row_count: 1,
      });
    }
  }, 60_000);
});

describe("the bar of a conversion", () => {
  const view = {
    state: "converting",
    file_bytes: 200 * 1024 ** 2,
    judged_bytes: 100 * 1024 ** 2,
    row_count: 1_234_567,
  };

  test("counts judging and writing half each", () => {
    expect(conversionLine({ ...view, parts_done: 0, parts_total: 0 })).toBe(
      "converting ━━━━━───────────────  25%  1,234,567 rows  100.0 MiB judged",
    );
    expect(conversionLine({ ...view, parts_done: 2, parts_total: 2 })).toStartWith(
      "converting ━━━━━━━━━━──────────  50%",
    );
  });

  test("is never over full, and says when the file is being stored", () => {
    const beyond = { ...view, judged_bytes: 300 * 1024 ** 2, parts_done: 3, parts_total: 3 };
    expect(conversionLine(beyond)).toContain("100%");
    expect(conversionLine({ ...view, state: "committing" })).toBe("storing …");
  });
});

describe("a preview", () => {
  test("shows how the file is read, each column with what decided it, and the differences", () => {
    const text = previewOf("sales", {
      dry_run: true,
      verdict: "conflict",
      row_count: 1200,
      report: {
        format: "csv",
        encoding: "utf-8",
        encoding_chosen_by: "content",
        delimiter: "\t",
        quote: '"',
        escape: '"',
        line_ends: ["crlf"],
        bad_count: 1,
        bad: [{ line: 7, column: 2, reason: "field_count", value: "a\u001bb" }],
        columns: [
          { name: "id", type: "int64", null_count: 0 },
          {
            name: "zip",
            type: "utf8",
            null_count: 1500,
            decided_by: { row: 3, line: 4, value: "02134" },
          },
        ],
      },
      diff: {
        added: [{ name: "zip", type: "utf8" }],
        removed: [],
        retyped: [{ name: "id", from: "utf8", to: "int64" }],
        reordered: [],
        choices: ["widen", "replace"],
      },
      notices: ["Empty lines that were not taken for records: 1."],
    });
    expect(text.split("\n")).toEqual([
      "sales: 1,200 rows, 2 columns; would be refused: it does not fit the dataset",
      '  csv; utf-8 (by content); delimiter "\\t"; quote "\\""; escape "\\""; lines end with crlf',
      "  Empty lines that were not taken for records: 1.",
      "",
      "column │ type  │ nulls │ decided by",
      "───────┼───────┼───────┼──────────────",
      "id     │ int64 │     0 │",
      "zip    │ utf8  │ 1,500 │ line 4: 02134",
      "(2 columns)",
      "",
      "1 bad row; with on_error=reject they are kept beside the others:",
      "  line 7  field_count  a\\u001bb",
      "",
      "Against the registered dataset:",
      "  added      zip utf8",
      "  retyped    id: utf8 in the dataset, int64 in the file",
      "  accepted with schema=widen or schema=replace",
      "",
    ]);
  });

  test("is of an accepted file if nothing stands against it, or what does may be rejected", () => {
    const plain = new URLSearchParams();
    const reject = new URLSearchParams({ on_error: "reject" });
    const bad = { verdict: "new", report: { bad_count: 2 } };
    expect(isAccepted({ verdict: "new", report: {} }, plain)).toBe(true);
    expect(isAccepted({ verdict: "conflict", report: {} }, reject)).toBe(false);
    expect([isAccepted(bad, plain), isAccepted(bad, reject)]).toEqual([false, true]);
  });

  test("asks the server, tells the verdict by the exit code, and changes nothing", async () => {
    await using server = await startServer();
    const run = async (name: string, text: string, options: readonly string[] = []) => {
      await Bun.write(join(folder, `${name}.csv`), text);
      const args = ["ingest", `${name}.csv`, "--name", "p", ...options];
      const child = Bun.spawn([...programCommand(), ...args], {
        cwd: folder,
        env: { PATH: process.env["PATH"] ?? "", LAKEHOUSE_URL: server.url },
        stderr: "pipe",
      });
      const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      return { code: await child.exited, out, err };
    };
    const sales = "id;amount\n1;9.5\n02134;12\n";
    const first = await run("sales", sales, ["--preview"]);
    expect(first).toMatchObject({ code: 0, err: "" });
    expect(first.out).toStartWith("p: 2 rows, 2 columns; would be a new dataset\n");
    expect(first.out).toMatch(/^id +│ utf8 +│ +0 │ line 3: 02134$/m);
    expect(await okJson(await server.fetch("/catalog/list"))).toMatchObject({ count: 0 });
    const listed = await okJson(await server.fetch("/storage/list?prefix=datasets/"));
    expect(listed["objects"]).toEqual([]);

    expect(await run("sales", sales)).toMatchObject({ code: 0 });
    const same = await run("sales", sales, ["--preview"]);
    expect(same.out).toContain("would be accepted: it fits");
    const drifted = await run("drifted", "amount;note\n1;x\n", ["--preview"]);
    expect(drifted.code).toBe(1);
    expect(drifted.out).toContain("would be refused");
    expect(drifted.out).toContain("  added      note utf8\n");
    expect(await okJson(await server.fetch("/catalog/manifest/p"))).toMatchObject({ version: 1 });
  }, 60_000);
});
