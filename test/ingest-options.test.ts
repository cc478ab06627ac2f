import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sendCsv } from "./support/send-csv.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";

/** What a client can say about a CSV file, and what it is told about it. */

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const send = (name: string, csv: string, options = {}): Promise<Response> =>
  sendCsv(server, name, csv, options);

async function rowsOf(table: string): Promise<unknown> {
  const sql = `SELECT * FROM "${table}"`;
  return (await okJson(await server.post("/sql", { sql })))["rows"];
}

const dryRun = async (csv: string, options = {}): Promise<Record<string, unknown>> =>
  okJson(await send("dry", csv, { dry_run: "true", ...options }));

describe("a file is read as it is said to be written:", () => {
  test.each([
    [
      "without a header",
      { header: "false" },
      "1,a\n2,b\n",
      [
        [1, "a"],
        [2, "b"],
      ],
    ],
    [
      "with another quote",
      { quote: "'" },
      "n,t\n1,'a,''b'\n2,\"c\"\n",
      [
        [1, "a,'b"],
        [2, '"c"'],
      ],
    ],
    [
      "without quotes",
      { quote: "" },
      'n,t\n1,"a\n2,5"\n',
      [
        [1, '"a'],
        [2, '5"'],
      ],
    ],
    [
      "with backslashes",
      { escape: "\\" },
      'n,t\n1,"a\\"\\\\b"\n2,C:\\d\n',
      [
        [1, 'a"\\b'],
        [2, "C:\\d"],
      ],
    ],
    [
      "with texts for null",
      { null: "NA,-" },
      'n,t\nNA,x\n2,-\n3,"-"\n',
      [
        [null, "x"],
        [2, null],
        [3, "-"],
      ],
    ],
    [
      "with types",
      { types: '{"n":"VARCHAR","t":"DATE"}', date_format: "%d/%m/%y" },
      "n,t\n007,11/6/18\n",
      [["007", "2018-06-11"]],
    ],
  ])("%s", async (what, options, csv, rows) => {
    const name = what.replaceAll(" ", "_");
    expect(await okJson(await send(name, csv, options))).toMatchObject({ row_count: rows.length });
    expect(await rowsOf(name)).toEqual(rows);
  });
});

describe("an option", () => {
  test.each([
    ["header", "yes"],
    ["quote", "ab"],
    ["quote", "a"],
    ["quote", "7"],
    ["escape", "7"],
    ["escape", "/"],
    ["delimiter", "ab"],
    ["encoding", "ebcdic"],
    ["null", "x".repeat(100)],
    ["types", "zip"],
    ["types", '["VARCHAR"]'],
    ["types", '{"a":"INT"}'],
    ["types", '{"a":"DECIMAL(39,2)"}'],
    ["types", '{"a":"DECIMAL(3,4)"}'],
    ["types", '{"a":7}'],
    ["types", '{"nowhere":"VARCHAR"}'],
    ["date_format", "%Y-%m-%d"],
    ["timestamp_format", "%Y"],
    ["on_error", "skip"],
    ["colour", "red"],
  ])("%s=%s is refused by its name, before anything is stored", async (name, value) => {
    const problem = await assertProblem(await send("refused", "a,b\n1,2\n", { [name]: value }), {
      status: 400,
      code: "invalid_request",
    });
    expect(problem).toMatchObject({ parameter: name });
    expect(problem["hint"]).toBeString();
    await assertProblem(await server.fetch("/catalog/manifest/refused"), {
      status: 404,
      code: "dataset_not_found",
    });
  });

  test("that says the same otherwise gives the same object, another gives another", async () => {
    const csv = "a\tb\n1\t2\n";
    const key = async (options: Readonly<Record<string, string>>): Promise<unknown> =>
      (await okJson(await send("same", csv, options)))["parquet_key"];
    const first = await key({ delimiter: "tab", null: "x,y" });
    expect(await key({ delimiter: "\t", null: "y,x,x", quote: '"', header: "true" })).toBe(first);
    expect(await key({ delimiter: "tab", null: "x" })).not.toBe(first);
  });
});

