import { rm } from "node:fs/promises";
import { describe, expect, test } from "bun:test";
import { isRecord } from "../core/json.ts";
import { assertProblem, okJson, onS3, startServer, type TestServer } from "./support/server.ts";
import { longCsv, spools, until, workFiles } from "./support/uploads.ts";

/** The acceptance of `POST /ingest`, over HTTP against the real process. */

const SALES = "id,city,amount\n1,Zürich,9.50\n2,Bern,12\n3,,0.25\n";

const upload = (
  server: TestServer,
  query: string,
  body: string | Uint8Array | FormData,
  headers: Record<string, string> = {},
  signal: AbortSignal | null = null,
): Promise<Response> =>
  server.fetch(`/ingest${query}`, {
    method: "POST",
    body,
    signal,
    headers: { "content-type": "text/csv", ...headers },
  });

function form(text: string, field = "file", file_name = "sales.csv"): FormData {
  const data = new FormData();
  data.append(field, new File([text], file_name, { type: "text/csv" }));
  return data;
}

const rows = async (server: TestServer, sql: string): Promise<unknown> =>
  (await okJson(await server.post("/sql", { sql })))["rows"];

const manifestOf = (answer: Record<string, unknown>): Record<string, unknown> => {
  const manifest = answer["manifest"];
  if (!isRecord(manifest)) throw new Error("no manifest");
  return manifest;
};

describe("a first upload", () => {
  test("becomes a typed dataset that SQL reads at once, as raw body and as form field", async () => {
    await using server = await startServer();
    for (const [name, body] of [
      ["raw", SALES],
      ["form", form(SALES)],
    ] as const) {
      const response = await server.fetch(`/v1/ingest?name=${name}`, { method: "POST", body });
      const answer = await okJson(response);
      expect(answer).toMatchObject({ existing: false, row_count: 3 });
      expect(answer["parquet_key"]).toMatch(
        new RegExp(`^datasets/${name}/[0-9a-f]{64}/[0-9a-f]{32}\\.parquet$`),
      );
      expect(manifestOf(answer)).toMatchObject({
        name,
        row_count: 3,
        version: 1,
        objects: [{ key: answer["parquet_key"], size: answer["parquet_size"] }],
        columns: [
          { id: 1, name: "id", type: "int64" },
          { id: 2, name: "city", type: "utf8" },
          { id: 3, name: "amount", type: "float64" },
        ],
      });
      expect(await rows(server, `SELECT * FROM "${name}" ORDER BY id`)).toEqual([
        [1, "Zürich", 9.5],
        [2, "Bern", 12],
        [3, null, 0.25],
      ]);
    }
    expect(await spools(server)).toEqual([]);
  });

  test("is explained on request", async () => {
    await using server = await startServer();
    const answer = await okJson(
      await upload(server, "?name=x&report=true", "a;b\n1;x\n2.5;y\n02134;z\n"),
    );
    expect(answer["report"]).toMatchObject({
      delimiter: ";",
      encoding: "utf-8",
      row_count: 3,
      columns: [
        { name: "a", type: "utf8", decided_by: { row: 3, line: 4, value: "02134" } },
        { name: "b", type: "utf8" },
      ],
    });
  });

  test("in Windows-1252 is read as such, and the answer says so", async () => {
    await using server = await startServer();
    const body = Buffer.from("name,price\nM\xfcller,5 \x80\n", "latin1");
    const answer = await okJson(await upload(server, "?name=x", body));
    expect(answer["notices"]).toEqual(["The file is not UTF-8 and was read as Windows-1252."]);
    expect(await rows(server, "SELECT * FROM x")).toEqual([["Müller", "5 €"]]);
  });
});

describe("the same upload again", () => {
  test("changes neither id, fingerprint nor key, and says that the dataset existed", async () => {
    await using server = await startServer();
    const first = await okJson(await upload(server, "?name=sales", SALES));
    const again = await okJson(
      await server.fetch("/ingest?name=sales", { method: "POST", body: form(SALES) }),
    );
    expect(again).toMatchObject({
      existing: true,
      row_count: 3,
      parquet_key: first["parquet_key"],
    });
    for (const member of ["dataset_id", "schema_fingerprint", "objects", "columns"]) {
      expect(manifestOf(again)[member]).toEqual(manifestOf(first)[member]);
    }
  });

  test("after a kill -9 in between does the same", async () => {
    await using server = await startServer();
    const first = await okJson(await upload(server, "?name=sales", SALES));
    await server.kill();
    await server.restart();
    const again = await okJson(await upload(server, "?name=sales", SALES));
    expect(again).toMatchObject({ existing: true, parquet_key: first["parquet_key"] });
    expect(manifestOf(again)["dataset_id"]).toEqual(manifestOf(first)["dataset_id"]);
  });
});

