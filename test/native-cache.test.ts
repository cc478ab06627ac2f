import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type EmbeddedAddon, loadAddon, unpackAddon } from "../build/native-cache.ts";
import { cacheDirs } from "../core/cache-dir.ts";
import { LakehouseError } from "../core/error.ts";

let root: string;
let next = 0;
const freshFolder = (): string => join(root, `cache-${next++}`);

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "lakehouse-native-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** An addon as the build embeds it: compressed files somewhere, and what is known of them. */
function embed(name: string, contents: Readonly<Record<string, Uint8Array>>): EmbeddedAddon {
  const files = Object.entries(contents).map(([file, bytes]) => {
    const path = join(root, `${name}-${file}.zst`);
    writeFileSync(path, Bun.zstdCompressSync(bytes));
    const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    return { name: file, path, size_bytes: bytes.length, sha256 };
  });
  return { name, entry: files[0]?.name ?? "", files };
}

const addon = (): EmbeddedAddon =>
  embed("toy", {
    "toy.node": Buffer.alloc(10_000, "addon"),
    "libtoy.so": Buffer.alloc(50_000, "lib"),
  });

describe("unpacking", () => {
  test("puts every file, byte for byte, into a private folder named by their content", () => {
    const folder = freshFolder();
    const entry = unpackAddon(addon(), folder);
    expect(readFileSync(entry)).toEqual(Buffer.alloc(10_000, "addon"));
    expect(readFileSync(join(dirname(entry), "libtoy.so"))).toEqual(Buffer.alloc(50_000, "lib"));
    expect(statSync(dirname(entry)).mode & 0o777).toBe(0o700);
    expect(statSync(entry).mode & 0o777).toBe(0o500);
    expect(readdirSync(dirname(entry)).sort()).toEqual(["libtoy.so", "toy.node"]);
  });

  test("happens once: the second time the files are left as they are", () => {
    const folder = freshFolder();
    const before = statSync(unpackAddon(addon(), folder));
    const after = statSync(unpackAddon(addon(), folder));
    expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs]);
  });

  test("another content gets another folder", () => {
    const folder = freshFolder();
    const one = unpackAddon(embed("toy", { "toy.node": Buffer.from("one") }), folder);
    const two = unpackAddon(embed("toy", { "toy.node": Buffer.from("two") }), folder);
    expect(dirname(one)).not.toBe(dirname(two));
    expect(readFileSync(one, "utf8")).toBe("one");
  });

  test.each([
    ["cut short", (path: string) => truncateSync(path, 100)],
    ["emptied", (path: string) => truncateSync(path, 0)],
    [
      "damaged by one bit",
      (path: string) => {
        const bytes = readFileSync(path);
        bytes.writeUInt8(bytes.readUInt8(5_000) ^ 1, 5_000);
        writeFileSync(path, bytes);
      },
    ],
    ["removed", (path: string) => rmSync(path)],
  ])("a file that was %s is unpacked again", (_what, damage) => {
    const folder = freshFolder();
    const entry = unpackAddon(addon(), folder);
    chmodSync(entry, 0o700);
    damage(entry);
    expect(readFileSync(unpackAddon(addon(), folder))).toEqual(Buffer.alloc(10_000, "addon"));
  });

  test("a link in the place of a file is replaced, and what it points to is left alone", () => {
    const folder = freshFolder();
    const entry = unpackAddon(addon(), folder);
    const elsewhere = join(root, "elsewhere");
    writeFileSync(elsewhere, Buffer.alloc(10_000, "addon"));
    rmSync(entry);
    symlinkSync(elsewhere, entry);
    unpackAddon(addon(), folder);
    expect(lstatSync(entry).isFile()).toBe(true);
    expect(lstatSync(elsewhere).ino).not.toBe(lstatSync(entry).ino);
  });

  test("damage inside the binary itself is refused and leaves nothing", () => {
    const folder = freshFolder();
    const toy = embed("toy", { "toy.node": Buffer.from("as built") });
    writeFileSync(toy.files[0]?.path ?? "", Bun.zstdCompressSync(Buffer.from("damaged!")));
    expect(() => unpackAddon(toy, folder)).toThrow("damaged inside the binary");
    const [home = ""] = readdirSync(folder);
    expect(readdirSync(join(folder, home))).toEqual([]);
  });

  test("of several processes at once every one finds the files whole", async () => {
    const folder = freshFolder();
    const toy = embed("race", { "race.node": Buffer.alloc(8_000_000, "race") });
    const script = `
      import { unpackAddon } from ${JSON.stringify(join(import.meta.dir, "../build/native-cache.ts"))};
      const path = unpackAddon(JSON.parse(process.argv[1]), process.argv[2]);
      console.log(new Bun.CryptoHasher("sha256").update(await Bun.file(path).bytes()).digest("hex"));
    `;
    const results = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const child = Bun.spawn([process.execPath, "-e", script, JSON.stringify(toy), folder], {
          stdout: "pipe",
          stderr: "inherit",
        });
        return `${(await child.stdout.text()).trim()} ${await child.exited}`;
      }),
    );
    expect(results).toEqual(Array.from({ length: 4 }, () => `${toy.files[0]?.sha256} 0`));
    const [home = ""] = readdirSync(folder);
    expect(readdirSync(join(folder, home))).toEqual(["race.node"]);
  });
});

