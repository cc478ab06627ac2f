import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Condition } from "../plugins/storage-s3/calls.ts";
import {
  descend,
  formatLineage,
  judge,
  type Lineage,
  LineageCache,
  newPutId,
  parseLineage,
} from "../plugins/storage-s3/lineage.ts";
import { propertySeed } from "./conformance/storage-bytes.ts";

interface Stored {
  readonly etag: string;
  readonly lineage: Lineage;
}
type Move = "swap" | "overwrite" | "delete" | "create";

/** A store of one key that keeps conditions, as S3 states them. */
class OneKey {
  stored: Stored | undefined;
  #etags = 0;

  /** True if it was carried out. */
  put(own: string, condition: Condition, base: Stored | undefined): boolean {
    if (condition.if_none_match === "*" && this.stored !== undefined) return false;
    if (condition.if_match !== undefined && this.stored?.etag !== condition.if_match) return false;
    this.#etags += 1;
    const lineage = descend(own, condition, base?.lineage);
    this.stored = { etag: `etag-${this.#etags}`, lineage: parseLineage(formatLineage(lineage)) };
    return true;
  }

  move(move: Move): void {
    const base = this.stored;
    if (move === "delete") this.stored = undefined;
    else if (move === "overwrite") this.put(newPutId(), {}, undefined);
    else if (move === "create") this.put(newPutId(), { if_none_match: "*" }, undefined);
    else if (base !== undefined) this.put(newPutId(), { if_match: base.etag }, base);
  }
}

const moves = (...kinds: Move[]): fc.Arbitrary<Move[]> =>
  fc.array(fc.constantFrom(...kinds), { maxLength: 40 });

describe("the lineage of an object tells what became of a put", () => {
  test("a swap is never taken for stored when it was not, nor for lost when it was", () => {
    const others = moves("swap", "swap", "swap", "overwrite", "delete", "create");
    fc.assert(
      fc.property(others, others, others, fc.boolean(), (before, during, after, arrives) => {
        const key = new OneKey();
        key.move("create");
        for (const move of before) key.move(move);
        const base = key.stored;
        fc.pre(base !== undefined);
        const own = newPutId();
        const condition = { if_match: base.etag };
        for (const move of during) key.move(move);
        const landed = arrives && key.put(own, condition, base);
        for (const move of after) key.move(move);
        const put = { own, condition, base_etag: base.etag, base: base.lineage };
        const verdict = judge(key.stored, put);
        if (verdict === "landed") expect(landed).toBe(true);
        if (verdict === "lost" || verdict === "open") expect(landed).toBe(false);
        // Where everyone swaps, as catalogs do, there is an answer up to 31 puts later.
        const swaps = [...during, ...after].every((move) => move === "swap");
        if (swaps && during.length + after.length < 31 && base.lineage.ids.length > 0) {
          expect(verdict).not.toBe("unknown");
        }
      }),
      { numRuns: 1000, ...propertySeed() },
    );
  });

  test("a create-only put is told apart from another creator's, as long as none deletes", () => {
    const others = moves("swap", "swap", "overwrite", "create");
    fc.assert(
      fc.property(others, others, fc.boolean(), (during, after, arrives) => {
        const key = new OneKey();
        const own = newPutId();
        const condition = { if_none_match: "*" } as const;
        for (const move of during) key.move(move);
        const landed = arrives && key.put(own, condition, undefined);
        for (const move of after) key.move(move);
        const verdict = judge(key.stored, { own, condition });
        if (verdict === "landed") expect(landed).toBe(true);
        if (verdict === "lost" || verdict === "open") expect(landed).toBe(false);
      }),
      { numRuns: 1000, ...propertySeed() },
    );
  });

  test("a lineage survives its metadata text, and anything else reads as none", () => {
    const ids = Array.from({ length: 3 }, newPutId);
    for (const whole of [true, false]) {
      expect(parseLineage(formatLineage({ ids, whole }))).toEqual({ ids, whole });
    }
    for (const text of [
      undefined,
      "",
      "*",
      "short",
      `${ids[0]},,*`,
      `${ids[0]}\n`,
      "é".repeat(16),
    ]) {
      expect(parseLineage(text)).toEqual({ ids: [], whole: false });
    }
  });

  test("a long line stays within the user metadata S3 takes", () => {
    let lineage: Lineage = descend(newPutId(), { if_none_match: "*" }, undefined);
    for (let put = 0; put < 100; put++) lineage = descend(newPutId(), { if_match: "e" }, lineage);
    expect(formatLineage(lineage).length).toBeLessThan(1024);
    expect(lineage.whole).toBe(false);
  });

  test("the cache answers only for the etag it saw, and forgets the oldest", () => {
    const cache = new LineageCache();
    const lineage = { ids: [newPutId()], whole: true };
    cache.remember("key", "old", lineage);
    expect(cache.of("key", "old")).toEqual(lineage);
    expect(cache.of("key", "new")).toBeUndefined();
    for (let other = 0; other < 1024; other++) cache.remember(`other ${other}`, "e", lineage);
    expect(cache.of("key", "old")).toBeUndefined();
    expect(cache.of("other 1023", "e")).toEqual(lineage);
  });
});
