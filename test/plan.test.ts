import { describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import fc from "fast-check";
import { planStart } from "../core/plan.ts";
import type { Plugin } from "../core/plugin.ts";
import { type Need, optional, service, type Service } from "../core/service.ts";

const storage = service<string>("storage");
const catalog = service<string>("catalog");

const numbered = <T>(list: readonly T[]): Record<string, T> =>
  Object.fromEntries(list.map((each, index) => [`s${index}`, each]));

function plugin(
  name: string,
  needs: readonly Need[] = [],
  provides: readonly Service<unknown>[] = [],
): Plugin {
  return {
    name,
    summary: "",
    config: Type.Object({}),
    needs: numbered(needs),
    provides: numbered(provides),
    setup: () => ({ services: {} }),
  };
}

const names = (plugins: readonly Plugin[]): string[] => plugins.map(({ name }) => name);

describe("the start plan", () => {
  test("puts providers before the plugins that need them, and keeps the order otherwise", () => {
    const plan = planStart([
      plugin("query", [storage, catalog]),
      plugin("vector", [storage]),
      plugin("catalog", [storage], [catalog]),
      plugin("fs", [], [storage]),
    ]);
    expect(plan.problems).toEqual([]);
    expect(names(plan.order)).toEqual(["fs", "catalog", "query", "vector"]);
  });

  test("an optional need orders when its provider is there and is no problem when it is not", () => {
    const needy = plugin("vector", [optional(catalog)]);
    expect(planStart([needy]).problems).toEqual([]);
    expect(names(planStart([needy, plugin("catalog", [], [catalog])]).order)).toEqual([
      "catalog",
      "vector",
    ]);
  });

  test("reports every problem at once, with what to do", () => {
    const plan = planStart(
      [plugin("a", [], [storage]), plugin("b", [], [storage]), plugin("c", [catalog]), plugin("c")],
      new Map([["catalog", ["catalog"]]]),
    );
    expect(plan.problems.map(({ message, hint }) => `${message} ${hint}`)).toEqual([
      "a and b both provide storage. Keep one of [plugins.a] and [plugins.b].",
      "Two plugins are named c. Remove one.",
      "c needs catalog, which no enabled plugin provides. Enable [plugins.catalog].",
    ]);
  });

  test("names the ring when plugins need each other", () => {
    const plan = planStart([plugin("a", [catalog], [storage]), plugin("b", [storage], [catalog])]);
    expect(plan.problems.map(({ message }) => message)).toEqual([
      "Plugins need each other in a ring: a → b → a.",
    ]);
  });

  test("never starts a plugin before what it needs, whatever the order given", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.infiniteStream(fc.nat()), (size, choices) => {
        const next = (): number => choices.next().value;
        const tokens = Array.from({ length: size }, (_, index) => service<string>(`s${index}`));
        const plugins = tokens.map((token, index) =>
          plugin(
            `p${index}`,
            tokens.slice(0, index).filter(() => next() % 3 === 0),
            [token],
          ),
        );
        const shuffled = plugins
          .map((each) => ({ each, rank: next() }))
          .sort((a, b) => a.rank - b.rank);
        const { order, problems } = planStart(shuffled.map(({ each }) => each));
        expect(problems).toEqual([]);
        expect(order).toHaveLength(size);
        for (const [position, each] of order.entries()) {
          for (const need of Object.values(each.needs)) {
            const provider = order.findIndex(({ provides }) =>
              Object.values<Need>(provides).includes(need),
            );
            expect(provider).toBeLessThan(position);
          }
        }
      }),
    );
  });
});