describe("strangers", () => {
  test("a folder that everybody can write to is refused", () => {
    const folder = freshFolder();
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    expect(() => unpackAddon(addon(), folder)).toThrow("other users can write");
    chmodSync(folder, 0o1777);
    expect(unpackAddon(addon(), folder)).toStartWith(folder);
  });

  test("a link in the place of the private folder is refused", () => {
    const folder = freshFolder();
    const home = dirname(unpackAddon(addon(), folder));
    rmSync(home, { recursive: true });
    mkdirSync(join(root, "trap"), { recursive: true });
    symlinkSync(join(root, "trap"), home);
    expect(() => unpackAddon(addon(), folder)).toThrow();
    expect(readdirSync(join(root, "trap"))).toEqual([]);
  });

  test.skipIf(process.getuid?.() !== 0)("a folder of another user is refused (needs root)", () => {
    const folder = freshFolder();
    mkdirSync(folder);
    Bun.spawnSync(["chown", "12345", folder]);
    expect(() => unpackAddon(addon(), folder)).toThrow("belongs to another user");
  });
});

describe("loading", () => {
  test("goes on to the next folder where one cannot be used", async () => {
    const blocked = join(root, "a-file");
    writeFileSync(blocked, "");
    const usearch = dirname(Bun.resolveSync("usearch", import.meta.dir));
    const prebuilds = join(usearch, "../../../prebuilds");
    const platform = readdirSync(prebuilds).find(
      (name) => name.startsWith(`${process.platform}-`) && name.includes(process.arch),
    );
    const bytes = await Bun.file(join(prebuilds, platform ?? "none", "usearch.node")).bytes();
    const real = embed("usearch", { "usearch.node": bytes });
    const good = freshFolder();
    expect(loadAddon(real, [join(blocked, "cache"), good])).toHaveProperty("CompiledIndex");
    expect(readdirSync(good)).toHaveLength(1);
  });

  test("fails with the reason of every folder and what to do", () => {
    const blocked = join(root, "another-file");
    writeFileSync(blocked, "");
    const folder = freshFolder();
    let failure: unknown;
    try {
      loadAddon(addon(), [join(blocked, "cache"), folder]);
    } catch (error) {
      failure = error;
    }
    if (!(failure instanceof LakehouseError)) throw failure;
    expect(failure.message).toContain(join(blocked, "cache"));
    expect(failure.message).toContain(folder);
    expect(failure.hint).toContain("LAKEHOUSE_CACHE_DIR");
  });
});

describe("where it unpacks", () => {
  test("LAKEHOUSE_CACHE_DIR is an order: nothing else is tried", () => {
    expect(cacheDirs({ LAKEHOUSE_CACHE_DIR: "/srv/cache", HOME: "/users/me" })).toEqual([
      "/srv/cache",
    ]);
  });

  test("the user's cache folder comes first, then one of the user's own among the temporary", () => {
    expect(cacheDirs({ HOME: "/users/me" })[0]).toBe("/users/me/.cache/lakehouse");
    expect(cacheDirs({ HOME: "/users/me", XDG_CACHE_HOME: "/xdg" })[0]).toBe("/xdg/lakehouse");
    expect(cacheDirs({ HOME: "/users/me", XDG_CACHE_HOME: "relative" })[0]).toBe(
      "/users/me/.cache/lakehouse",
    );
    const own = new RegExp(`/lakehouse-cache-${process.getuid?.() ?? -1}$`);
    expect(cacheDirs({ HOME: "/users/me" }).at(-1)).toMatch(own);
  });

  test("without a home there is still a place", () => {
    expect(cacheDirs({}).length).toBeGreaterThan(0);
    expect(cacheDirs({ HOME: "" })).toEqual(cacheDirs({}));
  });
});
