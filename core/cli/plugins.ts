import type { Plugin } from "../plugin.ts";
import type { Command } from "./command.ts";
import { print } from "./output.ts";
import { renderTable } from "./table.ts";

export const plugins: Command = {
  name: "plugins",
  summary: "Show the plugins: which are enabled, and what each provides, needs and serves.",
  usage: "[--config FILE]",
  positionals: [0, 0],
  options: {
    config: {
      type: "string",
      short: "c",
      value: "FILE",
      description: "TOML file; without it lakehouse.toml if it is there, else everything on.",
    },
    format: { type: "string", value: "FORMAT", description: "table (default) or json." },
  },
  async run(args) {
    const format = args.choice("format", ["table", "json"]) ?? "table";
    const { loadConfig } = await import("../config.ts");
    const config = await loadConfig({ path: args.text("config"), env: process.env });
    const rows = await describePlugins(new Set(config.plugins.map(({ plugin }) => plugin.name)));
    await print(format === "json" ? `${JSON.stringify(rows, undefined, 2)}\n` : tableOf(rows));
    return 0;
  },
};

interface PluginRow {
  readonly name: string;
  readonly enabled: boolean;
  readonly summary: string;
  readonly provides: readonly string[];
  /** An optional need ends with `?`. */
  readonly needs: readonly string[];
  /** Routes, without the `/v1` that may stand before each. */
  readonly serves: readonly string[];
}

/** What every built-in plugin declares; nothing is started. */
async function describePlugins(enabled: ReadonlySet<string>): Promise<PluginRow[]> {
  const { builtIns, pluginNames } = await import("../plugins.ts");
  const { isOptional } = await import("../service.ts");
  return Promise.all(
    pluginNames.map(async (name) => {
      const { summary, provides, needs }: Plugin = await builtIns[name].load();
      return {
        name,
        enabled: enabled.has(name),
        summary,
        provides: Object.values(provides).map((service) => service.name),
        needs: Object.values(needs).map((need) =>
          isOptional(need) ? `${need.optional.name}?` : need.name,
        ),
        serves: builtIns[name].serves.map((segment) => `/${segment}`),
      };
    }),
  );
}

function tableOf(rows: readonly PluginRow[]): string {
  const columns = ["plugin", "enabled", "provides", "needs", "serves", "what it does"];
  return renderTable(
    columns.map((name) => ({ name })),
    rows.map((row) => [
      row.name,
      row.enabled ? "yes" : "no",
      row.provides.join(", ") || "-",
      row.needs.join(", ") || "-",
      row.serves.join(", ") || "-",
      row.summary,
    ]),
    { cell_max: 100 },
  );
}
