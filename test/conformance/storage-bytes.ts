import { expect } from "bun:test";
import { type ErrorCode, LakehouseError } from "../../core/error.ts";
import type { ByteRange, ListOptions, ObjectStore, PutBody } from "../../core/storage.ts";

/** Text or bytes as a body to put. */
export function body(value: string | Uint8Array): PutBody {
  return { kind: "bytes", bytes: typeof value === "string" ? Buffer.from(value) : value };
}

export function streamBody(stream: AsyncIterable<Uint8Array>): PutBody {
  return { kind: "stream", stream };
}

/** The whole object, or the range of it; undefined if there is none. */
export async function bytesOf(
  store: ObjectStore,
  key: string,
  range?: ByteRange,
): Promise<Uint8Array | undefined> {
  const object = await store.get(key, range === undefined ? {} : { range });
  if (object === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of object.stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function textOf(store: ObjectStore, key: string): Promise<string | undefined> {
  const bytes = await bytesOf(store, key);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
}

/** The keys of every page, in the order the pages gave them. */
export async function keysOf(store: ObjectStore, options: ListOptions): Promise<string[]> {
  const keys: string[] = [];
  let after = options.after;
  for (;;) {
    const page = await store.list(after === undefined ? options : { ...options, after });
    keys.push(...page.objects.map((object) => object.key));
    if (page.next === undefined) return keys;
    expect(page.next).not.toBe(after);
    after = page.next;
  }
}

/** UTF-8 byte order by the bytes themselves, independent of the code under test. */
export function byteOrder(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

/** Fails unless the promise rejects with this code of the error table. */
export async function expectCode(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(LakehouseError);
  expect(error instanceof LakehouseError ? error.code : undefined).toBe(code);
}

/** Deterministic bytes: a different sequence for each seed (xorshift32). */
export function patternBytes(size_bytes: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size_bytes / 4));
  let state = (seed * 2_654_435_761 + 1) >>> 0 || 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state >>> 0;
  }
  return new Uint8Array(words.buffer, 0, size_bytes);
}

/** Runs the work over all items, so many at once. */
export async function eachAtOnce<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of left) await work(item);
    }),
  );
}

/** Seed for fast-check: from LAKEHOUSE_TEST_SEED, else its own, which it prints on failure. */
export function propertySeed(): { seed: number } | Record<string, never> {
  const seed = Number(process.env["LAKEHOUSE_TEST_SEED"] ?? Number.NaN);
  return Number.isSafeInteger(seed) ? { seed } : {};
}
