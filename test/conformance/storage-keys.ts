import { expect } from "bun:test";
import { KEY_LIMIT_BYTES } from "../../core/storage.ts";
import { body, byteOrder, expectCode, keysOf, textOf } from "./storage-bytes.ts";
import type { Suite } from "./storage.ts";

/** Keys that break the rules of `checkKey`, by the rule they break. */
export const invalidKeys: Readonly<Record<string, string>> = {
  empty: "",
  "leading slash": "/a",
  "trailing slash": "a/",
  "double slash": "a//b",
  "only a slash": "/",
  "dot segment": "a/./b",
  "dot alone": ".",
  "dot dot segment": "a/../b",
  "dot dot alone": "..",
  traversal: "../../etc/passwd",
  NUL: "a\u0000b",
  newline: "a\nb",
  delete: "a\u007fb",
  "C1 control": "a\u0085b",
  backslash: "a\\b",
  "lone surrogate": "a\ud800b",
  "not NFC": "cafe\u0301",
  "segment of 256 bytes": "s".repeat(256),
  "segment of 256 bytes in UTF-8": "é".repeat(128),
  "key of 1,025 bytes": `${"k/".repeat(512)}k`,
};

/** Keys a backend may be tempted to treat specially, all of them valid. */
export const awkwardKeys: readonly string[] = [
  "a b",
  " leading",
  "trailing ",
  "trailing.",
  "a%2Fb",
  "%",
  "100%",
  "%25",
  "%zz",
  "%2e%2e",
  "a+b",
  "a?b=c&d",
  "a#b",
  "a&amp;b",
  "<a>",
  'a"b',
  "a'b",
  "a:b",
  "a*b",
  "a|b",
  "~",
  "-",
  "_",
  "..a",
  "a..",
  "...",
  ".hidden",
  ".tmp",
  ".lakehouse",
  "con",
  "CON",
  "nul.txt",
  "aux.a.b",
  "café",
  "日本語",
  "😀",
  "𝔘",
  "\uffee",
  "ﷺ",
  "İ",
  "ß",
  "a\u200db",
  "a\u2028b",
  "\ufeffbom",
  "a=b,c;d",
  "@$!",
  "(x)[y]{z}",
  "^`",
  "constructor",
  "__proto__",
  "index.html",
  "0",
  "-1",
  "s".repeat(255),
  "%".repeat(255),
  "é".repeat(127),
  "😀".repeat(63),
  "€".repeat(85),
  `${"deep/".repeat(200)}key`,
  `${`${"l".repeat(255)}/`.repeat(3)}${"l".repeat(200)}`,
];

/** Which keys are refused, which are accepted, and that none is taken for another. */
export function keyTests(suite: Suite): void {
  const { claim } = suite;

  claim("a key that breaks the rules is refused by every method", async () => {
    const store = suite.store();
    for (const key of Object.values(invalidKeys)) {
      await expectCode(store.put(key, body("x")), "invalid_key");
      await expectCode(store.get(key), "invalid_key");
      await expectCode(store.head(key), "invalid_key");
      await expectCode(store.delete(key), "invalid_key");
      if (store.localPath !== undefined) await expectCode(store.localPath(key), "invalid_key");
    }
  });

  claim("awkward keys are kept exactly, each apart from the others", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    const keys = awkwardKeys
      .map((key) => `${prefix}${key}`)
      .filter((key) => Buffer.byteLength(key) <= KEY_LIMIT_BYTES);
    expect(keys).toHaveLength(awkwardKeys.length);
    for (const key of keys) await store.put(key, body(`body of ${key}`));
    for (const key of keys) {
      expect((await store.head(key))?.key).toBe(key);
      expect(await textOf(store, key)).toBe(`body of ${key}`);
    }
    expect(await keysOf(store, { prefix })).toEqual(keys.toSorted(byteOrder));
    for (const key of keys) expect(await store.delete(key)).toBe(true);
    expect(await keysOf(store, { prefix })).toEqual([]);
  });

  claim("a key of 1,024 bytes is stored", async () => {
    const start = `${suite.prefix()}${`${"é".repeat(100)}/`.repeat(4)}`;
    const longest = start.padEnd(start.length + KEY_LIMIT_BYTES - Buffer.byteLength(start), "x");
    expect(Buffer.byteLength(longest)).toBe(KEY_LIMIT_BYTES);
    await suite.store().put(longest, body("long"));
    expect(await textOf(suite.store(), longest)).toBe("long");
  });

  claim("an object and objects below it live side by side, whichever came first", async () => {
    const store = suite.store();
    for (const order of [
      ["a", "a/b", "a/b/c"],
      ["a/b/c", "a/b", "a"],
      ["a/b", "a", "a/b/c"],
    ]) {
      for (const gone of order) {
        const prefix = suite.prefix();
        for (const key of order) await store.put(prefix + key, body(key));
        expect(await keysOf(store, { prefix })).toEqual(
          order.map((key) => prefix + key).toSorted(byteOrder),
        );
        expect(await store.delete(prefix + gone)).toBe(true);
        const left = order.filter((key) => key !== gone);
        for (const key of left) expect(await textOf(store, prefix + key)).toBe(key);
        expect(await store.head(prefix + gone)).toBeUndefined();
        await store.put(prefix + gone, body("again"));
        for (const key of left) expect(await textOf(store, prefix + key)).toBe(key);
        expect(await textOf(store, prefix + gone)).toBe("again");
        expect(await keysOf(store, { prefix })).toHaveLength(order.length);
      }
    }
  });

  claim("keys that differ only in case, or look alike, are different objects", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    const keys = ["k", "K", "readme", "README", "Readme", "ß", "ss", "ſ", "s", "é", "e", "É"];
    for (const key of keys) await store.put(prefix + key, body(key));
    for (const key of keys) expect(await textOf(store, prefix + key)).toBe(key);
    await store.delete(`${prefix}README`);
    expect(await textOf(store, `${prefix}readme`)).toBe("readme");
    expect(await textOf(store, `${prefix}Readme`)).toBe("Readme");
  });
}
