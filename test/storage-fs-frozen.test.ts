import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type BigIntStats, existsSync, statSync } from "node:fs";
import { link, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FsStore } from "../plugins/storage-fs/store.ts";
import { textOf } from "./conformance/storage-bytes.ts";

let folder: string;
let root: string;
let store: FsStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-frozen-"));
  root = join(folder, "data");
  store = new FsStore({ path: root });
  await store.open();
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const frozen = (path: string) => ({ kind: "file", path, frozen: true }) as const;
const placed = (key: string): Promise<BigIntStats> => stat(join(root, key), { bigint: true });

describe("a frozen file", () => {
  test("becomes the object without a byte being copied, with the mode of any object", async () => {
    const path = join(folder, "source");
    await writeFile(path, "the bytes", { mode: 0o600 });
    const { ino } = await stat(path, { bigint: true });
    await store.put("moved", frozen(path));
    await store.put("copied", { kind: "file", path });
    const moved = await placed("moved");
    expect(moved.ino).toBe(ino);
    expect(moved.mode).toBe((await placed("copied")).mode);
    await rm(path);
    expect((await placed("moved")).nlink).toBe(1n);
    expect(await textOf(store, "moved")).toBe("the bytes");
  });

  test("with another name, as an object may be, is copied", async () => {
    const path = join(folder, "source");
    await writeFile(path, "the bytes");
    await link(path, join(folder, "other name"));
    await store.put("copied", frozen(path));
    expect((await placed("copied")).ino).not.toBe((await stat(path, { bigint: true })).ino);
    expect((await placed("copied")).nlink).toBe(1n);
    expect(await store.unfinished()).toEqual([]);
  });

  const elsewhere = "/dev/shm";
  const is_elsewhere = existsSync(elsewhere) && statSync(elsewhere).dev !== statSync(tmpdir()).dev;
  const testAcross = is_elsewhere ? test : test.skip;
  const why_not_across = is_elsewhere ? "" : " (skipped: there is only one here)";
  testAcross(`on another file system is copied${why_not_across}`, async () => {
    const other = await mkdtemp(join(elsewhere, "lakehouse-disk-"));
    try {
      const path = join(other, "source");
      await writeFile(path, "the bytes");
      await store.put("copied", frozen(path));
      expect(await textOf(store, "copied")).toBe("the bytes");
      expect((await stat(path)).nlink).toBe(1);
      expect(await store.unfinished()).toEqual([]);
    } finally {
      await rm(other, { recursive: true });
    }
  });
});
