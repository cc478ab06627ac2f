import { existsSync } from "node:fs";
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { isRecord } from "../core/json.ts";
import { FileDigest } from "../plugins/ingest-csv/file-digest.ts";
import { PieceWriter } from "../plugins/ingest-csv/piece-writer.ts";
import { Removals } from "../plugins/ingest-csv/removals.ts";
import { Spool } from "../plugins/ingest-csv/spool.ts";
import { patternBytes } from "./conformance/storage-bytes.ts";
import { silentLog } from "./support/silent-log.ts";

const MIB = 1024 * 1024;

const removals = new Removals(silentLog);
let scratch = "";
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "lakehouse-spool-"));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const sha256Of = (bytes: Uint8Array): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

/** Sizes from one byte to a few pieces, in no order. */
function* oddChunks(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0, size = 1; at < bytes.length; at += size) {
    size = ((size * 7919 + 13) % 2_500_000) + 1;
    yield bytes.subarray(at, at + size);
  }
}

describe("the spool of an upload", () => {
  test.each([0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 5 * MIB, 20 * MIB + 77])(
    "holds its %d bytes and knows their hash",
    async (size) => {
      const bytes = patternBytes(size, size + 1);
      await using spool = await Spool.create(scratch, removals);
      for (const chunk of oddChunks(bytes)) await spool.write(chunk);
      await spool.finish();
      expect(spool.size_bytes).toBe(size);
      expect(Buffer.compare(await readFile(spool.upload_path), bytes)).toBe(0);
      expect(existsSync(spool.done_path)).toBe(true);
      expect(await spool.sha256()).toBe(sha256Of(bytes));
      expect(await spool.sha256()).toBe(sha256Of(bytes));
    },
  );

  test.each([1, 65])("is gone when its removal has ended: %d MiB", async (size_mib) => {
    const spool = await Spool.create(scratch, removals);
    const piece = patternBytes(MIB, 3);
    for (let written = 0; written < size_mib; written++) await spool.write(piece);
    await spool.finish();
    await spool[Symbol.asyncDispose]();
    await removals.idle();
    expect(await readdir(scratch)).toEqual([]);
  });

  test("has a thread for the hash only while there are few", async () => {
    const bytes = patternBytes(3 * MIB, 9);
    await using spools = new AsyncDisposableStack();
    const all = await Promise.all(Array.from({ length: 9 }, () => Spool.create(scratch, removals)));
    for (const spool of all) spools.use(spool);
    for (const chunk of oddChunks(bytes)) {
      await Promise.all(all.map((spool) => spool.write(chunk)));
    }
    expect(FileDigest.is_free).toBe(false);
    for (const spool of all) {
      await spool.finish();
      expect(await spool.sha256()).toBe(sha256Of(bytes));
    }
    await spools.disposeAsync();
    expect(FileDigest.is_free).toBe(true);
  });

  test("shows who follows it true bytes only, and at least as many as it says", async () => {
    const bytes = patternBytes(24 * MIB, 4);
    await using spool = await Spool.create(scratch, removals);
    let shown_bytes = 0;
    const look = async (): Promise<void> => {
      const said_bytes = spool.size_bytes;
      const found = await readFile(spool.upload_path);
      expect(found.length).toBeGreaterThanOrEqual(said_bytes);
      expect(Buffer.compare(found, bytes.subarray(0, found.length))).toBe(0);
      shown_bytes = found.length;
    };
    for (let at = 0; at < bytes.length; at += 300_000) {
      await spool.write(bytes.subarray(at, at + 300_000));
      if (at % 900_000 === 0) await look();
    }
    expect(shown_bytes).toBeGreaterThan(0);
    await spool.finish();
    await look();
    expect(shown_bytes).toBe(bytes.length);
  });

  test("keeps its bytes although the caller uses the buffer again", async () => {
    await using spool = await Spool.create(scratch, removals);
    const buffer = new Uint8Array(100_000);
    const expected = new Bun.CryptoHasher("sha256");
    for (let turn = 0; turn < 60; turn++) {
      buffer.fill(turn);
      expected.update(buffer);
      await spool.write(buffer);
    }
    await spool.finish();
    expect(await spool.sha256()).toBe(expected.digest("hex"));
  });

  test.each([10, 3 * MIB])("that is left after %d bytes leaves nothing behind", async (size) => {
    {
      await using spool = await Spool.create(scratch, removals);
      await spool.write(new Uint8Array(size));
    }
    expect(await readdir(scratch)).toEqual([]);
  });

  test.each([
    ["small", 1024 * 1024 - 1, 64],
    ["large", 8 * 1024 * 1024, 2048],
  ])("that is %s is storage_full on a full disk, and is removed", async (_what, size, blocks) => {
    const script = join(import.meta.dir, "fixtures/spool-full-disk.ts");
    // With its signal ignored, a write beyond the limit fails as one on a full disk does.
    const command = `trap "" XFSZ; ulimit -f ${blocks}; exec "$0" "$@"`;
    const child = Bun.spawn(
      ["sh", "-c", command, process.execPath, script, scratch, String(size)],
      { stdout: "pipe", stderr: "inherit" },
    );
    const told: unknown = JSON.parse(await child.stdout.text());
    expect(told).toEqual({ code: "storage_full", file_bytes: expect.any(Number), left: false });
    const { file_bytes } = isRecord(told) ? told : {};
    // The limit counts blocks of 512 bytes, or of 1,024, by the shell.
    expect([blocks * 512, blocks * 1024]).toContain(Number(file_bytes));
  });
});

