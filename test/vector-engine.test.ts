import { describe, expect, test } from "bun:test";
import { FLAT_COMPONENTS } from "../plugins/vector/open-index.ts";
import {
  type Metric,
  parametersOf as create,
  type Quantization,
} from "../plugins/vector/parameters.ts";
import {
  clusteredVectors,
  parametersOf,
  randomNumbers,
  randomVector,
  statedDistance,
} from "./support/vector-data.ts";
import { Engine, type Item, standardLimits } from "./support/vector-engine.ts";

const metrics: readonly Metric[] = ["cos", "l2", "ip"];
const quantizations: readonly Quantization[] = ["bf16", "f32"];

const itemsOf = (vectors: readonly (readonly number[])[]): Item[] =>
  vectors.map((vector, at) => ({ id: `v${at}`, vector }));

/** Share of the true neighbours that are found. */
function recall(found: readonly string[], truth: readonly string[]): number {
  const names = new Set(found);
  return truth.filter((id) => names.has(id)).length / truth.length;
}

function bruteForce(items: readonly Item[], query: readonly number[], metric: Metric): Item[] {
  const distance = new Map(
    items.map((item) => [item.id, statedDistance(metric, query, item.vector)]),
  );
  return items.toSorted((a, b) => (distance.get(a.id) ?? 0) - (distance.get(b.id) ?? 0));
}

describe("a small index", () => {
  for (const metric of metrics) {
    for (const quantization of quantizations) {
      test(`finds the nearest first at the stated distance: ${metric}, ${quantization}`, async () => {
        const next = randomNumbers(1);
        const items = itemsOf(Array.from({ length: 500 }, () => randomVector(24, next)));
        await using engine = await Engine.open(parametersOf(24, { metric, quantization }));
        engine.put(items);
        const precision = quantization === "bf16" ? 0.05 : 1e-5;
        for (let at = 0; at < 20; at++) {
          const query = randomVector(24, next);
          const found = engine.nearest(query, 10);
          const truth = bruteForce(items, query, metric);
          expect(found).toHaveLength(10);
          for (const [rank, { distance }] of found.entries()) {
            const stated = statedDistance(metric, query, truth[rank]?.vector ?? []);
            expect(Math.abs(distance - stated)).toBeLessThan(precision * (1 + Math.abs(stated)));
          }
        }
      });
    }
  }

  test("gives everything when more is asked for, and nothing when it is empty", async () => {
    await using engine = await Engine.open(parametersOf(2));
    expect(engine.nearest([1, 0], 10)).toEqual([]);
    engine.put([
      { id: "north", vector: [0, 1] },
      { id: "east", vector: [1, 0] },
    ]);
    expect(engine.nearest([1, 0.1], 10).map(({ id }) => id)).toEqual(["east", "north"]);
    engine.delete(["north", "east"]);
    expect(engine.nearest([1, 0], 10)).toEqual([]);
  });

  test("orders ties by id, whatever the order they came in", async () => {
    await using engine = await Engine.open(parametersOf(4));
    const ids = Array.from(
      { length: 200 },
      (_, at) => `t${String((at * 77) % 200).padStart(3, "0")}`,
    );
    engine.put(ids.map((id) => ({ id, vector: [1, 2, 3, 4] })));
    const found = engine.nearest([1, 2, 3, 4], 5);
    expect(found.map(({ id }) => id)).toEqual(["t000", "t001", "t002", "t003", "t004"]);
    expect(found.map(({ distance }) => distance)).toEqual([0, 0, 0, 0, 0]);
  });
});

describe("an index with a graph", () => {
  const dimension = 96;
  const count = Math.ceil(FLAT_COMPONENTS / dimension) + 1000;
  const items = itemsOf(clusteredVectors(count, dimension, 400, 2));

  for (const metric of metrics) {
    test(`finds at least 95 % of the 10 nearest: ${metric}`, async () => {
      const { ef_search } = create({ name: "x", dimension, metric }, standardLimits);
      await using engine = await Engine.open(parametersOf(dimension, { metric, ef_search }));
      for (let at = 0; at < count; at += 5000) engine.put(items.slice(at, at + 5000));
      const next = randomNumbers(3);
      const queries = items
        .slice(0, 100)
        .map(({ vector }) => vector.map((component) => component + next() * 0.5));
      const truth = queries.map((query) => engine.nearest(query, 10).map(({ id }) => id));
      await engine.fold();
      expect(engine.index.rows.graph?.rows).toBe(count);
      const found = queries.map((query) => engine.nearest(query, 10).map(({ id }) => id));
      const shares = found.map((ids, at) => recall(ids, truth[at] ?? []));
      expect(shares.reduce((sum, share) => sum + share, 0) / shares.length).toBeGreaterThan(0.95);
      if (metric === "ip") return;
      const selves = items.slice(0, 200).filter(({ id, vector }) => {
        const [first] = engine.nearest(vector, 1);
        return first?.id === id && first.distance === 0;
      });
      expect(selves.length / 200).toBeGreaterThan(0.95);
    }, 60_000);
  }

  test("answers the same after it is opened again, and hides what was replaced", async () => {
    await using engine = await Engine.open(parametersOf(dimension, { metric: "l2" }));
    for (let at = 0; at < count; at += 5000) engine.put(items.slice(at, at + 5000));
    await engine.fold();
    const [query = []] = clusteredVectors(1, dimension, 1, 4);
    const nearest = engine.nearest(query, 50).map(({ id }) => id);
    const gone = nearest.slice(0, 25);
    engine.delete(gone.slice(0, 10));
    engine.put(gone.slice(10).map((id) => ({ id, vector: randomVector(dimension, () => 40) })));
    const before = engine.nearest(query, 25);
    expect(before).toHaveLength(25);
    expect(before.some(({ id }) => gone.includes(id))).toBeFalse();
    engine.reopen();
    expect(engine.nearest(query, 25)).toEqual(before);
    await engine.fold();
    const folded = engine.nearest(query, 25).map(({ id }) => id);
    expect(
      recall(
        folded,
        before.map(({ id }) => id),
      ),
    ).toBeGreaterThanOrEqual(0.9);
    engine.reopen();
    expect(engine.nearest(query, 25).map(({ id }) => id)).toEqual(folded);
  }, 60_000);

  test("builds anew when many rows are dead, and keeps the rest", async () => {
    await using engine = await Engine.open(parametersOf(dimension));
    for (let at = 0; at < count; at += 5000) engine.put(items.slice(at, at + 5000));
    await engine.fold();
    const gone = items.slice(0, 9000).map(({ id }) => id);
    engine.delete(gone);
    await engine.fold();
    expect(engine.index.stats()).toMatchObject({ count: count - 9000, dead_rows: 0 });
    const kept = items[9500];
    expect(engine.nearest(kept?.vector ?? [], 1)).toMatchObject([{ id: kept?.id, distance: 0 }]);
  }, 60_000);

  test("finds k rows even where identical ones leave others out of reach", async () => {
    await using engine = await Engine.open(parametersOf(dimension, { metric: "l2" }));
    const same = items[0]?.vector ?? [];
    const twins = items.map(({ id, vector }, at) => ({ id, vector: at % 2 === 0 ? same : vector }));
    for (let at = 0; at < count; at += 5000) engine.put(twins.slice(at, at + 5000));
    await engine.fold();
    expect(engine.nearest(same, 10).every(({ distance }) => distance === 0)).toBeTrue();
    expect(engine.nearest(same, count)).toHaveLength(count);
  }, 60_000);
});
