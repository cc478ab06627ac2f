import type { Plugin } from "./plugin.ts";
import { isOptional, type Service } from "./service.ts";

export interface PlanProblem {
  readonly plugin: string;
  readonly message: string;
  readonly hint: string;
}

export interface StartPlan {
  /** Providers before the plugins that need them; otherwise the order given. */
  readonly order: readonly Plugin[];
  /** Every problem of the set at once; the order is only good when there are none. */
  readonly problems: readonly PlanProblem[];
}

/**
 * Works out the start order of a set of plugins; pure. `providers` maps the name of a service to
 * the built-in plugins that could provide it, for hints.
 */
export function planStart(
  plugins: readonly Plugin[],
  providers: ReadonlyMap<string, readonly string[]> = new Map(),
): StartPlan {
  const problems: PlanProblem[] = [];
  const providerOf = new Map<Service<unknown>, Plugin>();
  const named = new Set<string>();
  for (const plugin of plugins) {
    if (named.has(plugin.name)) {
      problems.push({
        plugin: plugin.name,
        message: `Two plugins are named ${plugin.name}.`,
        hint: "Remove one.",
      });
    }
    named.add(plugin.name);
    for (const token of Object.values(plugin.provides)) {
      const other = providerOf.get(token);
      if (other === undefined) providerOf.set(token, plugin);
      else {
        problems.push({
          plugin: plugin.name,
          message: `${other.name} and ${plugin.name} both provide ${token.name}.`,
          hint: `Keep one of [plugins.${other.name}] and [plugins.${plugin.name}].`,
        });
      }
    }
  }
  for (const plugin of plugins) {
    for (const need of Object.values(plugin.needs)) {
      if (isOptional(need) || providerOf.has(need)) continue;
      const choices = providers.get(need.name) ?? [];
      problems.push({
        plugin: plugin.name,
        message: `${plugin.name} needs ${need.name}, which no enabled plugin provides.`,
        hint:
          choices.length === 0
            ? `Enable a plugin that provides ${need.name}.`
            : `Enable ${choices.map((name) => `[plugins.${name}]`).join(" or ")}.`,
      });
    }
  }
  const order: Plugin[] = [];
  const visiting: Plugin[] = [];
  const visit = (plugin: Plugin): void => {
    if (order.includes(plugin)) return;
    if (visiting.includes(plugin)) {
      const ring = [...visiting.slice(visiting.indexOf(plugin)), plugin].map((each) => each.name);
      problems.push({
        plugin: plugin.name,
        message: `Plugins need each other in a ring: ${ring.join(" → ")}.`,
        hint: "Make one of these needs optional.",
      });
      return;
    }
    visiting.push(plugin);
    for (const need of Object.values(plugin.needs)) {
      const provider = providerOf.get(isOptional(need) ? need.optional : need);
      if (provider !== undefined && provider !== plugin) visit(provider);
    }
    visiting.pop();
    order.push(plugin);
  };
  for (const plugin of plugins) visit(plugin);
  return { order, problems };
}
