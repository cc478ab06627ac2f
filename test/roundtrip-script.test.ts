import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer, type TestServer } from "./support/server.ts";

/** The acceptance script finds nothing where nothing is changed, and every lie where one is told. */

const script = join(import.meta.dir, "../acceptance/roundtrip.py");
const fixtures = join(import.meta.dir, "fixtures/roundtrip");
const python = Bun.which("python3");

interface Run {
  readonly code: number;
  readonly output: string;
}

async function roundtrip(folder: string, url: string): Promise<Run> {
  const child = Bun.spawn([python ?? "python3", script, folder, "--url", url], {
    env: { PATH: process.env["PATH"] ?? "", PYTHONUTF8: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, output: `${output}${errors}` };
}

/** A server between the script and the real one that changes what goes back. */
function liar(
  server: TestServer,
  change: (path: string, text: string) => string,
): Bun.Server<undefined> {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const body = request.method === "POST" ? await request.arrayBuffer() : null;
      const answer = await server.fetch(`${pathname}${search}`, {
        method: request.method,
        headers: {
          accept: request.headers.get("accept") ?? "*/*",
          "content-type": request.headers.get("content-type") ?? "text/csv",
        },
        body,
      });
      const text = await answer.text();
      const is_rows = answer.headers.get("content-type")?.includes("ndjson") ?? false;
      return new Response(change(is_rows ? "rows" : pathname, text), {
        status: answer.status,
        headers: { "content-type": answer.headers.get("content-type") ?? "" },
      });
    },
  });
}

interface Lie {
  readonly title: string;
  readonly csv: string;
  readonly where: string;
  readonly from: string;
  readonly to: string;
  /** What the script must say of it. */
  readonly found: RegExp;
}

const rows = (title: string, csv: string, from: string, to: string, found: RegExp): Lie => ({
  title,
  csv,
  where: "rows",
  from,
  to,
  found,
});

const lies: readonly Lie[] = [
  rows("a rounded decimal", "n\n1\n12.75\n", "12.75", "13", /row 2.*"12.75", back came 13/),
  rows("a lost leading zero", "n\n02134\n", '"02134"', "2134", /"02134", back came 2134/),
  rows("a last digit", "n,m\n0.3,1\n", "0.3", "0.30000000000000004", /another number/),
  rows("a sign of zero", "n,m\n-0.0,1\n0.5,2\n", "-0.0", "0.0", /another sign/),
  rows("a value that became null", "a,b\nx,1\n", '"x"', "null", /column 'a': is missing/),
  rows("a null that became a value", "a,b\n,1\n2,3\n", '"a":null', '"a":0', /the cell is empty/),
  rows("a trimmed text", "a,b\n x,1\n", '" x"', '"x"', /is another text/),
  rows("text in place of its number", "a,b\n7,x\n", '"a":7', '"a":"07"', /is another integer/),
  rows("a date", "d,n\n2018-11-06,1\n", "2018-11-06", "2011-06-18", /is another date/),
  rows("a moment", "d,n\n2018-11-06T01:02:03.5,1\n", "03.5", "03", /is another moment/),
  rows("a boolean", "b,n\ntrue,1\n", "true", "false", /is the opposite/),
  rows("exchanged rows", "a\nx\ny\n", '{"a":"x"}\n{"a":"y"}', '{"a":"y"}\n{"a":"x"}', /row 1/),
  rows("a dropped row", "a\nx\ny\n", '{"a":"y"}\n', "", /number of rows in SQL/),
  rows("an invented row", "a\nx\n", '{"a":"x"}\n', '{"a":"x"}\n{"a":"x"}\n', /rows in SQL/),
  {
    title: "a column of text that is called a number",
    csv: "zip,n\n02134,1\n",
    where: "/ingest",
    from: '"utf8"',
    to: '"int64"',
    found: /the types in SQL/,
  },
  {
    title: "a delimiter that eats the table",
    csv: "a;b\n1;2\n",
    where: "/ingest",
    from: '"delimiter":";"',
    to: '"delimiter":"|"',
    found: /the delimiter/,
  },
  {
    title: "another encoding",
    csv: "a,b\né,2\n",
    where: "/ingest",
    from: '"encoding":"utf-8"',
    to: '"encoding":"windows-1252"',
    found: /the encoding/,
  },
];

const suite = (): void => {
  let server: TestServer;
  let folder: string;
  beforeAll(async () => {
    server = await startServer();
    folder = await mkdtemp(join(tmpdir(), "lakehouse-roundtrip-"));
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test("finds every cell of the nasty files again", async () => {
    const { code, output } = await roundtrip(fixtures, server.url);
    expect(output).toMatch(
      /score: 17 files, 15 accepted \(88\.2 %\), 2 refused, 0 failed, 0 silent/,
    );
    expect(output).toContain("refused for invalid_csv (field_count): 1");
    expect(code).toBe(0);
    const left = await (await server.fetch("/catalog/list")).json();
    expect(left).toMatchObject({ count: 0 });
  }, 60_000);

  for (const lie of lies) {
    test(`notices ${lie.title}`, async () => {
      const own = await mkdtemp(join(folder, "lie-"));
      await writeFile(join(own, "file.csv"), lie.csv);
      let told = false;
      const proxy = liar(server, (where, text) => {
        if (where !== lie.where || !text.includes(lie.from)) return text;
        told = true;
        return text.replaceAll(lie.from, lie.to);
      });
      const { code, output } = await roundtrip(own, proxy.url.href);
      await proxy.stop(true);
      expect({ told, code, output }).toMatchObject({
        told: true,
        code: 1,
        output: expect.stringMatching(lie.found),
      });
    }, 60_000);
  }

  test("fails if a refused file was stored all the same", async () => {
    const own = await mkdtemp(join(folder, "stored-"));
    await writeFile(join(own, "file.csv"), "a,b\n1,2\n");
    const problem = JSON.stringify({ code: "invalid_csv", detail: "no" });
    const proxy = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) =>
        new URL(request.url).pathname === "/ingest"
          ? new Response(problem, { status: (await request.bytes()).length === 8 ? 400 : 500 })
          : Response.json({}),
    });
    const { code, output } = await roundtrip(own, proxy.url.href);
    await proxy.stop(true);
    expect(output).toContain("refused, but stored");
    expect(code).toBe(1);
  });

  test("is no use without a file or a server", async () => {
    const own = await mkdtemp(join(folder, "empty-"));
    expect((await roundtrip(own, server.url)).code).toBe(2);
    await writeFile(join(own, "file.csv"), "a\n");
    expect((await roundtrip(own, "http://127.0.0.1:1")).code).toBe(2);
  });
};

if (python !== null || process.env["CI"] === "true") describe("the round trip", suite);
else describe.skip("the round trip (skipped: python3 is not installed)", suite);
