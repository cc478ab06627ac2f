import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { tableFromIPC, Vector } from "apache-arrow";
import fc from "fast-check";
import { readParquet } from "parquet-wasm/esm";
import type { Column, DataObject, Manifest } from "../core/services.ts";
import { datasetId } from "../plugins/catalog/dataset-id.ts";
import { type ManifestCodec, openManifestCodec } from "../plugins/catalog/manifest-file.ts";
import { COMMIT_RING, type StoredManifest } from "../plugins/catalog/manifest.ts";
import { propertySeed } from "./conformance/storage-bytes.ts";

let codec: ManifestCodec;
let folder: string;
beforeAll(async () => {
  codec = await openManifestCodec();
  folder = await mkdtemp(join(tmpdir(), "lakehouse-manifest-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const sample: StoredManifest = {
  manifest: {
    dataset_id: datasetId("airports"),
    name: "airports",
    schema_fingerprint: "sha256:abc",
    objects: [
      { key: "datasets/airports/f/1.parquet", size: Number.MAX_SAFE_INTEGER },
      {
        key: "données/日本/𝄞.parquet",
        size: 0,
        sha256: "ab".repeat(32),
        row_count: 0,
        columns: [{ id: 1, name: "citta", type: "int64" }],
      },
    ],
    created_at: "2026-01-02T03:04:05.678Z",
    updated_at: "2026-01-02T03:04:05.679Z",
    row_count: 2 ** 31,
    version: 7,
    columns: [
      { id: 1, name: "città", type: "utf8", nullable: true, integer_digits: 19 },
      { id: 9, name: 'a "quoted"\nname', type: "timestamp[us, tz=UTC]", nullable: false },
    ],
    last_column_id: 12,
  },
  incarnation: "first",
  recent_commits: ["first", "second"],
};

const unicode = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: "binary", minLength: 1, maxLength });

const physical = {
  id: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  name: unicode(40),
  type: unicode(20),
};

const stored: fc.Arbitrary<StoredManifest> = fc
  .record({
    schema_fingerprint: unicode(80),
    objects: fc.array(
      fc.record<DataObject>(
        {
          key: unicode(60),
          size: fc.maxSafeNat(),
          sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
          row_count: fc.maxSafeNat(),
          columns: fc.array(fc.record(physical), { maxLength: 3 }),
        },
        { requiredKeys: ["key", "size"] },
      ),
      { maxLength: 20 },
    ),
    version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    row_count: fc.option(fc.maxSafeNat(), { nil: undefined }),
    columns: fc.option(
      fc.array(
        fc.record<Column>(
          {
            ...physical,
            nullable: fc.boolean(),
            integer_digits: fc.nat(400),
            fraction_digits: fc.nat(400),
          },
          { requiredKeys: ["id", "name", "type", "nullable"] },
        ),
        { maxLength: 30 },
      ),
      { nil: undefined },
    ),
    last_column_id: fc.option(fc.nat(2 ** 31 - 1), { nil: undefined }),
    incarnation: unicode(40),
    recent_commits: fc.array(fc.uuid(), { minLength: 1, maxLength: COMMIT_RING }),
  })
  .map(({ incarnation, recent_commits, row_count, columns, last_column_id, ...rest }) => {
    const manifest: Manifest = {
      dataset_id: datasetId("property"),
      name: "property",
      created_at: "2026-01-02T03:04:05.678Z",
      updated_at: "2026-01-02T03:04:05.678Z",
      ...rest,
      ...(row_count === undefined ? {} : { row_count }),
      ...(columns === undefined ? {} : { columns }),
      ...(last_column_id === undefined ? {} : { last_column_id }),
    };
    return { manifest, incarnation, recent_commits };
  });

describe("a manifest file", () => {
  test("gives back every manifest exactly", () => {
    fc.assert(
      fc.property(stored, (each) => {
        expect(codec.decode(codec.encode(each), "property")).toStrictEqual(each);
      }),
      { numRuns: 200, ...propertySeed() },
    );
  });

  test("holds in its Parquet columns what it holds in its envelope", () => {
    fc.assert(
      fc.property(stored, (each) => {
        expect(columnsOf(codec.encode(each))).toStrictEqual({
          ...each.manifest,
          incarnation: each.incarnation,
          recent_commits: each.recent_commits,
        });
      }),
      { numRuns: 200, ...propertySeed() },
    );
  });

  test("tells absent columns from no columns, and holds thousands of objects", () => {
    const { columns: _, ...bare } = sample.manifest;
    const objects = Array.from({ length: 5000 }, (_, i) => ({ key: `k/${i}`, size: i }));
    for (const manifest of [bare, { ...bare, columns: [] }, { ...bare, objects }]) {
      const each: StoredManifest = { manifest, incarnation: "i", recent_commits: ["x"] };
      const bytes = codec.encode(each);
      expect(codec.decode(bytes, "airports")).toStrictEqual(each);
      expect(columnsOf(bytes)).toStrictEqual({
        ...manifest,
        incarnation: "i",
        recent_commits: ["x"],
      });
    }
  });

  test("is read by DuckDB with nested lists and 64-bit sizes", async () => {
    const path = join(folder, "airports.parquet");
    await Bun.write(path, codec.encode(sample));
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const types = await connection.runAndReadAll(
      `SELECT column_name, column_type FROM (DESCRIBE FROM '${path}')`,
    );
    expect(types.getRowsJson()).toEqual([
      ["name", "VARCHAR"],
      ["dataset_id", "VARCHAR"],
      ["schema_fingerprint", "VARCHAR"],
      ["version", "BIGINT"],
      ["created_at", "VARCHAR"],
      ["updated_at", "VARCHAR"],
      ["row_count", "BIGINT"],
      [
        "objects",
        'STRUCT("key" VARCHAR, size BIGINT, sha256 VARCHAR, row_count BIGINT, "columns" STRUCT(id INTEGER, "name" VARCHAR, "type" VARCHAR)[])[]',
      ],
      [
        "columns",
        'STRUCT(id INTEGER, "name" VARCHAR, "type" VARCHAR, nullable BOOLEAN, integer_digits BIGINT, fraction_digits BIGINT)[]',
      ],
      ["last_column_id", "INTEGER"],
      ["incarnation", "VARCHAR"],
      ["recent_commits", "VARCHAR[]"],
    ]);
    const rows = await connection.runAndReadAll(
      `SELECT o.key, o.size::VARCHAR, o.sha256 FROM (SELECT unnest(objects) AS o FROM '${path}')`,
    );
    expect(rows.getRowsJson()).toEqual([
      ["datasets/airports/f/1.parquet", "9007199254740991", null],
      ["données/日本/𝄞.parquet", "0", "ab".repeat(32)],
    ]);
    const columns = await connection.runAndReadAll(
      `SELECT c.id, c.name, c.type, c.nullable FROM (SELECT unnest(columns) AS c FROM '${path}')`,
    );
    expect(columns.getRowsJson()).toEqual([
      [1, "città", "utf8", true],
      [9, 'a "quoted"\nname', "timestamp[us, tz=UTC]", false],
    ]);
    connection.closeSync();
    instance.closeSync();
  });

  test("is refused under another name", () => {
    expect(() => codec.decode(codec.encode(sample), "Airports")).toThrow(
      'It is the manifest of "airports", not of Airports.',
    );
  });

  test("is refused with a dataset id that is not the one of its name", () => {
    const manifest = { ...sample.manifest, dataset_id: datasetId("other") };
    expect(() => codec.decode(codec.encode({ ...sample, manifest }), "airports")).toThrow(
      "not the one of airports",
    );
  });
});

/** The one row of the file as every Parquet reader sees it; a null is an absent member. */
function columnsOf(bytes: Uint8Array): unknown {
  const table = tableFromIPC(readParquet(bytes).intoIPCStream());
  if (table.numRows !== 1) throw new Error(`${table.numRows} rows`);
  return plain(table.get(0));
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Vector) return Array.from(value, plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => (each === null ? [] : [[key, plain(each)]])),
  );
}

describe("a dataset id", () => {
  test("is the UUIDv5 that Python's uuid module gives for the name", () => {
    const golden: readonly [string, string][] = [
      ["airports", "971cb334-1da5-51fb-8a59-a3e5fec8e01c"],
      ["a", "e407b3cd-f733-5b16-8857-e7238483c721"],
      ["A", "a1fef1e1-d548-5c49-8684-053f6c7d6b9d"],
      ["_", "ad48b5af-0d37-5e3f-907e-f1642cf4f250"],
      ["__proto__", "8864c0d0-feb0-51ea-8cdf-b13bdeacdd66"],
      ["sales.2024-q1", "cd55cb47-d7ef-5cd5-a0bd-16b9618bf071"],
      ["x".repeat(128), "8b317fdf-637e-59da-846e-7c417b64bc89"],
    ];
    for (const [name, id] of golden) expect(datasetId(name)).toBe(id);
  });
});
