import { expect } from "bun:test";
import { mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PutBody } from "../../core/storage.ts";
import { body, bytesOf, expectCode, patternBytes, textOf } from "./storage-bytes.ts";
import type { Suite } from "./storage.ts";

/** Bodies that are files on local disk, with and without leave to keep the file itself. */
export function fileTests(suite: Suite): void {
  for (const frozen of [false, true]) {
    const a_file = frozen ? "a frozen file" : "a file";
    const fileBody = (path: string): PutBody => ({ kind: "file", path, frozen });
    const claim = (name: string, run: (source: Source) => Promise<void>): void => {
      suite.claim(`${a_file} ${name}`, async () => {
        await using source = await openSource();
        await run(source);
      });
    };

    claim("is stored from its path, and the path stays the caller's", async ({ path }) => {
      const bytes = patternBytes(300_001, 7);
      await writeFile(path, bytes);
      const key = `${suite.prefix()}from-file`;
      const info = await suite.store().put(key, fileBody(path));
      expect(info.size_bytes).toBe(bytes.length);
      expect(await bytesOf(suite.store(), key)).toEqual(Buffer.from(bytes));
      expect(Buffer.from(await Bun.file(path).arrayBuffer())).toEqual(Buffer.from(bytes));
      await rm(path);
      await writeFile(path, "another file of that name");
      expect(await bytesOf(suite.store(), key)).toEqual(Buffer.from(bytes));
      expect((await suite.store().head(key))?.etag).toBe(info.etag);
    });

    claim("that is empty is an object too", async ({ path }) => {
      await writeFile(path, "");
      const key = `${suite.prefix()}empty-file`;
      expect((await suite.store().put(key, fileBody(path))).size_bytes).toBe(0);
      expect(await textOf(suite.store(), key)).toBe("");
    });

    claim("that is not there stores nothing", async ({ path }) => {
      const key = `${suite.prefix()}from-nothing`;
      expect(suite.store().put(key, fileBody(path))).rejects.toThrow();
      expect(await suite.store().head(key)).toBeUndefined();
      expect(await suite.target().leftovers()).toEqual([]);
    });

    claim("makes objects that know nothing of each other", async ({ path }) => {
      await writeFile(path, "the bytes");
      const prefix = suite.prefix();
      const keys = ["one", "two", "three", "four"].map((name) => prefix + name);
      const [first = "", second = "", ...others] = keys;
      const store = suite.store();
      // One after another, and two at once.
      const before = await store.put(first, fileBody(path));
      await store.put(second, fileBody(path));
      await Promise.all(others.map((key) => store.put(key, fileBody(path))));
      expect((await store.head(first))?.etag).toBe(before.etag);
      const kept = await Promise.all(keys.slice(1).map((key) => store.head(key)));
      await store.put(first, body("other bytes"));
      await store.delete(first);
      expect(await Promise.all(keys.slice(1).map((key) => store.head(key)))).toEqual(kept);
      for (const key of keys.slice(1)) expect(await textOf(store, key)).toBe("the bytes");
      expect(await Bun.file(path).text()).toBe("the bytes");
    });

    claim("may be put again under its key", async ({ path }) => {
      await writeFile(path, "the bytes");
      const key = `${suite.prefix()}again`;
      for (let turn = 0; turn < 3; turn++) {
        const { etag } = await suite.store().put(key, fileBody(path));
        expect((await suite.store().head(key))?.etag).toBe(etag);
        expect(await textOf(suite.store(), key)).toBe("the bytes");
      }
    });

    claim("behind a link is stored, and not the link", async ({ path }) => {
      await writeFile(`${path}-target`, "the bytes");
      await symlink(`${path}-target`, path);
      const key = `${suite.prefix()}linked`;
      await suite.store().put(key, fileBody(path));
      await rm(`${path}-target`);
      expect(await textOf(suite.store(), key)).toBe("the bytes");
    });

    claim("whose put is aborted can be put again", async ({ path }) => {
      const bytes = patternBytes(100_000, 9);
      await writeFile(path, bytes);
      const key = `${suite.prefix()}aborted-file`;
      const signal = AbortSignal.abort();
      expect(suite.store().put(key, fileBody(path), { signal })).rejects.toThrow();
      expect(await suite.store().head(key)).toBeUndefined();
      expect((await stat(path)).size).toBe(bytes.length);
      await suite.store().put(key, fileBody(path));
      expect(await bytesOf(suite.store(), key)).toEqual(Buffer.from(bytes));
      expect(await suite.target().leftovers()).toEqual([]);
    });
  }

  suite.claim(
    "a frozen file whose condition fails can be put again",
    async () => {
      await using source = await openSource();
      await writeFile(source.path, "the bytes");
      const frozen: PutBody = { kind: "file", path: source.path, frozen: true };
      const key = `${suite.prefix()}refused`;
      await suite.store().put(key, body("before"));
      await expectCode(suite.store().put(key, frozen, { if_absent: true }), "precondition_failed");
      expect(await textOf(suite.store(), key)).toBe("before");
      await suite.store().delete(key);
      await suite.store().put(key, frozen, { if_absent: true });
      expect(await textOf(suite.store(), key)).toBe("the bytes");
    },
    "conditional_put",
  );
}

interface Source extends AsyncDisposable {
  /** In a folder of its own; does not exist yet. */
  readonly path: string;
}

async function openSource(): Promise<Source> {
  const folder = await mkdtemp(join(tmpdir(), "lakehouse-conformance-"));
  return {
    path: join(folder, "source"),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
