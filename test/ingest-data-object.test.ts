import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { readAll } from "../core/storage.ts";
import { contentId, dataKey, storeObject } from "../plugins/ingest-csv/data-object.ts";
import { schemaIdentity } from "../plugins/ingest-csv/ingest-commit.ts";
import { FsStore } from "../plugins/storage-fs/store.ts";

const codec = {
  format: "csv",
  version: "1",
  canonicalOptions: (options: Readonly<Record<string, string>>) => ({ ...options }),
};

test("the content id follows the bytes, the options and the converter, and nothing else", () => {
  const id = contentId(codec, { delimiter: ";" }, "ab".repeat(32), [1, 2]);
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(contentId(codec, { delimiter: ";" }, "ab".repeat(32), [1, 2])).toBe(id);
  const others = [
    contentId(codec, { delimiter: ";" }, "ac".repeat(32), [1, 2]),
    contentId(codec, {}, "ab".repeat(32), [1, 2]),
    contentId({ ...codec, version: "2" }, { delimiter: ";" }, "ab".repeat(32), [1, 2]),
    contentId({ ...codec, format: "jsonl" }, { delimiter: ";" }, "ab".repeat(32), [1, 2]),
  ];
  expect(new Set([id, ...others]).size).toBe(5);
});

test("the key holds the name, the fingerprint without its prefix, and the content id", () => {
  expect(dataKey("sales", `sha256:${"0".repeat(64)}`, "f".repeat(32))).toBe(
    `datasets/sales/${"0".repeat(64)}/${"f".repeat(32)}.parquet`,
  );
});

test("an object that is whole is left alone; a damaged or a shortened one is written again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lakehouse-object-"));
  const store = new FsStore({ path: join(folder, "data") });
  await store.open();
  try {
    const path = join(folder, "output.parquet");
    const bytes = "the bytes of the object";
    await writeFile(path, bytes);
    const object = {
      key: "datasets/x/0/1.parquet",
      size: bytes.length,
      sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex"),
    };
    const stored = async (): Promise<string> => {
      const found = await store.get(object.key);
      if (found === undefined) throw new Error("the object is gone");
      return Buffer.from(await readAll(found, 1000)).toString();
    };
    await storeObject(store, object, path);
    const first = await store.head(object.key);
    await storeObject(store, object, path);
    expect((await store.head(object.key))?.etag).toBe(first?.etag ?? "missing");
    for (const damaged of ["the bytes of the OBJECT", "the bytes"]) {
      await store.put(object.key, { kind: "bytes", bytes: Buffer.from(damaged) });
      await storeObject(store, object, path);
      expect(await stored()).toBe("the bytes of the object");
    }
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("a schema is another one if an id, a count of digits or the ids used up differ, whatever the version", () => {
  const column = { id: 1, name: "n", type: "int64", nullable: true, integer_digits: 3 };
  const manifest = {
    dataset_id: "d",
    name: "x",
    schema_fingerprint: "sha256:a",
    objects: [],
    created_at: "",
    updated_at: "",
    version: 1,
    columns: [column],
    last_column_id: 1,
  };
  const same = schemaIdentity({ ...manifest, version: 7, updated_at: "later" });
  expect(same).toBe(schemaIdentity(manifest));
  const others = [
    schemaIdentity(undefined),
    schemaIdentity({ ...manifest, schema_fingerprint: "sha256:b" }),
    schemaIdentity({ ...manifest, columns: [{ ...column, id: 2 }] }),
    schemaIdentity({ ...manifest, columns: [{ ...column, integer_digits: 18 }] }),
    schemaIdentity({ ...manifest, last_column_id: 5 }),
  ];
  expect(new Set([same, ...others]).size).toBe(6);
});
