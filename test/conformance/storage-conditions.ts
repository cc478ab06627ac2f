import { expect } from "bun:test";
import { hasCode } from "../../core/error.ts";
import type { ObjectStore } from "../../core/storage.ts";
import { body, expectCode, textOf } from "./storage-bytes.ts";
import type { Suite } from "./storage.ts";

const WRITERS = 8;

/** Create-only and compare-and-swap, alone and in races between independent stores. */
export function conditionTests(suite: Suite): void {
  const claim = (name: string, run: () => Promise<void>): void =>
    suite.claim(name, run, "conditional_put");

  claim("create-only stores what is new and refuses what is there", async () => {
    const store = suite.store();
    const key = `${suite.prefix()}created`;
    const info = await store.put(key, body("first"), { if_absent: true });
    await expectCode(store.put(key, body("second"), { if_absent: true }), "precondition_failed");
    expect(await textOf(store, key)).toBe("first");
    expect((await store.head(key))?.etag).toBe(info.etag);
    await store.delete(key);
    await store.put(key, body("third"), { if_absent: true });
    expect(await textOf(store, key)).toBe("third");
    expect(await suite.target().leftovers()).toEqual([]);
  });

  claim("compare-and-swap replaces the version it names and no other", async () => {
    const store = suite.store();
    const key = `${suite.prefix()}swapped`;
    const first = await store.put(key, body("one"));
    const second = await store.put(key, body("two"), { if_match: first.etag });
    await expectCode(store.put(key, body("lost"), { if_match: first.etag }), "precondition_failed");
    expect(await textOf(store, key)).toBe("two");
    await store.put(key, body("six"), { if_match: second.etag });
    expect(await textOf(store, key)).toBe("six");
  });

  claim("the etags of put, get, head and list all serve compare-and-swap", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    const key = `${prefix}etags`;
    let etag: string | undefined = (await store.put(key, body("put"))).etag;
    const swap = async (text: string): Promise<void> => {
      await store.put(key, body(text), { if_match: etag ?? "" });
    };
    await swap("head");
    etag = (await store.head(key))?.etag;
    await swap("get");
    const object = await store.get(key);
    for await (const _ of object?.stream ?? []);
    etag = object?.info.etag;
    await swap("list");
    etag = (await store.list({ prefix })).objects[0]?.etag;
    await swap("done");
    expect(await textOf(store, key)).toBe("done");
  });

  claim("compare-and-swap on what is absent or recreated is refused", async () => {
    const store = suite.store();
    const key = `${suite.prefix()}gone`;
    await expectCode(store.put(key, body("x"), { if_match: "none" }), "precondition_failed");
    expect(await store.head(key)).toBeUndefined();
    const { etag } = await store.put(key, body("aaaa"));
    await store.delete(key);
    await expectCode(store.put(key, body("x"), { if_match: etag }), "precondition_failed");
    await store.put(key, body("bbbb"));
    await expectCode(store.put(key, body("x"), { if_match: etag }), "precondition_failed");
    expect(await textOf(store, key)).toBe("bbbb");
  });

  raceTests(suite, claim);
}

function raceTests(suite: Suite, claim: (name: string, run: () => Promise<void>) => void): void {
  claim("of many creators of one key exactly one wins", async () => {
    await withTwoStores(suite, async (stores) => {
      for (let round = 0; round < 5; round++) {
        const key = `${suite.prefix()}raced`;
        const wins: string[] = [];
        await Promise.all(
          Array.from({ length: WRITERS }, async (_, writer) => {
            const text = `writer ${writer}`;
            const store = stores[writer % 2] ?? suite.store();
            if (await won(store.put(key, body(text), { if_absent: true }))) wins.push(text);
          }),
        );
        expect(wins).toHaveLength(1);
        expect([await textOf(suite.store(), key)]).toEqual(wins);
      }
    });
  });

  claim("of many swaps from one version exactly one wins", async () => {
    await withTwoStores(suite, async (stores) => {
      const key = `${suite.prefix()}swap-race`;
      const { etag } = await suite.store().put(key, body("start"));
      const wins: string[] = [];
      await Promise.all(
        Array.from({ length: WRITERS }, async (_, writer) => {
          const text = `swap ${writer}`;
          const store = stores[writer % 2] ?? suite.store();
          if (await won(store.put(key, body(text), { if_match: etag }))) wins.push(text);
        }),
      );
      expect(wins).toHaveLength(1);
      expect([await textOf(suite.store(), key)]).toEqual(wins);
    });
  });

  claim("counters that retry lose no increment", async () => {
    await withTwoStores(suite, async (stores) => {
      const key = `${suite.prefix()}counter`;
      await suite.store().put(key, body("0"));
      const each = 5;
      await Promise.all(
        Array.from({ length: WRITERS }, async (_, writer) => {
          const store = stores[writer % 2] ?? suite.store();
          for (let done = 0; done < each; done++) await increment(store, key);
        }),
      );
      expect(await textOf(suite.store(), key)).toBe(String(WRITERS * each));
    });
  });
}

/** Reads, adds one and swaps, until the swap wins. */
async function increment(store: ObjectStore, key: string): Promise<void> {
  for (;;) {
    const object = await store.get(key);
    let text = "";
    for await (const chunk of object?.stream ?? []) text += Buffer.from(chunk).toString();
    const if_match = object?.info.etag ?? "";
    if (await won(store.put(key, body(String(Number(text) + 1)), { if_match }))) return;
  }
}

/** True if the put was stored, false if its condition failed; anything else is thrown. */
async function won(put: Promise<unknown>): Promise<boolean> {
  try {
    await put;
    return true;
  } catch (error) {
    if (hasCode(error, "precondition_failed")) return false;
    throw error;
  }
}

async function withTwoStores(
  suite: Suite,
  run: (stores: readonly ObjectStore[]) => Promise<void>,
): Promise<void> {
  const second = await suite.target().reopen();
  try {
    await run([suite.store(), second.store]);
  } finally {
    await second.close();
  }
}
