import { expect } from "bun:test";
import type { StoredObject } from "../../core/storage.ts";
import { body, bytesOf, patternBytes, streamBody, textOf } from "./storage-bytes.ts";
import type { Suite } from "./storage.ts";

const MIB = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** Streams in bounded memory, and puts that end before their last byte. */
export function streamTests(suite: Suite): void {
  const { claim } = suite;

  claim("a stream of odd chunks is stored whole and in order", async () => {
    const key = `${suite.prefix()}odd`;
    const bytes = patternBytes(1_000_003, 11);
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7 + 1) % 70_001) {
        await Promise.resolve();
        yield bytes.subarray(at, at + size);
        size = Math.max(size, 1);
      }
    }
    const info = await suite.store().put(key, streamBody(chunks()));
    expect(info.size_bytes).toBe(bytes.length);
    expect(await bytesOf(suite.store(), key)).toEqual(Buffer.from(bytes));
  });

  claim("an empty stream, and one with empty chunks, are objects too", async () => {
    const prefix = suite.prefix();
    await suite.store().put(`${prefix}none`, streamBody(chunksOf([])));
    expect(await textOf(suite.store(), `${prefix}none`)).toBe("");
    await suite.store().put(`${prefix}gaps`, streamBody(chunksOf(["", "a", "", "b", ""])));
    expect(await textOf(suite.store(), `${prefix}gaps`)).toBe("ab");
  });

  claim("a large object streams in and out in bounded memory", async () => {
    const { large_bytes, memory_growth_bytes } = suite.options;
    const key = `${suite.prefix()}large`;
    const sent = new Bun.CryptoHasher("sha256");
    const meter = memoryMeter();
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < large_bytes; at += CHUNK_BYTES) {
        const chunk = patternBytes(Math.min(CHUNK_BYTES, large_bytes - at), at + 1);
        sent.update(chunk);
        meter.passed(chunk.length);
        yield chunk;
      }
    }
    // With a signal, as every request has one: waiting for it must not hold on to the chunks.
    const { signal } = new AbortController();
    const info = await suite.store().put(key, streamBody(source()), { signal });
    expect(info.size_bytes).toBe(large_bytes);
    expect(meter.growth_bytes()).toBeLessThan(memory_growth_bytes);

    const received = new Bun.CryptoHasher("sha256");
    const read_meter = memoryMeter();
    const object = await suite.store().get(key, { signal });
    for await (const chunk of object?.stream ?? []) {
      received.update(chunk);
      read_meter.passed(chunk.length);
    }
    expect(received.digest("hex")).toBe(sent.digest("hex"));
    expect(read_meter.growth_bytes()).toBeLessThan(memory_growth_bytes);
    await suite.store().delete(key);
  });

  claim("leaving a read early releases it, and the object stays readable", async () => {
    const key = `${suite.prefix()}left-early`;
    const bytes = patternBytes(2 * MIB, 5);
    await suite.store().put(key, body(bytes));
    for (let turn = 0; turn < 50; turn++) {
      const object = await suite.store().get(key);
      for await (const chunk of object?.stream ?? []) {
        expect(chunk).toEqual(bytes.subarray(0, chunk.length));
        break;
      }
    }
    expect(await bytesOf(suite.store(), key)).toEqual(Buffer.from(bytes));
  });

  claim("a read that began before an overwrite never mixes two versions", async () => {
    const key = `${suite.prefix()}mixed`;
    const versions = [1, 2].map((seed) => Buffer.from(patternBytes(3 * MIB, seed)));
    for (const [turn, bytes] of versions.entries()) {
      await suite.store().put(key, body(bytes));
      const object = await suite.store().get(key);
      await suite.store().put(key, body(versions[1 - turn] ?? bytes));
      const read = await drain(object);
      expect(versions.some((version) => version.equals(read))).toBe(true);
    }
  });

  failureTests(suite);
}

