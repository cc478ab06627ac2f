import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LakehouseError } from "../core/error.ts";
import { readOptions } from "../plugins/ingest-csv/options.ts";
import { convertBytes, type ReadBack } from "./support/csv-convert.ts";
import { reference } from "./support/csv-scan.ts";
import { sendCsv } from "./support/send-csv.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";

/** Records that are no rows: refused with their places, or kept beside the others. */

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const send = (name: string, csv: string, options = {}): Promise<Response> =>
  sendCsv(server, name, csv, options);

async function rowsOf(sql: string): Promise<unknown> {
  return (await okJson(await server.post("/sql", { sql })))["rows"];
}

const BAD = 'n,t\n1,"a\nb"\n2\n3,x,y\n4,"q"r\nno,z\n5,c\n6,"open\n';
const OPTIONS = { types: '{"n":"BIGINT"}' };

describe("bad records", () => {
  test("refuse the file, with the first few and their number; nothing is stored", async () => {
    const problem = await assertProblem(await send("bad", BAD, OPTIONS), {
      status: 400,
      code: "invalid_csv",
    });
    expect(problem).toMatchObject({
      line: 4,
      column: 2,
      value: "2",
      reason: "field_count",
      bad_count: 5,
      bad: [
        { line: 4, column: 2, value: "2", reason: "field_count" },
        { line: 5, column: 3, value: "3,x,y", reason: "field_count" },
        { line: 6, column: 2, value: '4,"q"r', reason: "text_behind_quote" },
        { line: 7, column: 1, value: "no", reason: "does_not_fit", expected: "BIGINT" },
        { line: 9, column: 2, value: '6,"open\n', reason: "unclosed_quote" },
      ],
    });
    await assertProblem(await server.fetch("/catalog/manifest/bad"), {
      status: 404,
      code: "dataset_not_found",
    });
  });

  test("become a dataset of their own where they are let pass", async () => {
    const answer = await okJson(await send("mixed", BAD, { ...OPTIONS, on_error: "reject" }));
    expect(answer).toMatchObject({
      row_count: 2,
      rejects: { name: "mixed.rejects", row_count: 5 },
      notices: ["Records that are no rows and were rejected: 5."],
    });
    expect(await rowsOf('SELECT * FROM "mixed"')).toEqual([
      [1, "a\nb"],
      [5, "c"],
    ]);
    expect(
      await rowsOf('SELECT line, raw, reason, column_name, value FROM "mixed.rejects"'),
    ).toEqual([
      [4, "2", "field_count", null, null],
      [5, "3,x,y", "field_count", null, null],
      [6, '4,"q"r', "text_behind_quote", "t", null],
      [7, "no,z", "does_not_fit", "n", "no"],
      [9, '6,"open\n', "unclosed_quote", "t", null],
    ]);
  });

  test("may be all there is: then the dataset has no rows", async () => {
    const answer = await okJson(await send("none", "a,b\n1\n2\n", { on_error: "reject" }));
    expect(answer).toMatchObject({ row_count: 0, rejects: { row_count: 2 } });
    expect(await rowsOf('SELECT count(*) FROM "none"')).toEqual([[0]]);
  });

  test("count for no type, null or line of the good ones", async () => {
    const csv = "a,b\n1,2\nx\n,3\nx,y,z\n4,5\n";
    const back = await convertBytes(csv, readOptions({ on_error: "reject" }));
    expect(back.columns.map(({ type }) => type)).toEqual(["int64", "int64"]);
    expect(back.rows).toEqual([
      ["1", "2"],
      [null, "3"],
      ["4", "5"],
    ]);
  });
});

test("two hundred thousand of them are kept in the order of the file", async () => {
  const count = 400_000;
  const lines = Array.from({ length: count }, (_, i) =>
    i % 2 === 0 ? `${i},${i}` : `${i},"b"${i}`,
  );
  const back = await convertBytes(
    `a,b\n${lines.join("\n")}\n`,
    readOptions({ on_error: "reject" }),
  );
  expect(back.row_count).toBe(count / 2);
  expect(back.rejects?.row_count).toBe(count / 2);
  const wrong = back.rejected.filter(
    ([line, raw, reason], i) =>
      Number(line) !== 2 * i + 3 || raw !== lines[2 * i + 1] || reason !== "text_behind_quote",
  );
  expect(wrong).toEqual([]);
}, 60_000);

describe("random text", () => {
  const pieces = fc.constantFrom(
    '"',
    '""',
    ",",
    ",",
    "\n",
    "\n",
    "\r",
    "\r\n",
    "a",
    "1",
    "NA",
    "\\",
    "'",
    ";",
    "é",
    "2024-01-01",
  );
  const noise = fc.array(pieces, { maxLength: 80 }).map((parts) => parts.join(""));
  const seed = process.env["LAKEHOUSE_TEST_SEED"];
  const settings = (numRuns: number): fc.Parameters<unknown> => ({
    numRuns,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  });

  test("is divided into rows and rejects without a rest, each reject as it is written", async () => {
    await fc.assert(
      fc.asyncProperty(noise, async (text) => {
        const whole = `a,b\n${text}`;
        const back = await convertBytes(whole, readOptions({ on_error: "reject", delimiter: "," }));
        const [, ...records] = reference(whole).records.filter(({ blank }) => !blank);
        expect(back.row_count + back.rejected.length).toBe(records.length);
        expect(back.rejects?.row_count ?? 0).toBe(back.rejected.length);
        for (const [line, raw] of back.rejected) {
          const from = whole.split(/\r\n|\n|\r/).slice(Number(line) - 1);
          // As many lines as the record has; they are joined by whatever line ends it has.
          const count = (raw ?? "").split(/\r\n|\n|\r/).length;
          expect((raw ?? "").split(/\r\n|\n|\r/)).toEqual(from.slice(0, count));
        }
      }),
      settings(150),
    );
  }, 120_000);

  test("with random options is refused or read, and never breaks the converter", async () => {
    const options = fc.record(
      {
        header: fc.constantFrom("true", "false"),
        quote: fc.constantFrom("", '"', "'"),
        escape: fc.constantFrom("\\"),
        delimiter: fc.constantFrom(",", ";", "\\", "tab"),
        null: fc.constantFrom("NA", "1,a", "é"),
        types: fc.constantFrom('{"a":"BIGINT"}', '{"a":"DATE","b":"DOUBLE"}', '{"b":"VARCHAR"}'),
        on_error: fc.constantFrom("refuse", "reject"),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(options, noise, fc.boolean(), async (given, text, named) => {
        let back: ReadBack;
        try {
          back = await convertBytes(named ? `a,b\n${text}` : text, readOptions(given));
        } catch (error) {
          expect(error).toBeInstanceOf(LakehouseError);
          expect(["invalid_csv", "invalid_request"]).toContain(Object(error).code);
          return;
        }
        expect(back.rows).toHaveLength(back.row_count);
        expect(back.rejected).toHaveLength(back.rejects?.row_count ?? 0);
      }),
      settings(250),
    );
  }, 120_000);
});