describe("pieces", () => {
  test("are written in order, one at a time, while more are gathered", async () => {
    const written: Buffer[] = [];
    let under_way = 0;
    const writer = new PieceWriter(async (piece) => {
      expect(++under_way).toBe(1);
      await Bun.sleep(1);
      written.push(Buffer.from(piece));
      under_way--;
    });
    const bytes = patternBytes(9 * MIB + 5, 3);
    for (const chunk of oddChunks(bytes)) await writer.add(chunk);
    await writer.finish();
    expect(written.map((piece) => piece.length)).toEqual([...Array(9).fill(MIB), 5]);
    expect(Buffer.compare(Buffer.concat(written), bytes)).toBe(0);
  });

  test("are no more than four, however slow the disk is", async () => {
    const held = Promise.withResolvers<void>();
    const writer = new PieceWriter(() => held.promise);
    let gathered = 0;
    const gathering = (async () => {
      for (; gathered < 40; gathered++) await writer.add(new Uint8Array(MIB / 4));
    })();
    await Bun.sleep(20);
    expect(gathered).toBe(16);
    held.resolve();
    await gathering;
    await writer.finish();
  });

  test("after one that could not be written are not written, and the caller is told", async () => {
    const failure = new Error("the disk broke");
    let writes = 0;
    const writer = new PieceWriter(async () => {
      await Bun.sleep(1);
      if (++writes === 3) throw failure;
    });
    const adding = (async () => {
      for (let turn = 0; turn < 20; turn++) await writer.add(new Uint8Array(MIB));
    })();
    expect(adding).rejects.toBe(failure);
    expect(writer.finish()).rejects.toBe(failure);
    await writer.idle();
    expect(writes).toBe(3);
  });
});

describe("the digest of a file", () => {
  test("follows it while it grows", async () => {
    const path = join(scratch, "growing");
    const bytes = patternBytes(700_000, 8);
    await writeFile(path, "");
    await using digest = new FileDigest(path);
    for (let at = 0; at < bytes.length; at += 200_000) {
      await appendFile(path, bytes.subarray(at, at + 200_000));
      digest.written((await stat(path)).size);
    }
    expect(await digest.sha256()).toBe(sha256Of(bytes));
    await rm(path);
  });

  test("of one that is missing, or shorter than was said, is an error", async () => {
    await using missing = new FileDigest(join(scratch, "missing"));
    expect(missing.sha256()).rejects.toThrow("ENOENT");
    const path = join(scratch, "short");
    await writeFile(path, "four");
    await using short = new FileDigest(path);
    short.written(5);
    expect(short.sha256()).rejects.toThrow("the file ends at 4 of 5 bytes");
    await rm(path);
  });

  test("finds its thread in the compiled program too", async () => {
    const build = await readFile(join(import.meta.dir, "../build/build.ts"), "utf8");
    const pattern = /new Bun\.Glob\("([^"]+)"\)/.exec(build)?.[1] ?? "";
    expect(new Bun.Glob(pattern).match("plugins/ingest-csv/digest-thread.ts")).toBe(true);
  });

  test("ends its thread with it, finished or not", async () => {
    const path = join(scratch, "left");
    await writeFile(path, "x");
    for (let turn = 0; turn < 20; turn++) {
      await using digest = new FileDigest(path);
      digest.written(1);
      if (turn % 2 === 0) expect(await digest.sha256()).toBe(sha256Of(Buffer.from("x")));
    }
    await rm(path);
  });
});
