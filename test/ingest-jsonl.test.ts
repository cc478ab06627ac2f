import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isRecord } from "../core/json.ts";
import { nothingStored, typesOf } from "./support/ingest-answers.ts";
import { column, SPACES } from "./support/json-columns.ts";
import { sameValue } from "./support/csv-convert.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";

/** JSON Lines through `POST /ingest`, and back through SQL. */

const seed = process.env["LAKEHOUSE_TEST_SEED"];
const runs = seed === undefined ? {} : { seed: Number(seed) };

const upload = (
  server: TestServer,
  body: string | Uint8Array,
  query = "?name=x",
  type = "application/jsonl",
): Promise<Response> =>
  server.fetch(`/ingest${query}`, { method: "POST", body, headers: { "content-type": type } });

const select = async (server: TestServer, sql: string): Promise<unknown> =>
  (await okJson(await server.post("/sql", { sql })))["rows"];

describe("a file of JSON Lines", () => {
  test("becomes a typed dataset; a missing key and null are NULL", async () => {
    await using server = await startServer();
    const body = [
      '{"id": 1, "city": "Zürich", "paid": true, "amount": 9.50}',
      '{"city": "12", "id": 9223372036854775807, "note": ""}',
      "",
      ' { "amount" : 12 , "id" : -3 , "city" : null, "paid" : false } \r',
    ].join("\n");
    const answer = await okJson(await upload(server, body));
    expect(answer).toMatchObject({ existing: false, row_count: 3 });
    expect(typesOf(answer)).toEqual({
      id: "int64",
      city: "utf8",
      paid: "bool",
      amount: "float64",
      note: "utf8",
    });
    expect(answer["notices"]).toEqual(["Empty lines that were not taken for records: 1."]);
    const text = await (
      await server.post("/sql", { sql: "SELECT id::VARCHAR, city, paid, amount, note FROM x" })
    ).json();
    expect(text).toMatchObject({
      rows: [
        ["1", "Zürich", true, 9.5, null],
        ["9223372036854775807", "12", null, null, ""],
        ["-3", null, false, 12, null],
      ],
    });
  });

  test("is known by each of its media types, and by the suffix of a form field", async () => {
    await using server = await startServer();
    const line = '{"a":1}\n';
    const keys = new Set<unknown>();
    for (const type of ["application/jsonl", "application/x-ndjson", "Application/NDJSON; x=y"]) {
      keys.add((await okJson(await upload(server, line, "?name=x", type)))["parquet_key"]);
    }
    for (const name of ["a.jsonl", "A.NDJSON", "a.jsonl.gz"]) {
      const form = new FormData();
      const bytes = name.endsWith("gz") ? Bun.gzipSync(line) : line;
      form.append("file", new File([bytes], name, { type: "application/octet-stream" }));
      const response = await server.fetch("/ingest?name=x", { method: "POST", body: form });
      keys.add((await okJson(response))["parquet_key"]);
    }
    expect(keys.size).toBe(1);
  });

  test("gives a column a number type only if every number keeps its value in it", async () => {
    await using server = await startServer();
    const rows = [
      { a: "1", b: "1e3", c: "9007199254740993", d: "0.1", e: "1e400", f: "-0", g: "1.0" },
      { a: "2", b: "2", c: "0.5", d: "12345678901234567890", e: "1", f: "1", g: "3" },
    ];
    const body = rows.map(
      (row) =>
        `{${Object.entries(row)
          .map(([key, value]) => `"${key}":${value}`)
          .join(",")}}`,
    );
    const answer = await okJson(await upload(server, body.join("\n"), "?name=x&report=true"));
    expect(typesOf(answer)).toEqual({
      a: "int64",
      b: "float64",
      c: "decimal128(38, 9)",
      d: "decimal128(38, 9)",
      e: "extension<arrow.json>",
      f: "float64",
      g: "float64",
    });
    expect(await select(server, "SELECT COLUMNS(*)::VARCHAR FROM x")).toEqual([
      ["1", "1000.0", "9007199254740993.000000000", "0.100000000", "1e400", "-0.0", "1.0"],
      ["2", "2.0", "0.500000000", "12345678901234567890.000000000", "1", "1.0", "3.0"],
    ]);
    expect(answer["report"]).toMatchObject({ format: "jsonl", row_count: 2 });
    const report = isRecord(answer["report"]) ? answer["report"]["columns"] : [];
    const deciders = (Array.isArray(report) ? report : []).map((each) => each.decided_by?.value);
    expect(deciders).toEqual([
      undefined,
      "1e3",
      "0.5",
      "12345678901234567890",
      "1e400",
      "-0",
      "1.0",
    ]);
  });

  test("keeps values of several kinds, and nested ones, as the JSON they are", async () => {
    await using server = await startServer();
    const body =
      '{"mixed": 1, "nested": { "k" : [1.50, "\\u00e9"] }, "mix": true}\n' +
      '{"mixed": "1", "nested": [ ]}\n' +
      '{"mixed": null, "nested": {}, "mix": "a\\"b"}\n';
    const answer = await okJson(await upload(server, body));
    const json = "extension<arrow.json>";
    expect(typesOf(answer)).toEqual({ mixed: json, nested: json, mix: json });
    expect(answer["notices"]).toEqual([
      "Columns whose values fit no one type hold the JSON of each: mixed, mix.",
    ]);
    expect(
      await select(server, "SELECT mixed::VARCHAR, nested::VARCHAR, mix::VARCHAR FROM x"),
    ).toEqual([
      ["1", '{ "k" : [1.50, "\\u00e9"] }', "true"],
      ['"1"', "[ ]", null],
      [null, "{}", '"a\\"b"'],
    ]);
    expect(await select(server, "SELECT nested->'k'->>1 FROM x LIMIT 1")).toEqual([["é"]]);
  });

  test("names its columns by its keys, unique without regard to case", async () => {
    await using server = await startServer();
    const answer = await okJson(
      await upload(server, '{"a":1,"A":2,"":3,"k\\u0065y":4}\n{"key":5}'),
    );
    expect(Object.keys(typesOf(answer))).toEqual(["a", "A_2", "column_3", "key"]);
    expect(answer["notices"]).toEqual(["Keys that had to be renamed, now: A_2, column_3."]);
    expect(await select(server, "SELECT key FROM x")).toEqual([[4], [5]]);
  });

  test("is idempotent, and a conflict if its columns are others", async () => {
    await using server = await startServer();
    const first = await okJson(await upload(server, '{"a":1,"b":"x"}\n'));
    const again = await okJson(await upload(server, '{"a":1,"b":"x"}\n'));
    expect(again).toMatchObject({ existing: true, parquet_key: first["parquet_key"] });
    const other = await okJson(await upload(server, '{"a":2,"b":"y"}\n{"a":3}\n'));
    expect(other).toMatchObject({ existing: true, row_count: 2 });
    const problem = await assertProblem(await upload(server, '{"a":1,"b":1}\n{"b":"x","c":[]}\n'), {
      status: 409,
      code: "schema_conflict",
    });
    expect(problem["diff"]).toMatchObject({
      added: [{ name: "c", type: "extension<arrow.json>" }],
      retyped: [{ name: "b", from: "utf8", to: "extension<arrow.json>" }],
    });
    expect(await select(server, "SELECT * FROM x")).toEqual([
      [2, "y"],
      [3, null],
    ]);
  });

  test("of a CSV dataset's columns is no drift", async () => {
    await using server = await startServer();
    await okJson(await upload(server, "id,city\n1,Bern\n", "?name=x", "text/csv"));
    const answer = await okJson(await upload(server, '{"id":2,"city":"Basel"}\n'));
    expect(answer).toMatchObject({ existing: true, row_count: 1 });
  });
});