function failureTests(suite: Suite): void {
  const { claim } = suite;

  claim("a put whose source fails keeps what was there and leaves nothing behind", async () => {
    const store = suite.store();
    const prefix = suite.prefix();
    await store.put(`${prefix}kept`, body("before"));
    const failure = new Error("the source broke");
    for (const key of [`${prefix}kept`, `${prefix}never/there`]) {
      for (const sent_bytes of [0, 1, 20 * MIB]) {
        const error = await rejection(store.put(key, streamBody(failing(sent_bytes, failure))));
        // The very error: a caller's limit (`body_too_large`) must reach the caller as it is.
        expect(error).toBe(failure);
      }
    }
    expect(await textOf(store, `${prefix}kept`)).toBe("before");
    expect(await store.head(`${prefix}never/there`)).toBeUndefined();
    expect((await store.list({ prefix })).objects.map(({ key }) => key)).toEqual([`${prefix}kept`]);
    expect(await suite.target().leftovers()).toEqual([]);
  });

  claim("a source is closed when its put fails", async () => {
    const closed = Promise.withResolvers<boolean>();
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          await new Promise(setImmediate);
          yield new Uint8Array(CHUNK_BYTES);
        }
      } finally {
        closed.resolve(true);
      }
    }
    const controller = new AbortController();
    const put = suite.store().put(`${suite.prefix()}endless`, streamBody(source()), {
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(), 20);
    await rejection(put);
    // A generator that is busy closes after its pending step, so shortly after the rejection.
    expect(await closed.promise).toBe(true);
    expect(await suite.target().leftovers()).toEqual([]);
  });

  claim("an aborted signal stores nothing", async () => {
    const key = `${suite.prefix()}aborted`;
    await suite.store().put(key, body("before"));
    const signal = AbortSignal.abort();
    await rejection(suite.store().put(key, body("after"), { signal }));
    await rejection(suite.store().put(key, streamBody(chunksOf(["after"])), { signal }));
    expect(await textOf(suite.store(), key)).toBe("before");
  });

  claim("an abort ends a put whose source has gone silent", async () => {
    const key = `${suite.prefix()}silent`;
    const controller = new AbortController();
    async function* source(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(CHUNK_BYTES);
      setTimeout(() => controller.abort(), 5);
      await new Promise(() => {});
    }
    await rejection(suite.store().put(key, streamBody(source()), { signal: controller.signal }));
    expect(await suite.store().head(key)).toBeUndefined();
    expect(await suite.target().leftovers()).toEqual([]);
  });

  claim("an abort in mid-read throws from the iterator", async () => {
    const key = `${suite.prefix()}read-aborted`;
    await suite.store().put(key, body(patternBytes(24 * MIB, 2)));
    const controller = new AbortController();
    const object = await suite.store().get(key, { signal: controller.signal });
    let seen_bytes = 0;
    const read = (async () => {
      for await (const chunk of object?.stream ?? []) {
        seen_bytes += chunk.length;
        controller.abort();
      }
    })();
    expect(await rejection(read)).toBeDefined();
    expect(seen_bytes).toBeLessThan(24 * MIB);
  });
}

async function* chunksOf(texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

async function* failing(sent_bytes: number, failure: Error): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < sent_bytes; at += CHUNK_BYTES) {
    yield await Promise.resolve(new Uint8Array(Math.min(CHUNK_BYTES, sent_bytes - at)));
  }
  throw failure;
}

async function drain(object: StoredObject | undefined): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of object?.stream ?? []) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("the call succeeded");
    },
    (error: unknown) => error,
  );
}

interface MemoryMeter {
  /** Samples every 8 MiB; a full collection first, so that only what is held is counted. */
  passed(size_bytes: number): void;
  growth_bytes(): number;
}

function memoryMeter(): MemoryMeter {
  Bun.gc(true);
  const start_bytes = process.memoryUsage.rss();
  let peak_bytes = start_bytes;
  let unsampled_bytes = 0;
  return {
    passed(size_bytes) {
      unsampled_bytes += size_bytes;
      if (unsampled_bytes < 8 * MIB) return;
      unsampled_bytes = 0;
      Bun.gc(true);
      peak_bytes = Math.max(peak_bytes, process.memoryUsage.rss());
    },
    growth_bytes: () => peak_bytes - start_bytes,
  };
}