describe("an upload with other columns", () => {
  test("is refused with the differences, and the live data stays as it was", async () => {
    await using server = await startServer();
    const first = await okJson(await upload(server, "?name=sales", SALES));
    const drifted = "city,id,amount,note\nBasel,4,none,x\n";
    const problem = await assertProblem(await upload(server, "?name=sales", drifted), {
      status: 409,
      code: "schema_conflict",
    });
    expect(problem["diff"]).toMatchObject({
      added: [{ name: "note", type: "utf8" }],
      removed: [],
      retyped: [{ name: "amount", from: "float64", to: "utf8", widens_to: null }],
      reordered: ["city", "id"],
      choices: ["replace"],
    });
    const manifest = await okJson(await server.fetch("/catalog/manifest/sales"));
    expect(manifest).toEqual(manifestOf(first));
    expect(await rows(server, "SELECT sum(amount) FROM sales")).toEqual([[21.75]]);
    const listed = await okJson(await server.fetch("/storage/list?prefix=datasets/"));
    expect(listed["objects"]).toHaveLength(1);
  });

  test("is no conflict if only the values differ", async () => {
    await using server = await startServer();
    await okJson(await upload(server, "?name=sales", SALES));
    const answer = await okJson(
      await upload(server, "?name=sales", "id,city,amount\n9,Chur,1.5\n"),
    );
    expect(answer).toMatchObject({ existing: true, row_count: 1, manifest: { version: 2 } });
    expect(await rows(server, "SELECT city FROM sales")).toEqual([["Chur"]]);
  });
});

describe("a storage that fails", () => {
  const why_skipped = onS3 ? " (skipped: only a local disk can be taken from the server)" : "";
  const testOnDisk = onS3 ? test.skip : test;

  testOnDisk(`is answered with 502, and nothing is registered${why_skipped}`, async () => {
    await using server = await startServer();
    await rm(server.data_path ?? "", { recursive: true });
    await assertProblem(await upload(server, "?name=x", SALES), {
      status: 502,
      code: "storage_failed",
    });
    expect(await okJson(await server.fetch("/catalog/list"))).toMatchObject({ count: 0 });
    expect(await spools(server)).toEqual([]);
  });
});

describe("a client that goes away", () => {
  test("during the upload leaves nothing behind", async () => {
    await using server = await startServer();
    const abort = new AbortController();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from(SALES)),
    });
    const answer = server
      .fetch("/ingest?name=x", { method: "POST", body, signal: abort.signal })
      .catch((error: unknown) => error);
    await until(async () => (await spools(server)).length === 1);
    abort.abort();
    expect(await answer).toMatchObject({ name: "AbortError" });
    await until(async () => (await spools(server)).length === 0);
    expect(await okJson(await server.fetch("/catalog/list"))).toMatchObject({ count: 0 });
  });

  test("during the conversion stops it and leaves nothing behind", async () => {
    let stopped = false;
    // A conversion that was over before this client could leave says nothing: a longer one, then.
    for (let row_count = 300_000; !stopped; row_count *= 2) {
      await using server = await startServer();
      const abort = new AbortController();
      let answered = false;
      const answer = upload(server, "?name=x", longCsv(row_count), {}, abort.signal)
        .catch((error: unknown) => error)
        .finally(() => {
          answered = true;
        });
      const begun = async (): Promise<boolean> =>
        (await workFiles(server)).some((file) => file.endsWith(".parquet"));
      await until(async () => answered || (await begun()));
      abort.abort();
      const outcome = await answer;
      await until(async () => (await spools(server)).length === 0);
      const { count } = await okJson(await server.fetch("/catalog/list"));
      stopped = count === 0;
      if (!stopped) continue;
      expect(outcome).toMatchObject({ name: "AbortError" });
      // The worker was killed; the next upload gets another.
      expect(await okJson(await upload(server, "?name=x", SALES))).toMatchObject({ row_count: 3 });
    }
  }, 60_000);
});

