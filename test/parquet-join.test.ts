import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { joinParquet } from "../plugins/ingest-csv/parquet/join.ts";
import {
  readStruct,
  type ThriftStruct,
  type ThriftValue,
  writeStruct,
} from "../plugins/ingest-csv/parquet/thrift-compact.ts";

const folder = await mkdtemp(join(tmpdir(), "lakehouse-join-"));
let engine: DuckDBInstance;
let sql: DuckDBConnection;
beforeAll(async () => {
  engine = await DuckDBInstance.create(":memory:");
  sql = await engine.connect();
});
afterAll(async () => {
  sql.closeSync();
  engine.closeSync();
  await rm(folder, { recursive: true, force: true });
});

let files = 0;
const fresh = (): string => join(folder, `${files++}.parquet`);

async function write(select: string, options = ""): Promise<string> {
  const path = fresh();
  await sql.run(
    `COPY (${select}) TO '${path}' (FORMAT parquet, FIELD_IDS {a: 1, b: 2, c: 3}${options})`,
  );
  return path;
}

const rows = async (from: string): Promise<unknown> =>
  (await sql.runAndReadAll(`SELECT * FROM ${from}`)).getRowsJson();
const part = (from: number, to: number): string =>
  `SELECT i AS a, CASE WHEN i % 7 = 0 THEN NULL ELSE 'text ' || (i % 90) END AS b, i / 3 AS c FROM range(${from}, ${to}) t(i)`;

describe("joined Parquet files", () => {
  test("hold the rows of all parts in order, dictionaries, nulls and several row groups included", async () => {
    const parts = [
      await write(part(0, 10_000), ", ROW_GROUP_SIZE 2048"),
      await write(part(10_000, 10_001)),
      await write(part(10_001, 10_001)),
      await write(part(10_001, 40_000), ", ROW_GROUP_SIZE 4096"),
    ];
    const output = fresh();
    const joined = await joinParquet(parts, output);
    expect(joined.row_count).toBe(40_000);
    expect(joined.size_bytes).toBe(Bun.file(output).size);
    expect(joined.sha256).toBe(
      new Bun.CryptoHasher("sha256").update(await Bun.file(output).bytes()).digest("hex"),
    );
    expect(await rows(`'${output}'`)).toEqual(await rows(`(${part(0, 40_000)})`));
    // Statistics and bloom filters still point at their own row groups.
    expect(await rows(`(SELECT count(*) FROM '${output}' WHERE a BETWEEN 9990 AND 10010)`)).toEqual(
      [["21"]],
    );
    expect(await rows(`(SELECT count(*) FROM '${output}' WHERE b = 'text 5')`)).toEqual(
      await rows(`(SELECT count(*) FROM (${part(0, 40_000)}) WHERE b = 'text 5')`),
    );
    expect(
      await rows(
        `(SELECT name, field_id FROM parquet_schema('${output}') WHERE field_id IS NOT NULL)`,
      ),
    ).toEqual([
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
    ]);
  });

  test("of one part have the bytes of its pages", async () => {
    const only = await write(part(0, 100));
    const output = fresh();
    await joinParquet([only], output);
    expect(await rows(`'${output}'`)).toEqual(await rows(`'${only}'`));
  });

  test("must have one schema", async () => {
    const other = fresh();
    await sql.run(`COPY (SELECT 1 AS a) TO '${other}' (FORMAT parquet)`);
    expect(joinParquet([await write(part(0, 1)), other], fresh())).rejects.toThrow(
      "another schema",
    );
  });

  test("must be Parquet", async () => {
    const path = fresh();
    await Bun.write(path, "this is no Parquet file");
    expect(joinParquet([path], fresh())).rejects.toThrow(RangeError);
  });
});

const struct = (values: fc.Arbitrary<ThriftValue>): fc.Arbitrary<ThriftStruct> =>
  fc
    .array(fc.tuple(fc.integer({ min: 1, max: 40 }), values), { maxLength: 10 })
    .map((entries) => new Map(new Map(entries.sort(([a], [b]) => a - b))));

describe("the compact protocol", () => {
  const leaf = fc.oneof(
    fc.boolean().map((value): ThriftValue => ({ kind: "bool", value })),
    fc
      .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
      .map((value): ThriftValue => ({ kind: "int", type: 6, value })),
    fc.nat(255).map((value): ThriftValue => ({ kind: "int", type: 3, value: BigInt(value) })),
    fc.uint8Array({ maxLength: 300 }).map((bytes): ThriftValue => ({ kind: "binary", bytes })),
    fc
      .uint8Array({ minLength: 8, maxLength: 8 })
      .map((bytes): ThriftValue => ({ kind: "double", bytes })),
    fc.array(fc.integer(), { maxLength: 40 }).map((numbers): ThriftValue => ({
      kind: "list",
      element: 5,
      items: numbers.map((each): ThriftValue => ({ kind: "int", type: 5, value: BigInt(each) })),
    })),
  );
  const nested = struct(
    fc.oneof(
      leaf,
      struct(leaf).map((fields): ThriftValue => ({ kind: "struct", fields })),
    ),
  );

  test("gives back what was written", () => {
    fc.assert(
      fc.property(nested, (fields) => {
        expect([...readStruct(writeStruct(fields))]).toEqual([...fields]);
      }),
    );
  });

  test("refuses bytes that are cut off", () => {
    fc.assert(
      fc.property(nested, (fields) => {
        const bytes = writeStruct(fields);
        expect(() => readStruct(bytes.subarray(0, bytes.length - 1))).toThrow(RangeError);
      }),
    );
  });
});