describe("a bad file of JSON Lines", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const GOOD = '{"a":1}\n';
  test.each([
    ["text", "hello", "not_an_object", 1],
    ["an array", "[1]", "not_an_object", 1],
    ["an object cut short", '{"a":1', "unexpected_end", 7],
    ["two objects in a line", '{"a":1} {"a":2}', "text_behind_object", 9],
    ["a missing colon", '{"a" 1}', "unexpected_character", 6],
    ["a trailing comma", '{"a":1,}', "unexpected_character", 8],
    ["a trailing comma in an array", '{"a":[1,]}', "unexpected_character", 9],
    ["a key without quotes", "{a:1}", "unexpected_character", 2],
    ["a mismatched bracket", '{"é":[1}}', "unexpected_character", 8],
    ["a key twice", '{"é":1,"é":2}', "duplicate_key", 8],
    ["a key twice, once escaped", '{"a":1,"\\u0061":2}', "duplicate_key", 8],
    ["a leading zero", '{"a":01}', "bad_number", 6],
    ["a bare point", '{"a":1.}', "bad_number", 6],
    ["a plus sign", '{"a":+1}', "unexpected_character", 6],
    ["NaN", '{"a":NaN}', "unexpected_character", 6],
    ["True", '{"a":True}', "unexpected_character", 6],
    ["a word cut short", '{"a":tru}', "unexpected_character", 9],
    ["a bad escape", '{"a":"\\x"}', "bad_escape", 7],
    ["a short escape", '{"a":"\\u12"}', "bad_escape", 7],
    ["half a surrogate pair", '{"a":"😀\\ud800"}', "lone_surrogate", 8],
    ["half a surrogate pair inside", '{"a":[{"b":"\\udc00x"}]}', "lone_surrogate", 13],
    ["a tab in a string", '{"a":"\t"}', "control_character", 7],
    ["an open string", '{"a":"x}', "unexpected_end", 9],
    ["a comment", '{"a":1} // x', "text_behind_object", 9],
    ["too much depth", `{"a":${"[".repeat(300)}${"]".repeat(300)}}`, "nested_too_deep", 262],
    ["a separator in a key", '{"a\\u001f":1}', "key_control_character", 2],
  ])("with %s is refused with the place", async (_what, line, reason, column) => {
    const problem = await assertProblem(await upload(server, `${GOOD}${line}\n${GOOD}${line}`), {
      status: 400,
      code: "invalid_json_lines",
    });
    expect(problem).toMatchObject({ line: 2, column, reason, bad_count: 2 });
    await nothingStored(server);
  });

  test("with no column, no row, or bytes that are no UTF-8 is refused", async () => {
    await using server = await startServer();
    for (const [body, extra] of [
      ["\n \n", { reason: "no_columns" }],
      ["{}\n{}\n", { reason: "no_columns" }],
      [Buffer.from('{"a":"x"}\n{"a":"\xff"}\n', "latin1"), { line: 2, reason: "invalid_utf8" }],
      [Buffer.from('\ufeff{"a":1}', "utf16le"), { line: 1, reason: "invalid_utf8" }],
    ] as const) {
      const problem = await assertProblem(await upload(server, body), {
        status: 400,
        code: "invalid_json_lines",
      });
      expect(problem).toMatchObject(extra);
    }
    await assertProblem(await upload(server, "{}", "?name=x&delimiter=;"), {
      status: 400,
      code: "invalid_request",
    });
    await nothingStored(server);
  });

  test("beyond a limit is refused with what to change", async () => {
    await using server = await startServer({
      limits: { dataset_columns: 3, cell_bytes: 2000, ingest_temp_bytes: 30_000 },
    });
    for (const [body, hint] of [
      ['{"a":1,"b":2}\n{"c":1,"d":2}\n', "dataset_columns"],
      [`{"a":1}\n{"a":"${"x".repeat(2000)}"}\n`, "cell_bytes"],
      [`{"a":1,"b":2,"c":3}\n${"{}\n".repeat(20_000)}`, "ingest_temp_bytes"],
    ] as const) {
      const problem = await assertProblem(await upload(server, body), {
        status: 422,
        code: "limit_exceeded",
      });
      expect(problem["hint"]).toContain(hint);
    }
    expect(await okJson(await upload(server, `{"a":"${"x".repeat(1992)}"}`))).toMatchObject({
      row_count: 1,
    });
  });
});

