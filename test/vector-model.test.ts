import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { propertySeed } from "./conformance/storage-bytes.ts";
import { parametersOf } from "./support/vector-data.ts";
import { Engine } from "./support/vector-engine.ts";

type Step =
  | { readonly kind: "put"; readonly ids: readonly string[]; readonly at: number }
  | { readonly kind: "delete"; readonly ids: readonly string[] }
  | { readonly kind: "fold" | "reopen" };

const ids = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"), {
  minLength: 1,
  maxLength: 6,
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("put" as const), ids, at: fc.nat(100) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), ids }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("fold" as const, "reopen" as const) }),
  },
);

/** Small integers are exact in bfloat16, so that the model's distances are the index's. */
const place = (id: string, at: number): readonly [number, number] => [id.charCodeAt(0) - 97, at];

describe("an index under any sequence of puts, deletes, folds and restarts", () => {
  test("answers as a plain map searched in full", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        await using engine = await Engine.open(parametersOf(2, { metric: "l2" }));
        const model = new Map<string, number>();
        for (const each of steps) {
          if (each.kind === "put") {
            const { at } = each;
            const updated = each.ids.filter((id) => model.has(id)).length;
            const items = each.ids.map((id) => ({ id, vector: place(id, at), metadata: { at } }));
            for (const id of each.ids) model.set(id, at);
            const added = each.ids.length - updated;
            expect(engine.put(items)).toMatchObject({ added, updated, count: model.size });
          } else if (each.kind === "delete") {
            const deleted = each.ids.filter((id) => model.delete(id)).length;
            expect(engine.delete(each.ids)).toMatchObject({ deleted, count: model.size });
          } else if (each.kind === "fold") await engine.fold();
          else engine.reopen();
          check(engine, model);
        }
      }),
      { ...propertySeed(), numRuns: 60 },
    );
  }, 60_000);
});

function check(engine: Engine, model: ReadonlyMap<string, number>): void {
  const { table } = engine.index.rows;
  const expected = [...model]
    .map(([id, at]) => ({ id, distance: (id.charCodeAt(0) - 97 - 3) ** 2 + (at - 50) ** 2, at }))
    .sort((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1));
  const found = engine
    .nearest([3, 50], 20)
    .map(({ row, id, distance }) => ({ id, distance, metadata: table.metadata(row) }));
  expect(found).toEqual(
    expected.map(({ id, distance, at }) => ({ id, distance, metadata: `{"at":${at}}` })),
  );
}
