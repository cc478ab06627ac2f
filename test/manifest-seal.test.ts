import { beforeAll, describe, expect, test } from "bun:test";
import { tableFromIPC, tableToIPC } from "apache-arrow";
import fc from "fast-check";
import { readParquet, Table, WriterPropertiesBuilder, writeParquet } from "parquet-wasm/esm";
import { datasetId } from "../plugins/catalog/dataset-id.ts";
import { type ManifestCodec, openManifestCodec } from "../plugins/catalog/manifest-file.ts";
import type { StoredManifest } from "../plugins/catalog/manifest.ts";
import { BLANK_SEAL, checkSeal, SEAL_KEY, sealFile } from "../plugins/catalog/seal.ts";
import { propertySeed } from "./conformance/storage-bytes.ts";

const sample: StoredManifest = {
  manifest: {
    dataset_id: datasetId("sealed"),
    name: "sealed",
    schema_fingerprint: "fp",
    objects: [{ key: "datasets/sealed/f/1.parquet", size: 12, sha256: "0f".repeat(32) }],
    created_at: "2026-01-02T03:04:05.678Z",
    updated_at: "2026-01-02T03:04:05.678Z",
    row_count: 3,
    version: 1,
    columns: [{ id: 1, name: "a", type: "int64", nullable: false }],
  },
  recent_commits: ["one"],
};

let codec: ManifestCodec;
let file: Uint8Array;
beforeAll(async () => {
  codec = await openManifestCodec();
  file = codec.encode(sample);
});

/** The same table as a Parquet file with other key-value metadata, sealed unless told otherwise. */
function rewrite(
  metadata: ReadonlyMap<string, string>,
  seal = true,
  table = tableFromIPC(readParquet(file).intoIPCStream()),
): Uint8Array {
  table.schema.metadata.clear();
  const properties = new WriterPropertiesBuilder().setKeyValueMetadata(new Map(metadata)).build();
  const bytes = writeParquet(Table.fromIPCStream(tableToIPC(table, "stream")), properties);
  if (seal) sealFile(bytes);
  return bytes;
}

describe("a sealed manifest file", () => {
  test("is accepted as it was written", () => {
    expect(codec.decode(file, "sealed")).toStrictEqual(sample);
  });

  test("is refused with any single bit flipped", () => {
    // Every byte once, each time another bit; all eight bits are tried all over the file.
    for (let i = 0; i < file.length; i += 1) {
      const damaged = file.slice();
      damaged[i] = (damaged[i] ?? 0) ^ (1 << (i % 8));
      expect(() => checkSeal(damaged)).toThrow();
    }
    fc.assert(
      fc.property(fc.nat(file.length * 8 - 1), (bit) => {
        const damaged = file.slice();
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => codec.decode(damaged, "sealed")).toThrow(/seal/);
      }),
      { numRuns: 1000, ...propertySeed() },
    );
  });

  test("is refused at every shorter length, and with bytes added", () => {
    for (let length = 0; length < file.length; length += 1) {
      expect(() => codec.decode(file.slice(0, length), "sealed")).toThrow(/seal|empty/);
    }
    expect(() => codec.decode(Buffer.concat([file, Buffer.from("x")]), "sealed")).toThrow(/seal/);
  });

  test("is refused with a stretch zeroed or overwritten", () => {
    fc.assert(
      fc.property(fc.nat(file.length - 9), fc.integer({ min: 1, max: 8 }), (at, length) => {
        const damaged = file.slice();
        damaged.fill(0, at, at + length);
        const changed = !Buffer.from(damaged).equals(file);
        if (changed) expect(() => codec.decode(damaged, "sealed")).toThrow(/seal/);
        const overwritten = file.slice();
        overwritten.copyWithin(at, 0, length);
        if (!Buffer.from(overwritten).equals(file)) {
          expect(() => codec.decode(overwritten, "sealed")).toThrow(/seal/);
        }
      }),
      { numRuns: 500, ...propertySeed() },
    );
  });

  test("cannot be undermined by a column name that imitates the seal", () => {
    const name = `\u0018\u0010${SEAL_KEY}\u0018\u0040${BLANK_SEAL}`;
    const columns = [{ id: 1, name, type: "utf8", nullable: true }];
    const each = { ...sample, manifest: { ...sample.manifest, columns } };
    const bytes = codec.encode(each);
    expect(codec.decode(bytes, "sealed")).toStrictEqual(each);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    expect(() => codec.decode(bytes, "sealed")).toThrow(/seal/);
  });
});

describe("a well-formed Parquet file that is no manifest of ours", () => {
  test("is refused without a seal", () => {
    const metadata = new Map([["lakehouse.format", "1"]]);
    expect(() => codec.decode(rewrite(metadata, false), "sealed")).toThrow("carries no seal");
  });

  test("is refused when it has a newer format, with a message that says so", () => {
    const metadata = new Map([
      ["lakehouse.format", "2"],
      [SEAL_KEY, BLANK_SEAL],
    ]);
    expect(() => codec.decode(rewrite(metadata), "sealed")).toThrow(
      "It has manifest format 2, written by a newer version of this program; this one reads up to 1.",
    );
  });

  test("is refused when its columns are others", () => {
    const table = tableFromIPC(readParquet(file).intoIPCStream()).select(["name", "version"]);
    const metadata = new Map([
      ["lakehouse.format", "1"],
      [SEAL_KEY, BLANK_SEAL],
    ]);
    expect(() => codec.decode(rewrite(metadata, true, table), "sealed")).toThrow(
      "Its columns are not those of a manifest.",
    );
  });

  test("is refused when it names no format", () => {
    for (const format of ["", "0", "-1", "one", "1.0"]) {
      const metadata = new Map([
        ["lakehouse.format", format],
        [SEAL_KEY, BLANK_SEAL],
      ]);
      expect(() => codec.decode(rewrite(metadata), "sealed")).toThrow("which manifest format");
    }
    expect(() => codec.decode(rewrite(new Map([[SEAL_KEY, BLANK_SEAL]])), "sealed")).toThrow(
      "which manifest format",
    );
  });
});