describe("random rows", () => {
  test("come back equal through SQL, whatever they hold and however they are written", async () => {
    await using server = await startServer();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(column, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.constantFrom(...SPACES), { minLength: 7, maxLength: 7 }),
        async (columns, row_count, spaces) => {
          run += 1;
          let used = 0;
          const space = (): string => spaces[used++ % spaces.length] ?? "";
          const lines = Array.from({ length: row_count }, (_, row) => {
            const members = columns.flatMap((cells, index) => {
              const cell = cells[row];
              // The first row names all, so that every column is there.
              if (cell === undefined && row > 0) return [];
              const value = cell?.written ?? "null";
              return [`${space()}"column ${index}"${space()}:${space()}${value}${space()}`];
            });
            if (row % 2 === 1) members.reverse();
            return `${space()}{${members.length === 0 ? space() : members.join(",")}}${space()}`;
          });
          const answer = await okJson(await upload(server, lines.join("\n"), `?name=r${run}`));
          const types = Object.values(typesOf(answer));
          const rows = await select(server, `SELECT COLUMNS(*)::VARCHAR FROM r${run}`);
          const found = Array.isArray(rows) ? rows : [];
          expect(found).toHaveLength(row_count);
          for (const [row, cells] of found.entries()) {
            for (const [index, printed] of cells.entries()) {
              const drawn = columns[index]?.[row];
              const type = String(types[index]);
              const is_null = drawn === undefined || drawn.written === "null";
              const expected = is_null ? null : type === "utf8" ? drawn.text : drawn.written;
              const same =
                type === "utf8" || type === "extension<arrow.json>"
                  ? printed === expected
                  : sameValue(type, expected ?? null, printed);
              if (!same) throw new Error(`${type}: ${drawn?.written} came back as ${printed}`);
            }
          }
        },
      ),
      { numRuns: 60, ...runs },
    );
  }, 120_000);

  test("damaged by cuts and flipped bits never crash the server, and are stored whole or not", async () => {
    await using server = await startServer();
    const whole = Buffer.from(
      Array.from(
        { length: 40 },
        (_, i) => `{"id":${i},"t":"é \\u00e9 ${i}","n":[${i},{"k":null}],"x":${i / 8},"b":true}\n`,
      ).join(""),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(7), fc.boolean(), async (at, bit, cut) => {
        const damaged = Buffer.from(cut ? whole.subarray(0, at) : whole);
        if (!cut) damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        const response = await upload(server, damaged, `?name=d${at}_${bit}_${cut}`);
        const answer: unknown = await response.json();
        if (!isRecord(answer)) throw new Error("no answer");
        if (response.status === 200) {
          const lines = damaged
            .toString()
            .split("\n")
            .filter((line) => line.trim() !== "");
          for (const line of lines) JSON.parse(line);
          expect(answer["row_count"]).toBe(lines.length);
        } else {
          expect([response.status, answer["code"]]).toBeOneOf([
            [400, "invalid_json_lines"],
            [400, "invalid_csv"],
          ]);
        }
      }),
      { numRuns: 120, ...runs },
    );
    expect(await okJson(await server.fetch("/health"))).toMatchObject({ status: "ok" });
  }, 120_000);
});
