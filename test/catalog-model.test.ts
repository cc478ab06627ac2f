import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LakehouseError } from "../core/error.ts";
import type { Manifest } from "../core/services.ts";
import type { DatasetCatalog } from "../plugins/catalog/dataset-catalog.ts";
import { propertySeed } from "./conformance/storage-bytes.ts";
import { openCatalog, openStore, registration } from "./support/catalog-rig.ts";
import { type Fault, FaultyStore, type Operation } from "./support/faulty-store.ts";

/** What a dataset must look like to a client, by the rules alone. */
interface Expected {
  readonly schema_fingerprint: string;
  readonly key: string;
  readonly version: number;
}

/** Few, so that versions go and others stay within one run. */
const RETENTION = 3;

/** Per dataset its versions, the current one last: those that are kept. */
type Model = Map<string, readonly Expected[]>;

type Step =
  | { readonly kind: "register"; readonly name: string; readonly fp: string; readonly key: string }
  | { readonly kind: "delete"; readonly name: string }
  | { readonly kind: "restart" }
  | { readonly kind: "fault"; readonly operation: Operation; readonly fault: Fault };

const name = fc.constantFrom("a", "b", "c.rejects");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("register" as const),
      name,
      fp: fc.constantFrom("one", "one", "two"),
      key: fc.constantFrom("k1", "k2"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), name }) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("fault" as const),
      operation: fc.constantFrom<Operation>("put", "get", "head", "delete"),
      fault: fc.record({
        kind: fc.constantFrom("refuse" as const, "lose_answer" as const),
        code: fc.constant("storage_timeout" as const),
      }),
    }),
  },
);

describe("a catalog under any sequence of calls, faults and restarts", () => {
  test("holds what a plain model holds", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await using disk = await openStore();
        const store = new FaultyStore(disk.store);
        const model: Model = new Map();
        let catalog = await openCatalog(store, { retention: RETENTION });
        let faulty = false;
        for (const each of steps) {
          if (each.kind === "fault") {
            store.plan(each.operation, each.fault);
            faulty = true;
            continue;
          }
          if (each.kind === "restart") {
            store.heal();
            catalog = await openCatalog(store, { retention: RETENTION });
          } else {
            await play(each, { catalog, model, store, faulty });
          }
          store.heal();
          faulty = false;
          await catalog.stop();
          expect(view(await catalog.readList())).toEqual(sorted(model));
          await expectVersions(catalog, model);
        }
        expect(view((await openCatalog(disk.store)).list())).toEqual(sorted(model));
      }),
      { numRuns: 60, ...propertySeed() },
    );
  }, 60_000);
});

interface World {
  readonly catalog: DatasetCatalog;
  readonly model: Model;
  readonly store: FaultyStore;
  /** True if this call may suffer a fault. */
  readonly faulty: boolean;
}

/** Plays one call on both; what the catalog calls unknown may have gone either way. */
async function play(
  step: Exclude<Step, { kind: "fault" | "restart" }>,
  { catalog, model, store, faulty }: World,
): Promise<void> {
  const before = model.get(step.name)?.at(-1);
  const after: Expected | undefined =
    step.kind === "delete"
      ? undefined
      : { schema_fingerprint: step.fp, key: step.key, version: (before?.version ?? 0) + 1 };
  const allowed =
    step.kind === "delete"
      ? before !== undefined
      : before === undefined || before.schema_fingerprint === step.fp;
  try {
    if (step.kind === "delete") await catalog.delete(step.name);
    else {
      const { name: dataset, fp: schema_fingerprint, key } = step;
      const objects = [{ key, size: 1 }];
      await catalog.register(registration(dataset, { schema_fingerprint, objects }));
    }
    expect(allowed).toBe(true);
    set(model, step.name, after);
  } catch (error) {
    if (!(error instanceof LakehouseError)) throw error;
    store.heal();
    if (!faulty) {
      expect({ allowed, code: error.code }).toEqual({
        allowed: false,
        code: step.kind === "delete" ? "dataset_not_found" : "schema_conflict",
      });
    }
    if (error.code !== "commit_unknown") return;
    const truth = view((await openCatalog(store)).list()).find(([each]) => each === step.name);
    expect([before, after]).toContainEqual(truth?.[1]);
    set(model, step.name, truth?.[1]);
  }
}

/** Every version that is kept is what it was, and no other is there. */
async function expectVersions(catalog: DatasetCatalog, model: Model): Promise<void> {
  for (const [dataset, kept] of model) {
    expect(await catalog.versions(dataset)).toEqual(kept.map(({ version }) => version));
    const current = kept.at(-1)?.version ?? 0;
    for (let version = 0; version <= current + 1; version += 1) {
      const manifest = await catalog.getVersion(dataset, version);
      const expected = kept.find((each) => each.version === version);
      expect(manifest === undefined ? [] : view([manifest])).toEqual(
        expected === undefined ? [] : [[dataset, expected]],
      );
    }
  }
}

const sorted = (model: Model): [string, Expected][] =>
  [...model]
    .flatMap(([dataset, kept]): [string, Expected][] => {
      const current = kept.at(-1);
      return current === undefined ? [] : [[dataset, current]];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));

function set(model: Model, dataset: string, value: Expected | undefined): void {
  const kept = model.get(dataset) ?? [];
  if (value === undefined) model.delete(dataset);
  else if (value.version !== kept.at(-1)?.version)
    model.set(dataset, [...kept, value].slice(-RETENTION));
}

function view(manifests: readonly Manifest[]): [string, Expected][] {
  return manifests.map(({ name: dataset, schema_fingerprint, objects, version }) => [
    dataset,
    { schema_fingerprint, key: objects[0]?.key ?? "", version },
  ]);
}