describe("a report names", () => {
  test.each([
    ["DOUBLE among integers", ["1", "2.5", "3"], "float64", { row: 2, line: 3, value: "2.5" }],
    ["a DOUBLE from the first row on", ["2.5", "1"], "float64", { row: 1, line: 2, value: "2.5" }],
    [
      "DECIMAL for digits that a double loses",
      ["1.5", "9007199254740993", "2"],
      "decimal128(38, 9)",
      { row: 2, line: 3, value: "9007199254740993" },
    ],
    [
      "DECIMAL for a fraction among long integers",
      ["9007199254740993", "1", "0.5"],
      "decimal128(38, 9)",
      { row: 3, line: 4, value: "0.5" },
    ],
    ["text for a leading zero", ["1", "02134", "x"], "utf8", { row: 2, line: 3, value: "02134" }],
    ["text from the first row on", ["02134", "1"], "utf8", { row: 1, line: 2, value: "02134" }],
    [
      "text for a number among dates",
      ["2024-01-01", "5", "2024-01-02"],
      "utf8",
      { row: 2, line: 3, value: "5" },
    ],
    [
      "text for two styles of truth",
      ["true", "FALSE"],
      "utf8",
      { row: 2, line: 3, value: "FALSE" },
    ],
    [
      "text where no decimal has room",
      ["0.12345678901234567", "1", "123456789012345678901234567890"],
      "utf8",
      { row: 3, line: 4, value: "123456789012345678901234567890" },
    ],
    ["nothing for integers", ["1", "9007199254740993"], "int64", undefined],
    ["nothing for dates", ["2024-01-01"], "date32[day]", undefined],
    ["nothing where nothing is", ["", ""], "utf8", undefined],
  ])("the cell that decided it: %s", async (_what, cells, type, decided_by) => {
    const { report } = await dryRun(`v,x\n${cells.map((cell) => `${cell},x\n`).join("")}`);
    expect(report).toMatchObject({ columns: [{ name: "v", type }, { name: "x" }] });
    const first = JSON.parse(JSON.stringify(report)).columns[0];
    expect(first.decided_by).toEqual(decided_by);
  });

  test("the cell in quotes by its line, with line breaks before it", async () => {
    const { report } = await dryRun('v,x\n1,"a\nb"\n"2.5",c\n');
    expect(report).toMatchObject({
      columns: [{ decided_by: { row: 2, line: 4, value: "2.5" } }, {}],
    });
  });

  test("how the file was read, and whether it would be accepted", async () => {
    const { report, verdict, row_count, schema_fingerprint } = await dryRun(
      "a;b\r\n1;\r\n;NA\r\n\r\n",
      { null: "NA" },
    );
    expect({ verdict, row_count }).toEqual({ verdict: "new", row_count: 2 });
    expect(report).toMatchObject({
      format: "csv",
      encoding: "utf-8",
      encoding_chosen_by: "content",
      delimiter: ";",
      delimiter_chosen_by: "first record",
      quote: '"',
      escape: '"',
      header: true,
      null_texts: ["NA"],
      line_ends: ["crlf"],
      blank_lines: 1,
      row_count: 2,
      bad_count: 0,
      columns: [
        { name: "a", type: "int64", null_count: 1 },
        { name: "b", type: "utf8", null_count: 2 },
      ],
      schema_fingerprint,
      verdict: "new",
      accepted: true,
    });
  });

  test("the first cell that the registered type would change, and the choices", async () => {
    await okJson(await send("drifts", "id,n\n1,1\n"));
    const { report, diff } = await okJson(
      await send("drifts", "id,n\n1,1\n2,2.5\n3,2.75\n", { dry_run: "true" }),
    );
    const retyped = [
      { name: "n", from: "int64", to: "float64", decided_by: { row: 2, line: 3, value: "2.5" } },
    ];
    expect(diff).toMatchObject({ retyped, choices: ["widen", "replace"] });
    expect(report).toMatchObject({ verdict: "conflict", accepted: false, diff: { retyped } });
    const problem = await assertProblem(await send("drifts", "id,n\n1,x\n"), {
      status: 409,
      code: "schema_conflict",
    });
    expect(problem).toMatchObject({
      diff: { retyped: [{ name: "n", decided_by: { row: 1, line: 2, value: "x" } }] },
    });
  });
});

test("a dry run stores nothing, and says of bad rows what an ingest would refuse", async () => {
  const answer = await dryRun("a,b\n1,2\n3\n", {});
  expect(answer).toMatchObject({
    dry_run: true,
    row_count: 1,
    report: {
      accepted: false,
      bad_count: 1,
      bad: [{ line: 3, column: 2, value: "3", reason: "field_count" }],
    },
  });
  expect(await dryRun("a,b\n1,2\n3\n", { on_error: "reject" })).toMatchObject({
    report: { accepted: true, bad_count: 1 },
  });
  await assertProblem(await server.fetch("/catalog/manifest/dry"), {
    status: 404,
    code: "dataset_not_found",
  });
});

test("a given type is judged against the registered one like any other", async () => {
  await okJson(await send("given", "n,t\n1.5,x\n"));
  const whole = { types: '{"n":"BIGINT"}' };
  expect(await okJson(await send("given", "n,t\n007,y\n", whole))).toMatchObject({
    verdict: "same",
  });
  expect(await rowsOf("given")).toEqual([[7, "y"]]);
  const dated = { types: '{"t":"DATE"}' };
  await assertProblem(await send("given", "n,t\n1,2024-01-01\n", dated), {
    status: 409,
    code: "schema_conflict",
  });
});
