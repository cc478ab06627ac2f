import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Committed } from "../core/services.ts";
import { openCatalog, openStore, registration, type TestStore } from "./support/catalog-rig.ts";

/** For a busy machine and a remote store; no test waits for time to pass. */
setDefaultTimeout(60_000);

let disk: TestStore;
beforeEach(async () => {
  disk = await openStore();
});
afterEach(() => disk[Symbol.asyncDispose]());

const fulfilled = (results: readonly PromiseSettledResult<Committed>[]): Committed[] =>
  results.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));

describe("many registers of one name at once", () => {
  test("under two fingerprints let exactly one fingerprint win, with versions without a gap", async () => {
    const catalog = await openCatalog(disk.store);
    const results = await Promise.allSettled(
      Array.from({ length: 60 }, (_, i) =>
        catalog.register(registration("a", { schema_fingerprint: i % 2 === 0 ? "even" : "odd" })),
      ),
    );
    const won = fulfilled(results);
    expect(new Set(won.map(({ manifest }) => manifest.schema_fingerprint)).size).toBe(1);
    expect(won.map(({ manifest }) => manifest.version)).toEqual(
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
    expect(won.filter(({ existing }) => !existing)).toHaveLength(1);
    for (const each of results) {
      if (each.status === "rejected")
        expect(each.reason).toMatchObject({ code: "schema_conflict" });
    }
    expect((await openCatalog(disk.store)).list()).toEqual(catalog.list());
  });

  test("by four catalogs on one store lose no commit and make none twice", async () => {
    const catalogs = await Promise.all([1, 2, 3, 4].map(() => openCatalog(disk.store)));
    const results = await Promise.allSettled(
      catalogs.flatMap((catalog, c) =>
        Array.from({ length: 10 }, (_, i) =>
          catalog.register(registration("a", { objects: [{ key: `${c}/${i}`, size: i }] })),
        ),
      ),
    );
    const versions = fulfilled(results).map(({ manifest }) => manifest.version);
    expect(versions.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    const last = (await openCatalog(disk.store)).get("a");
    expect(last?.version).toBe(40);
  });

  test("mixed with deletes leave memory equal to storage", async () => {
    const catalog = await openCatalog(disk.store);
    const names = ["a", "b", "c"];
    await Promise.allSettled(
      Array.from({ length: 90 }, (_, i) => {
        const name = names[i % names.length] ?? "a";
        return i % 7 === 6 ? catalog.delete(name) : catalog.register(registration(name));
      }),
    );
    expect((await openCatalog(disk.store)).list()).toEqual(catalog.list());
  });
});
