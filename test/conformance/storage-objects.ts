import { expect } from "bun:test";
import { body, bytesOf, expectCode, patternBytes, textOf } from "./storage-bytes.ts";
import type { Suite } from "./storage.ts";

/** Put, get, head, delete and ranges of whole objects. */
export function objectTests(suite: Suite): void {
  const { claim } = suite;

  claim("what is put is what get and head give back", async () => {
    const store = suite.store();
    const key = `${suite.prefix()}one`;
    const put = await store.put(key, body("hello"));
    expect(put.key).toBe(key);
    expect(put.size_bytes).toBe(5);
    expect(put.etag).not.toBe("");
    expect(put.etag).not.toContain('"');
    expect(Math.abs(Date.now() - put.last_modified.getTime())).toBeLessThan(10 * 60_000);
    const got = await store.get(key);
    expect(got?.info.size_bytes).toBe(5);
    expect(got?.info.etag).toBe(put.etag);
    for await (const _ of got?.stream ?? []);
    const head = await store.head(key);
    expect(head?.key).toBe(key);
    expect(head?.size_bytes).toBe(5);
    expect(head?.etag).toBe(put.etag);
    expect(await textOf(store, key)).toBe("hello");
  });

  claim("every byte value comes back", async () => {
    const key = `${suite.prefix()}bytes`;
    const bytes = Uint8Array.from({ length: 1024 }, (_, index) => index % 256);
    await suite.store().put(key, body(bytes));
    expect(await bytesOf(suite.store(), key)).toEqual(Buffer.from(bytes));
  });

  claim("an empty object is an object", async () => {
    const store = suite.store();
    const key = `${suite.prefix()}empty`;
    expect((await store.put(key, body(""))).size_bytes).toBe(0);
    expect((await store.head(key))?.size_bytes).toBe(0);
    expect(await textOf(store, key)).toBe("");
    expect(await store.delete(key)).toBe(true);
  });

  claim("a view into a larger buffer stores the view only", async () => {
    const key = `${suite.prefix()}view`;
    await suite.store().put(key, body(Buffer.from("xxmiddlexx").subarray(2, 8)));
    expect(await textOf(suite.store(), key)).toBe("middle");
  });

  claim("an overwrite changes bytes, size and etag", async () => {
    const store = suite.store();
    const key = `${suite.prefix()}overwritten`;
    const etags = new Set<string>();
    for (let turn = 0; turn < 20; turn++) {
      const text = `version ${String(turn).padStart(2, "0")}`;
      etags.add((await store.put(key, body(text))).etag);
      expect(await textOf(store, key)).toBe(text);
    }
    expect(etags.size).toBe(20);
  });

  claim("a deleted and recreated object has another etag", async () => {
    const store = suite.store();
    const key = `${suite.prefix()}recreated`;
    const first = await store.put(key, body("aaaa"));
    await store.delete(key);
    const second = await store.put(key, body("bbbb"));
    expect(second.etag).not.toBe(first.etag);
  });

  claim("what is absent is undefined, and deleting it answers false", async () => {
    const store = suite.store();
    const key = `${suite.prefix()}absent`;
    expect(await store.get(key)).toBeUndefined();
    expect(await store.get(key, { range: { offset: 0, length: 1 } })).toBeUndefined();
    expect(await store.head(key)).toBeUndefined();
    expect(await store.delete(key)).toBe(false);
    expect(await store.get(`${key}/below/it`)).toBeUndefined();
  });

  claim("delete answers true once, and the object is gone", async () => {
    const store = suite.store();
    const key = `${suite.prefix()}deleted`;
    await store.put(key, body("x"));
    expect(await store.delete(key)).toBe(true);
    expect(await store.delete(key)).toBe(false);
    expect(await store.head(key)).toBeUndefined();
    expect(await store.get(key)).toBeUndefined();
  });

  claim("a second store over the same place sees the same objects", async () => {
    const key = `${suite.prefix()}shared`;
    const info = await suite.store().put(key, body("shared"));
    const second = await suite.target().reopen();
    try {
      expect(await textOf(second.store, key)).toBe("shared");
      expect((await second.store.head(key))?.etag).toBe(info.etag);
      expect(await second.store.delete(key)).toBe(true);
      expect(await suite.store().head(key)).toBeUndefined();
    } finally {
      await second.close();
    }
  });

  rangeTests(suite);
  localPathTests(suite);
}

function rangeTests(suite: Suite): void {
  const { claim } = suite;
  const bytes = patternBytes(200_000, 3);

  claim("a range gives exactly its bytes", async () => {
    const store = suite.store();
    const key = `${suite.prefix()}ranges`;
    await store.put(key, body(bytes));
    const part = async (offset: number, length?: number): Promise<Uint8Array | undefined> =>
      bytesOf(store, key, length === undefined ? { offset } : { offset, length });
    expect(await part(0, 10)).toEqual(Buffer.from(bytes.subarray(0, 10)));
    expect(await part(0)).toEqual(Buffer.from(bytes));
    expect(await part(65_535, 70_002)).toEqual(Buffer.from(bytes.subarray(65_535, 135_537)));
    expect(await part(199_990)).toEqual(Buffer.from(bytes.subarray(199_990)));
    expect(await part(199_999, 1)).toEqual(Buffer.from(bytes.subarray(199_999)));
  });

  claim("a range that reaches past the end stops at the end", async () => {
    const key = `${suite.prefix()}clamped`;
    await suite.store().put(key, body("0123456789"));
    expect(await bytesOf(suite.store(), key, { offset: 7, length: 100 })).toEqual(
      Buffer.from("789"),
    );
  });

  claim("info of a range describes the whole object", async () => {
    const key = `${suite.prefix()}range-info`;
    const put = await suite.store().put(key, body("0123456789"));
    const object = await suite.store().get(key, { range: { offset: 2, length: 3 } });
    expect(object?.info.size_bytes).toBe(10);
    expect(object?.info.etag).toBe(put.etag);
    for await (const _ of object?.stream ?? []);
  });

  claim("an offset at or past the end is range_not_satisfiable", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    await store.put(`${prefix}ten`, body("0123456789"));
    await store.put(`${prefix}empty`, body(""));
    await expectCode(store.get(`${prefix}ten`, { range: { offset: 10 } }), "range_not_satisfiable");
    await expectCode(
      store.get(`${prefix}ten`, { range: { offset: 1e12 } }),
      "range_not_satisfiable",
    );
    await expectCode(
      store.get(`${prefix}empty`, { range: { offset: 0 } }),
      "range_not_satisfiable",
    );
  });
}

function localPathTests(suite: Suite): void {
  suite.claim(
    "the local path of an object holds its bytes",
    async () => {
      const store = suite.store();
      const key = `${suite.prefix()}local.parquet`;
      await store.put(key, body("local"));
      const path = await store.localPath?.(key);
      expect(await Bun.file(path ?? "").text()).toBe("local");
      await store.delete(key);
      expect(await store.localPath?.(key)).toBeUndefined();
    },
    "local_path",
  );
}
