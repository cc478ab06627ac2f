import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Column, Manifest, Registration } from "../core/services.ts";
import type { DatasetCatalog } from "../plugins/catalog/dataset-catalog.ts";
import {
  codeOf,
  errorOf,
  openCatalog,
  openStore,
  registration,
  type TestStore,
} from "./support/catalog-rig.ts";

/** A commit may change the schema of a dataset, under rules that keep what is stored readable. */

/** For a busy machine and a remote store; no test waits for time to pass. */
setDefaultTimeout(60_000);

let disk: TestStore;
beforeEach(async () => {
  disk = await openStore();
});
afterEach(() => disk[Symbol.asyncDispose]());

const int = (id: number, name: string): Column => ({ id, name, type: "int64", nullable: true });

async function commitAs(catalog: DatasetCatalog, next: Registration): Promise<Manifest> {
  const { manifest } = await catalog.commit("a", async () => next);
  return manifest;
}

describe("another schema", () => {
  const first: Registration = registration("a", {
    schema_fingerprint: "one",
    objects: [{ key: "1", size: 1 }],
    columns: [int(1, "x"), int(2, "y")],
  });
  const widened: Registration = {
    ...first,
    schema_fingerprint: "two",
    objects: [
      { key: "1", size: 1 },
      { key: "2", size: 1 },
    ],
    columns: [int(1, "x"), { ...int(2, "y"), type: "float64" }, int(3, "z")],
    schema_change: "allow",
  };
  test("is refused unless the commit allows it, and register never does", async () => {
    const catalog = await openCatalog(disk.store);
    const before = await commitAs(catalog, first);
    const { schema_change: _, ...rest } = widened;
    expect(await codeOf(commitAs(catalog, rest))).toBe("schema_conflict");
    expect(await codeOf(commitAs(catalog, { ...rest, schema_change: "refuse" }))).toBe(
      "schema_conflict",
    );
    expect(await codeOf(catalog.register(widened))).toBe("invalid_request");
    expect(catalog.get("a")).toEqual(before);
  });

  test("is the next version of the same dataset, whose objects keep their columns", async () => {
    const catalog = await openCatalog(disk.store);
    const before = await commitAs(catalog, first);
    expect(before.last_column_id).toBe(2);
    const after = await commitAs(catalog, widened);
    expect(after).toMatchObject({
      dataset_id: before.dataset_id,
      created_at: before.created_at,
      version: 2,
      schema_fingerprint: "two",
      last_column_id: 3,
    });
    expect(after.objects).toEqual([
      {
        key: "1",
        size: 1,
        columns: [
          { id: 1, name: "x", type: "int64" },
          { id: 2, name: "y", type: "int64" },
        ],
      },
      { key: "2", size: 1 },
    ]);
    expect(await catalog.getVersion("a", 1)).toEqual(before);
    // A third schema: each object keeps the columns of its own time.
    const third = await commitAs(catalog, {
      ...widened,
      schema_fingerprint: "three",
      columns: [...(widened.columns ?? []), int(4, "w")],
    });
    expect(third.objects.map(({ columns }) => columns?.length)).toEqual([2, 3]);
    expect((await openCatalog(disk.store)).get("a")).toEqual(third);
  });

  test("may drop columns, but never give their ids to others", async () => {
    const catalog = await openCatalog(disk.store);
    await commitAs(catalog, first);
    const anew: Registration = {
      ...first,
      schema_fingerprint: "three",
      columns: [int(3, "x")],
      schema_change: "allow",
    };
    expect(await commitAs(catalog, anew)).toMatchObject({ last_column_id: 3 });
    const reused = { ...anew, schema_fingerprint: "four", columns: [int(2, "q")] };
    expect((await errorOf(commitAs(catalog, reused))).message).toContain("reuses the column id 2");
    expect(catalog.get("a")).toMatchObject({ version: 2 });
    // Also while the dataset has no columns at all.
    const { columns: _, ...bare } = { ...anew, schema_fingerprint: "bare" };
    expect(await commitAs(catalog, bare)).toMatchObject({ last_column_id: 3 });
    expect((await errorOf(commitAs(catalog, reused))).message).toContain("reuses the column id 2");
    const fresh = { ...anew, columns: [int(4, "q")] };
    expect(await commitAs(catalog, fresh)).toMatchObject({ last_column_id: 4 });
  });

  test("forgets digits that belonged to other data", async () => {
    const catalog = await openCatalog(disk.store);
    const columns = [{ ...int(1, "x"), integer_digits: 3, fraction_digits: 0 }];
    const digits = await commitAs(catalog, { ...first, columns });
    expect(digits.columns).toEqual(columns);
    const { columns: _, ...bare } = first;
    expect((await commitAs(catalog, bare)).columns).toEqual([int(1, "x")]);
  });
});
