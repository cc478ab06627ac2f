import { constants } from "node:os";

/**
 * `bun test/support/ci-summary.ts NAME EXIT_CODE LOG …` (three words for each run of `bun test`):
 * prints every failure of every run with the text that belongs to it, then their names, and closes
 * with `N passed, N failed`; exits with 1 unless something passed and nothing failed. So the end of
 * a log says what went wrong, even if nothing else of it was kept.
 */

/** Of a longer text the first and the last lines are shown. */
const HEAD_LINES = 20;
const TAIL_LINES = 40;

export interface RunSummary {
  readonly passed: number;
  /** At least one if the run did not end well. */
  readonly failed: number;
  readonly failures: readonly Failure[];
}

export interface Failure {
  /** `test/x.test.ts: group > name`, or what became of the run. */
  readonly name: string;
  /** A bounded number: errors, differences and output since the test before. */
  readonly lines: readonly string[];
}

/**
 * Reads what `bun test` wrote. Bun prints an error and then the line `(fail) name` it belongs to; a
 * worker process that dies is `✗ file (…)`; at the end `N tests failed:` may name them all again,
 * and ` N pass`, ` N fail` and `Ran N tests` close the run. Without that end it was cut short.
 * On a busy machine the text of a parallel worker may come after the outcome it belongs to, even
 * under the name of the next file.
 */
export function summariseRun(log: string, exit_code: number): RunSummary {
  const run = new RunReader();
  for (const line of log.split(/\r?\n/)) run.read(line);
  return run.end(exit_code);
}

class RunReader {
  readonly #failures: { file: string; name: string; lines: string[] }[] = [];
  /** Texts with an error in them that came before an outcome which is no failure. */
  readonly #loose: { readonly file: string; readonly lines: readonly string[] }[] = [];
  /** Since the last outcome of a test. */
  #text: string[] = [];
  #last: string[] = [];
  #file = "";
  #told: { readonly lines: string[] } | undefined;
  #seen_passed = 0;
  #passed: number | undefined;
  #failed: number | undefined;
  /** The tests are over: what follows repeats and counts. */
  #closing = false;
  #closed = false;

  read(line: string): void {
    this.#last.push(line);
    if (this.#last.length > TAIL_LINES) this.#last.shift();
    const [, count, what] = /^ *(\d+) (pass|fail|tests? failed:)$/.exec(line) ?? [];
    if (what !== undefined) {
      this.#closing = true;
      if (what === "pass") this.#passed = Number(count);
      if (what === "fail") this.#failed = Number(count);
    } else if (/^Ran \d+ tests? across /.test(line)) {
      this.#closed = true;
    } else if (!this.#closing) {
      this.#readTest(line);
    }
  }

  #readTest(line: string): void {
    const [, file] = /^(\S+\.test\.ts):$/.exec(line) ?? [];
    const [, outcome, name] = /^\((pass|skip|todo|fail)\) (.*)$/.exec(line) ?? [];
    const [, death] = /^✗ (.*)$/.exec(line) ?? [];
    if (file !== undefined || outcome !== undefined || death !== undefined) this.#failBetween();
    if (file !== undefined) {
      this.#loosen();
      this.#file = file;
    } else if (death !== undefined) {
      this.#fail(death);
    } else if (outcome === "fail") {
      this.#fail(`${this.#file}: ${name}`);
    } else if (outcome !== undefined) {
      if (outcome === "pass") this.#seen_passed += 1;
      this.#loosen();
      this.#told = undefined;
    } else if (this.#told !== undefined && line.startsWith("  ^ ")) {
      // Why, where there was no error: `  ^ this test timed out after 100ms.`
      this.#told.lines.push(line);
    } else {
      this.#text.push(line);
    }
  }

  #loosen(): void {
    if (this.#text.some((line) => /^\w*error: /i.test(line))) {
      this.#loose.push({ file: this.#file, lines: this.#text });
    }
    this.#text = [];
  }

  /** An error outside of any test, that of a file which cannot be loaded for one. */
  #failBetween(): void {
    if (!this.#text.includes("# Unhandled error between tests")) return;
    this.#fail(`${this.#file}: between tests`);
  }

  #fail(name: string): void {
    const lines = bounded(this.#text);
    this.#failures.push({ file: this.#file, name, lines });
    this.#told = { lines };
    this.#text = [];
  }

  end(exit_code: number): RunSummary {
    this.#failBetween();
    this.#loosen();
    for (const { file, lines } of this.#failures) {
      if (lines.length > 0) continue;
      const own = this.#loose.filter((each) => each.file === file);
      lines.push(...bounded((own.length > 0 ? own : this.#loose).flatMap((each) => each.lines)));
    }
    const seen = this.#failures.length;
    const failed = Math.max(this.#failed ?? 0, this.#closed ? 0 : seen);
    if (!this.#closed) {
      this.#text = this.#last;
      this.#fail(`the run did not reach its end: ${exitText(exit_code)}; its last lines:`);
    } else if (exit_code !== 0 && failed === 0) {
      this.#fail(`the run failed, and no test of it: ${exitText(exit_code)}`);
    }
    const added = this.#failures.length - seen;
    return {
      passed: this.#passed ?? this.#seen_passed,
      failed: failed + added,
      failures: this.#failures.map(({ name, lines }) => ({ name, lines })),
    };
  }
}

function bounded(text: readonly string[]): string[] {
  const from = text.findIndex((line) => line.trim() !== "");
  const lines = from < 0 ? [] : text.slice(from, text.findLastIndex((line) => line !== "") + 1);
  const hidden = lines.length - HEAD_LINES - TAIL_LINES;
  if (hidden <= 0) return lines;
  return [...lines.slice(0, HEAD_LINES), `… ${hidden} more lines …`, ...lines.slice(-TAIL_LINES)];
}

/** A shell says 128 + n for a command that signal n ended. */
function exitText(exit_code: number): string {
  const signal = Object.entries(constants.signals).find(([, number]) => number === exit_code - 128);
  return `exit code ${exit_code}${signal === undefined ? "" : ` (${signal[0]})`}`;
}

async function main(words: readonly string[]): Promise<number> {
  let [passed, failed] = [0, 0];
  const names: string[] = [];
  for (let at = 0; at + 2 < words.length; at += 3) {
    const [run = "", exit_code, log = ""] = words.slice(at, at + 3);
    const summary = summariseRun(await Bun.file(log).text(), Number(exit_code));
    passed += summary.passed;
    failed += summary.failed;
    for (const { name, lines } of summary.failures) {
      names.push(`failed, ${run}: ${name}`);
      console.log(`\n-- ${run}: ${name}`);
      for (const line of lines) console.log(`   ${line}`);
    }
  }
  if (passed === 0 && failed === 0) {
    failed += 1;
    names.push("no test passed");
  }
  console.log(`\n${names.map((name) => `${name}\n`).join("")}${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
