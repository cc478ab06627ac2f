import { beforeAll, describe, expect, test } from "bun:test";
import { tableFromIPC, tableToIPC } from "apache-arrow";
import fc from "fast-check";
import {
  EnabledStatistics,
  readParquet,
  Table,
  WriterPropertiesBuilder,
  writeParquet,
} from "parquet-wasm/esm";
import { datasetId } from "../plugins/catalog/dataset-id.ts";
import {
  ENVELOPE_KEY,
  FORMAT_KEY,
  type ManifestCodec,
  openManifestCodec,
} from "../plugins/catalog/manifest-file.ts";
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
  incarnation: "one",
  recent_commits: ["one"],
};

let codec: ManifestCodec;
let file: Uint8Array;
beforeAll(async () => {
  codec = await openManifestCodec();
  file = codec.encode(sample);
});

/** The same table as a Parquet file with this metadata; sealed if there is a place for a seal. */
function rewrite(metadata: Readonly<Record<string, string>>): Uint8Array {
  const table = tableFromIPC(readParquet(file).intoIPCStream());
  table.schema.metadata.clear();
  const properties = new WriterPropertiesBuilder()
    .setStatisticsEnabled(EnabledStatistics.None)
    .setKeyValueMetadata(new Map(Object.entries(metadata)))
    .build();
  const bytes = writeParquet(Table.fromIPCStream(tableToIPC(table, "stream")), properties);
  if (SEAL_KEY in metadata) sealFile(bytes);
  return bytes;
}

const sealed = (entries: Readonly<Record<string, string>>): Uint8Array =>
  rewrite({ ...entries, [SEAL_KEY]: BLANK_SEAL });

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

  test("cannot be undermined by a column name that imitates an entry of the metadata", () => {
    for (const key of [SEAL_KEY, FORMAT_KEY, ENVELOPE_KEY]) {
      const value = key === SEAL_KEY ? BLANK_SEAL : "9";
      const lengths = [key, value].map((part) => String.fromCharCode(part.length));
      const name = `\u0018${lengths[0]}${key}\u0018${lengths[1]}${value}`;
      const columns = [{ id: 1, name, type: "utf8", nullable: true }];
      const each = { ...sample, manifest: { ...sample.manifest, columns } };
      const bytes = codec.encode(each);
      expect(codec.decode(bytes, "sealed")).toStrictEqual(each);
      bytes[20] = (bytes[20] ?? 0) ^ 1;
      expect(() => codec.decode(bytes, "sealed")).toThrow(/seal/);
    }
  });
});

describe("a well-formed Parquet file that is no manifest of ours", () => {
  test("is refused without a seal", () => {
    expect(() => codec.decode(rewrite({ [FORMAT_KEY]: "1" }), "sealed")).toThrow("carries no seal");
  });

  test("is refused when it has a newer format, with a message that says so", () => {
    expect(() => codec.decode(sealed({ [FORMAT_KEY]: "3" }), "sealed")).toThrow(
      "It has manifest format 3, written by a newer version of this program; this one reads up to 2.",
    );
  });

  test("of format 1 is read: its dataset is told from others by its creation", () => {
    const { manifest, recent_commits } = sample;
    const envelope = JSON.stringify({ ...manifest, recent_commits });
    const bytes = sealed({ [FORMAT_KEY]: "1", [ENVELOPE_KEY]: envelope });
    expect(codec.decode(bytes, "sealed")).toStrictEqual({
      ...sample,
      incarnation: manifest.created_at,
    });
  });

  test("is refused when it names no format", () => {
    for (const format of ["", "0", "-1", "one", "1.0"]) {
      expect(() => codec.decode(sealed({ [FORMAT_KEY]: format }), "sealed")).toThrow(
        "which manifest format",
      );
    }
    expect(() => codec.decode(sealed({}), "sealed")).toThrow("which manifest format");
  });

  test("is refused when its envelope is missing, no JSON, or of another shape", () => {
    const { manifest, recent_commits } = sample;
    const good = { ...manifest, recent_commits };
    const envelope = (value: unknown): Uint8Array =>
      sealed({ [FORMAT_KEY]: "1", [ENVELOPE_KEY]: JSON.stringify(value) });
    expect(codec.decode(envelope(good), "sealed").manifest).toStrictEqual(manifest);
    expect(() => codec.decode(sealed({ [FORMAT_KEY]: "1" }), "sealed")).toThrow("not as expected");
    const broken = sealed({ [FORMAT_KEY]: "1", [ENVELOPE_KEY]: "{" });
    expect(() => codec.decode(broken, "sealed")).toThrow("not JSON");
    for (const bad of [
      { ...good, version: 0 },
      { ...good, version: 1.5 },
      { ...good, updated_at: "yesterday" },
      { ...good, recent_commits: [] },
      { ...good, objects: [{ key: "k", size: -1 }] },
      { ...good, more: 1 },
      [],
    ]) {
      expect(() => codec.decode(envelope(bad), "sealed")).toThrow("is not as expected");
    }
  });
});
