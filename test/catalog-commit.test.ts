import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { HookBus } from "../core/hooks.ts";
import { type Column, datasetCommitted, type Manifest } from "../core/services.ts";
import {
  codeOf,
  errorOf,
  openCatalog,
  openStore,
  registration,
  type TestStore,
} from "./support/catalog-rig.ts";
import { FaultyStore } from "./support/faulty-store.ts";
import { silentLog } from "./support/silent-log.ts";

/** For a busy machine and a remote store; no test waits for time to pass. */
setDefaultTimeout(60_000);

let disk: TestStore;
let store: FaultyStore;
beforeEach(async () => {
  disk = await openStore();
  store = new FaultyStore(disk.store);
});
afterEach(() => disk[Symbol.asyncDispose]());

/** What a process that starts now finds: the truth of the storage. */
const stored = async (name: string): Promise<Manifest | undefined> =>
  (await openCatalog(disk.store)).get(name);

const column = (id: number, name: string, nullable: boolean, type = "int64"): Column => ({
  id,
  name,
  type,
  nullable,
});

/** Writes into every object and list within a value. */
function spoil(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const member of Object.values(value)) spoil(member);
  Object.assign(value, { key: "SPOILT", name: "SPOILT", version: 99 });
}

describe("register", () => {
  test("creates, then replaces under the same fingerprint", async () => {
    const catalog = await openCatalog(store);
    const first = await catalog.register(registration("a", { row_count: 3 }));
    expect(first.existing).toBe(false);
    expect(first.manifest).toMatchObject({ name: "a", version: 1, row_count: 3 });
    expect(first.manifest.created_at).toBe(first.manifest.updated_at);

    const objects = [{ key: "other", size: 9 }];
    const second = await catalog.register(registration("a", { objects }));
    expect(second.existing).toBe(true);
    expect(second.manifest).toMatchObject({
      dataset_id: first.manifest.dataset_id,
      created_at: first.manifest.created_at,
      objects,
      version: 2,
    });
    expect(second.manifest.updated_at > first.manifest.updated_at).toBe(true);
    expect(second.manifest.row_count).toBeUndefined();
    expect(await stored("a")).toEqual(second.manifest);
  });

  test("moves updated_at forward even while the clock stands still or goes back", async () => {
    const times = ["2026-05-01T00:00:00.500Z", "2026-05-01T00:00:00.500Z", "2020-01-01T00:00:00Z"];
    const clock = {
      now: () => new Date(times.shift() ?? ""),
      monotonic_ms: () => performance.now(),
    };
    const catalog = await openCatalog(store, { clock });
    const moments: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      moments.push((await catalog.register(registration("a"))).manifest.updated_at);
    }
    expect(moments).toEqual([
      "2026-05-01T00:00:00.500Z",
      "2026-05-01T00:00:00.501Z",
      "2026-05-01T00:00:00.502Z",
    ]);
  });

  test("refuses another fingerprint and changes nothing", async () => {
    const catalog = await openCatalog(store);
    const { manifest } = await catalog.register(registration("a"));
    const puts = store.count("put");
    const refused = catalog.register(registration("a", { schema_fingerprint: "other" }));
    expect(await errorOf(refused)).toMatchObject({
      code: "schema_conflict",
      extra: { registered_fingerprint: "fp", offered_fingerprint: "other" },
    });
    expect(store.count("put")).toBe(puts);
    expect(catalog.get("a")).toEqual(manifest);
    expect(await stored("a")).toEqual(manifest);
  });

  test("keeps the registered column ids and lets nullability move", async () => {
    const catalog = await openCatalog(store);
    await catalog.register(
      registration("a", { columns: [column(5, "x", false), column(2, "y", false)] }),
    );
    const again = await catalog.register(
      registration("a", { columns: [column(1, "x", true), column(2, "y", false)] }),
    );
    expect(again.manifest.columns).toEqual([column(5, "x", true), column(2, "y", false)]);
    const without = await catalog.register(registration("a"));
    expect(without.manifest.columns).toEqual(again.manifest.columns);
    for (const columns of [
      [column(1, "x", true)],
      [column(1, "y", true), column(2, "x", false)],
      [column(1, "x", true, "utf8"), column(2, "y", false)],
    ]) {
      expect(await codeOf(catalog.register(registration("a", { columns })))).toBe(
        "schema_conflict",
      );
    }
  });

  test("fires datasetCommitted after the swap, in order, with a copy", async () => {
    const hooks = new HookBus(silentLog).forPlugin("test");
    const seen: [number, boolean, number | undefined][] = [];
    const catalog = await openCatalog(store, { hooks });
    hooks.on(datasetCommitted, ({ manifest, existing }) => {
      seen.push([manifest.version, existing, catalog.get("a")?.version]);
      Object.assign(manifest, { version: 99 });
    });
    await Promise.all([1, 2, 3].map(() => catalog.register(registration("a"))));
    expect(seen).toEqual([
      [1, false, 1],
      [2, true, 2],
      [3, true, 3],
    ]);
    expect(catalog.get("a")?.version).toBe(3);
  });

  test("hands out copies that share nothing with the registry", async () => {
    const catalog = await openCatalog(store);
    const given = {
      ...registration("a"),
      objects: [{ key: "k", size: 1 }],
      columns: [{ id: 1, name: "x", type: "utf8", nullable: true }],
    };
    const { manifest } = await catalog.register(given);
    const before = JSON.stringify(manifest);
    spoil(given);
    spoil(manifest);
    spoil(catalog.get("a"));
    spoil(catalog.list());
    spoil(await catalog.read("a"));
    expect(JSON.stringify(catalog.get("a"))).toBe(before);
    expect(JSON.stringify(await stored("a"))).toBe(before);
  });
});