describe("a bad upload", () => {
  test.each([
    ["a ragged row", "a,b\n1,2\n3\n4,5,6\n", { line: 3, column: 2, value: "3", bad_count: 2 }],
    ["an open quote", 'a,b\n1,"x\n2,y\n', { line: 2, column: 2, reason: "unclosed_quote" }],
    ["text behind a quote", 'a,b\n1,"x"y\n', { line: 2, column: 2, reason: "text_behind_quote" }],
    ["NUL", "a,b\n1,\0\n", { reason: "nul" }],
    ["only empty lines", "\n\n", { reason: "no_header" }],
    ["nothing", "", { reason: "empty" }],
  ])("with %s is refused with the place, and nothing is stored", async (_what, body, extra) => {
    await using server = await startServer();
    const problem = await assertProblem(await upload(server, "?name=x", body), {
      status: 400,
      code: "invalid_csv",
    });
    expect(problem).toMatchObject(extra);
    const listed = await okJson(await server.fetch("/storage/list?prefix=datasets/"));
    expect(listed["objects"]).toEqual([]);
    await assertProblem(await server.fetch("/catalog/manifest/x"), {
      status: 404,
      code: "dataset_not_found",
    });
    expect(await spools(server)).toEqual([]);
  });

  test("without a name, or with one that breaks the rules, is refused", async () => {
    await using server = await startServer();
    for (const query of ["", "?name=", "?name=a/b", "?name=..", `?name=${"x".repeat(129)}`]) {
      await assertProblem(await upload(server, query, SALES), {
        status: 400,
        code: "invalid_name",
      });
    }
  });

  test("with an option that is not known is refused", async () => {
    await using server = await startServer();
    for (const query of ["&delimeter=;", "&delimiter=ab", "&encoding=ebcdic", "&report=yes"]) {
      await assertProblem(await upload(server, `?name=x${query}`, SALES), {
        status: 400,
        code: "invalid_request",
      });
    }
  });

  test("of another kind of file is refused", async () => {
    await using server = await startServer();
    await assertProblem(
      await upload(server, "?name=x", "{}", { "content-type": "application/json" }),
      { status: 415, code: "unsupported_media_type" },
    );
    await assertProblem(await upload(server, "?name=x", SALES, { "content-encoding": "br" }), {
      status: 415,
      code: "unsupported_media_type",
    });
  });

  test("that takes longer to convert than it may is stopped", async () => {
    await using server = await startServer({ limits: { ingest_timeout_ms: 1 } });
    // A busy server may look at its clock only when a short file is done. From 4 MiB on a file is
    // converted while it arrives.
    for (const rows of [18_000, 90_000]) {
      await assertProblem(await upload(server, "?name=x", longCsv(rows)), {
        status: 408,
        code: "deadline_exceeded",
      });
      expect(await spools(server)).toEqual([]);
    }
  });

  test("beyond a limit is refused, and the next one within it is not", async () => {
    await using server = await startServer({
      limits: { upload_bytes: 64 * 1024, dataset_columns: 3, cell_bytes: 1024 * 1024 },
    });
    const large = `a,b\n${"1,2\n".repeat(20_000)}`;
    for (const body of [large, form(large)]) {
      const response = await server.fetch("/ingest?name=x", { method: "POST", body });
      await assertProblem(response, { status: 413, code: "body_too_large" });
    }
    await assertProblem(await upload(server, "?name=x", "a,b,c,d\n"), {
      status: 422,
      code: "limit_exceeded",
    });
    expect(await okJson(await upload(server, "?name=x", SALES))).toMatchObject({ row_count: 3 });
    expect(await spools(server)).toEqual([]);
  });
});

test("a cell may begin with U+FEFF, also in the first row", async () => {
  await using server = await startServer();
  await okJson(await upload(server, "?name=marks", "a,b\n\ufeff1,2\n3,\ufeff\n"));
  const { rows } = await okJson(await server.post("/sql", { sql: "SELECT * FROM marks" }));
  expect(rows).toEqual([
    ["\ufeff1", "2"],
    ["3", "\ufeff"],
  ]);
});
