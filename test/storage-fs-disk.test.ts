import { afterEach, beforeEach, describe, expect, setSystemTime, test } from "bun:test";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FsStore } from "../plugins/storage-fs/store.ts";
import {
  body,
  bytesOf,
  expectCode,
  keysOf,
  patternBytes,
  textOf,
} from "./conformance/storage-bytes.ts";

let folder: string;
let root: string;
let store: FsStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lakehouse-disk-"));
  root = join(folder, "deep/er/data");
  store = new FsStore({ path: root });
  await store.open();
});
afterEach(async () => {
  setSystemTime();
  await store.close();
  await rm(folder, { recursive: true });
});

const files = async (): Promise<string[]> =>
  (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((item) => item.isFile() && !item.parentPath.includes(".lakehouse"))
    .map((item) => join(item.parentPath, item.name).slice(root.length + 1))
    .sort();

describe("the folder of the objects", () => {
  test("is made, private, and readable by a person", async () => {
    await store.put("datasets/cities/ab12/3f.parquet", body("x"));
    await store.put("my files/Übersicht.csv", body("x"));
    expect(await files()).toEqual([
      "datasets/cities/ab12/3f.parquet",
      "my%20files/%C3%9Cbersicht.csv",
    ]);
    expect((await stat(root)).mode & 0o777).toBe(0o700);
  });

  test("gives the second of an object and a folder of one name a mark", async () => {
    await store.put("a", body("1"));
    await store.put("a/b", body("2"));
    await store.put("c/d", body("3"));
    await store.put("c", body("4"));
    expect(await files()).toEqual(["a", "a%/b", "c%", "c/d"]);
  });

  test("keeps no folder without objects", async () => {
    await store.put("a/b/c/d", body("x"));
    await store.put("a/e", body("x"));
    await store.delete("a/b/c/d");
    expect(await readdir(join(root, "a"))).toEqual(["e"]);
    await store.delete("a/e");
    expect(await readdir(root)).toEqual([".lakehouse"]);
  });

  test("may lose a folder to a delete while a put is on its way into it", async () => {
    for (let turn = 0; turn < 150; turn++) {
      await store.put("a/b/old", body("x"));
      const [, gone] = await Promise.all([
        store.put("a/b/new", body(`turn ${turn}`)),
        store.delete("a/b/old"),
      ]);
      expect(gone).toBe(true);
      expect(await textOf(store, "a/b/new")).toBe(`turn ${turn}`);
      expect(await store.delete("a/b/new")).toBe(true);
    }
  });

  test("may be filled by hand, and shows only names it could have written", async () => {
    await mkdir(join(root, "hand/.git"), { recursive: true });
    await writeFile(join(root, "hand/made.csv"), "1,2\n");
    await writeFile(join(root, "hand/not encoded.csv"), "x");
    await writeFile(join(root, "hand/.git/config"), "x");
    expect(await keysOf(store, {})).toEqual(["hand/made.csv"]);
    expect(await textOf(store, "hand/made.csv")).toBe("1,2\n");
    expect(await store.head("hand/not encoded.csv")).toBeUndefined();
    expect(await store.delete("hand/made.csv")).toBe(true);
  });

  test("holds no object that a key could reach in its own records", async () => {
    await store.put("one", body("x"));
    await store.put(".lakehouse/layout.json", body("harmless"));
    expect(await files()).toEqual(["%2Elakehouse/layout.json", "one"]);
    expect(await readFile(join(root, ".lakehouse/layout.json"), "utf8")).toContain("encode_case");
  });
});

describe("symbolic links", () => {
  test("are no objects and no folders, wherever they lead", async () => {
    const outside = join(folder, "outside");
    await mkdir(outside);
    await writeFile(join(outside, "secret"), "secret");
    await store.put("real/one", body("x"));
    await symlink(join(outside, "secret"), join(root, "link"));
    await symlink(outside, join(root, "folder"));
    await symlink(join(root, "real"), join(root, "inside"));
    for (const key of ["link", "folder/secret", "inside/one"]) {
      expect(await store.get(key)).toBeUndefined();
      expect(await store.head(key)).toBeUndefined();
      expect(await store.localPath(key)).toBeUndefined();
      expect(await store.delete(key)).toBe(false);
    }
    expect(await keysOf(store, {})).toEqual(["real/one"]);
    expect(await keysOf(store, { prefix: "folder/" })).toEqual([]);
    await store.put("folder/new", body("new"));
    await store.put("link", body("new"));
    expect(await readdir(outside)).toEqual(["secret"]);
    expect(await readFile(join(outside, "secret"), "utf8")).toBe("secret");
    expect(await textOf(store, "folder/new")).toBe("new");
    expect(await textOf(store, "link")).toBe("new");
  });
});

describe("etags", () => {
  test("never repeat when the clock steps back", async () => {
    const etags = new Set<string>();
    const noon = Date.UTC(2026, 5, 1, 12);
    for (let turn = 0; turn < 12; turn++) {
      // A new process remembers no time; the second of each three turns has the same time again.
      await store.close();
      setSystemTime(noon - Math.floor(turn / 2) * 3_600_000);
      await store.open();
      if (turn % 3 === 2) await store.delete("clock");
      etags.add((await store.put("clock", body("same size"))).etag);
    }
    expect(etags.size).toBe(12);
  });

  test("change when a file is replaced by hand", async () => {
    const first = await store.put("edited", body("aaaa"));
    await writeFile(join(root, "edited"), "bbbb");
    const edited = await store.head("edited");
    expect(edited?.etag).not.toBe(first.etag);
    await expectCode(
      store.put("edited", body("lost"), { if_match: first.etag }),
      "precondition_failed",
    );
  });

  test("move on from a file that claims to be from the future", async () => {
    await writeFile(join(root, "future"), "aaaa");
    await utimes(join(root, "future"), 4_000_000_000, 4_000_000_000);
    const before = (await store.head("future"))?.etag ?? "";
    const after = await store.put("future", body("bbbb"), { if_match: before });
    expect(after.etag).not.toBe(before);
    expect((await store.head("future"))?.etag).toBe(after.etag);
  });
});

describe("reading", () => {
  test("a file that was cut short is an error, not a short object", async () => {
    await store.put("cut", body(patternBytes(3_000_000, 1)));
    const object = await store.get("cut");
    await truncate(join(root, "cut"), 1_000_000);
    const read = (async () => {
      for await (const _ of object?.stream ?? []);
    })();
    await expectCode(read, "storage_failed");
  });

  test("an object that is got and never read costs nothing for long", async () => {
    await store.put("unread", body("x"));
    for (let turn = 0; turn < 50; turn++) await store.get("unread");
    for (let turn = 0; turn < 20; turn++) {
      Bun.gc(true);
      await new Promise(setImmediate);
    }
    expect(await textOf(store, "unread")).toBe("x");
    if (process.platform !== "linux") return;
    const open = await Promise.all(
      (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
    );
    // A few may still be held by the stack.
    expect(open.filter((path) => path.endsWith("/unread")).length).toBeLessThan(10);
  });

  test("an object that is deleted or overwritten meanwhile is read to its end", async () => {
    const bytes = patternBytes(3_000_000, 2);
    await store.put("gone", body(bytes));
    const object = await store.get("gone");
    await store.put("gone", body("other"));
    await store.delete("gone");
    const chunks: Uint8Array[] = [];
    for await (const chunk of object?.stream ?? []) chunks.push(chunk);
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(bytes));
    expect(await bytesOf(store, "gone")).toBeUndefined();
  });
});

const is_superuser = process.getuid?.() === 0;
const why_skipped = is_superuser ? " (skipped: the superuser may write everywhere)" : "";
const testAsUser = is_superuser ? test.skip : test;

async function opening(path: string, encode_case?: boolean): Promise<number> {
  return new FsStore({ path, encode_case }).open();
}

describe("a disk without room", () => {
  test("is storage_full, keeps what was there and leaves nothing", async () => {
    await store.put("kept", body("before"));
    const source = join(folder, "source");
    await writeFile(source, new Uint8Array(4 * 1024 * 1024));
    const script = join(import.meta.dir, "fixtures/fs-full-disk.ts");
    // With its signal ignored, a write beyond the limit fails as one on a full disk does.
    const command = `trap "" XFSZ; ulimit -f 2048; exec "$0" "$@"`;
    const child = Bun.spawn(["sh", "-c", command, process.execPath, script, root, source], {
      stdout: "pipe",
      stderr: "inherit",
    });
    expect(JSON.parse(await child.stdout.text())).toEqual({
      codes: ["storage_full", "storage_full", "storage_full"],
      unfinished: [],
    });
    expect(await textOf(store, "kept")).toBe("before");
  });
});

describe("a root", () => {
  test("that is a file, or below one, is a clear error at start", async () => {
    await writeFile(join(folder, "file"), "x");
    await expectCode(opening(join(folder, "file")), "invalid_config");
    await expectCode(opening(join(folder, "file/data")), "invalid_config");
    await expectCode(
      opening(join(folder, "x".repeat(200), "y".repeat(200).repeat(4))),
      "invalid_config",
    );
  });

  testAsUser(`that cannot be written is a clear error${why_skipped}`, async () => {
    const locked = join(folder, "locked");
    await mkdir(locked);
    await chmod(locked, 0o500);
    await expectCode(opening(locked), "invalid_config");
  });

  test("reached through a symbolic link is the folder itself", async () => {
    await store.put("one", body("x"));
    await symlink(root, join(folder, "alias"));
    const second = new FsStore({ path: join(folder, "alias") });
    await second.open();
    expect(await textOf(second, "one")).toBe("x");
    await second.close();
  });

  test("keeps the naming rules it was made with", async () => {
    await expectCode(opening(root, true), "invalid_config");
    const path = join(folder, "folding");
    const first = new FsStore({ path, encode_case: true });
    await first.open();
    await first.put("Data/README", body("x"));
    expect(await readdir(path)).toContain("%44ata");
    await first.close();
    const second = new FsStore({ path });
    await second.open();
    expect(await keysOf(second, {})).toEqual(["Data/README"]);
    await second.close();
    await expectCode(opening(path, false), "invalid_config");
  });

  test("of a later version is not touched", async () => {
    const path = join(folder, "later");
    await mkdir(join(path, ".lakehouse"), { recursive: true });
    await writeFile(join(path, ".lakehouse/layout.json"), '{"version":2}');
    await expectCode(opening(path), "invalid_config");
    expect(await readFile(join(path, ".lakehouse/layout.json"), "utf8")).toBe('{"version":2}');
  });

  test("that is closed answers not_ready", async () => {
    await store.close();
    await expectCode(store.put("x", body("x")), "not_ready");
    await expectCode(store.list(), "not_ready");
  });

  test("leaves no session behind when it is closed", async () => {
    const sessions = join(root, ".lakehouse/sessions");
    expect(await readdir(sessions)).toHaveLength(1);
    await store.close();
    expect(await readdir(sessions)).toEqual([]);
    expect((await lstat(join(root, ".lakehouse/lock"))).size).toBe(0);
  });
});