describe("commit", () => {
  test("shows prepare the current manifest and commits nothing if it throws", async () => {
    const catalog = await openCatalog(store);
    const seen: (number | undefined)[] = [];
    const prepare = async (current: Manifest | undefined) => {
      seen.push(current?.version);
      return registration("a");
    };
    await catalog.commit("a", prepare);
    await catalog.commit("a", prepare);
    const failing = catalog.commit("a", () => Promise.reject(new RangeError("disk on fire")));
    expect((await errorOf(failing)).message).toBe("disk on fire");
    expect(seen).toEqual([undefined, 1]);
    expect(catalog.get("a")?.version).toBe(2);
    expect((await stored("a"))?.version).toBe(2);
  });

  test("refuses a registration of another name, and one entered from inside itself", async () => {
    const catalog = await openCatalog(store);
    const other = catalog.commit("a", async () => registration("b"));
    expect((await errorOf(other)).message).toBe("a commit to a prepared a registration of b");
    const nested = catalog.commit("a", async () => {
      await catalog.register(registration("a"));
      return registration("a");
    });
    expect((await errorOf(nested)).message).toContain("entered from inside itself");
    expect(await stored("a")).toBeUndefined();
  });

  test("of one name runs one at a time; another name does not wait", async () => {
    const catalog = await openCatalog(store);
    const gate = Promise.withResolvers<void>();
    const order: string[] = [];
    const slow = catalog.commit("a", async () => {
      order.push("slow in");
      await gate.promise;
      order.push("slow out");
      return registration("a");
    });
    const next = catalog.commit("a", async () => {
      order.push("next in");
      return registration("a");
    });
    await catalog.register(registration("b"));
    order.push("b done");
    gate.resolve();
    await Promise.all([slow, next]);
    expect(order).toEqual(["slow in", "b done", "slow out", "next in"]);
  });

  test("judges again when another process committed first, with its manifest in view", async () => {
    const ours = await openCatalog(store);
    const theirs = await openCatalog(disk.store);
    await ours.register(registration("a"));
    const seen: (number | undefined)[] = [];
    await theirs.register(registration("a")); // Unknown to them: they lose the create and see ours.
    const { manifest } = await ours.commit("a", async (current) => {
      seen.push(current?.version);
      return registration("a");
    });
    expect(seen).toEqual([1, 2]);
    expect(manifest.version).toBe(3);
    expect((await stored("a"))?.version).toBe(3);
  });

  test("does not refuse on the strength of a manifest that another process replaced", async () => {
    const ours = await openCatalog(store);
    const theirs = await openCatalog(disk.store);
    await ours.register(registration("a"));
    await theirs.register(registration("a"));
    await theirs.delete("a");
    await theirs.register(registration("a", { schema_fingerprint: "new" }));
    const { manifest } = await ours.register(registration("a", { schema_fingerprint: "new" }));
    expect(manifest).toMatchObject({ schema_fingerprint: "new", version: 2 });
  });

  test("gives up with nothing stored after losing every race it may lose", async () => {
    const ours = await openCatalog(store, { limits: { catalog_commit_attempts: 3 } });
    const theirs = await openCatalog(disk.store);
    let races = 0;
    const losing = ours.commit("a", async () => {
      races += 1;
      await theirs.register(registration("a"));
      return registration("a", { objects: [{ key: "ours", size: 1 }] });
    });
    expect(await codeOf(losing)).toBe("overloaded");
    expect(races).toBe(3);
    expect(await stored("a")).toMatchObject({ version: 3, objects: [{ key: "data/a", size: 1 }] });
  });

  test("refuses a manifest larger than could be read back", async () => {
    const catalog = await openCatalog(store, { limits: { manifest_bytes: 6000 } });
    const objects = Array.from({ length: 300 }, (_, i) => ({ key: `${i}`.repeat(20), size: i }));
    expect(await codeOf(catalog.register(registration("a", { objects })))).toBe("limit_exceeded");
    expect(store.count("put")).toBe(0);
    expect(catalog.get("a")).toBeUndefined();
  });
});
