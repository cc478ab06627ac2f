import type { TObject } from "@sinclair/typebox";
import { logSchema, serverSchema } from "../core/config.ts";
import { errorTable } from "../core/error.ts";
import { isRecord } from "../core/json.ts";
import { limitsSchema } from "../core/limits.ts";
import { builtIns, pluginNames } from "../core/plugins.ts";

/**
 * The tables of the documentation that repeat what the code says. `bun run docs` writes them
 * between their markers; a test holds the files to them.
 */
export async function docTables(): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
  const plugins = await Promise.all(
    pluginNames.map(async (name) => {
      const { summary, config } = await builtIns[name].load();
      const table = Object.keys(config.properties).length === 0 ? "No keys." : keyTable(config);
      return `### \`[plugins.${name}]\`\n\n${summary}\n\n${table}`;
    }),
  );
  return new Map([
    ["docs/errors.md", { errors: errorRows() }],
    ["docs/limits.md", { limits: keyTable(limitsSchema) }],
    [
      "docs/configuration.md",
      { server: keyTable(serverSchema), log: keyTable(logSchema), plugins: plugins.join("\n\n") },
    ],
  ]);
}

function errorRows(): string {
  const rows = Object.entries(errorTable)
    .map(([code, { status, title }]) => ({ code, status, title }))
    .sort((a, b) => a.status - b.status || (a.code < b.code ? -1 : 1))
    .map(({ code, status, title }) => `| ${status} | \`${code}\` | ${title} |`);
  return ["| status | code | meaning |", "| --- | --- | --- |", ...rows].join("\n");
}

function keyTable(schema: TObject): string {
  const rows = Object.entries(schema.properties).map(([key, property]) => {
    const standard: unknown = property["default"];
    const shown = standard === undefined ? "" : `\`${JSON.stringify(standard)}\``;
    return `| \`${key}\` | ${typeName(property)} | ${shown} | ${property.description ?? ""} |`;
  });
  return ["| key | type | default | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function typeName(schema: unknown): string {
  if (!isRecord(schema)) return "";
  const { type, anyOf, items } = schema;
  if (schema["const"] !== undefined) return `\`${JSON.stringify(schema["const"])}\``;
  if (Array.isArray(anyOf)) return anyOf.map(typeName).join(", ");
  if (type === "array") return `list of ${typeName(items)}`;
  return typeof type === "string" ? type : "";
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`; throws if a marker is missing. */
export function fillTables(text: string, tables: Readonly<Record<string, string>>): string {
  let filled = text;
  for (const [name, table] of Object.entries(tables)) {
    const open = `<!-- ${name} -->`;
    const start = filled.indexOf(open);
    const end = filled.indexOf(`<!-- /${name} -->`);
    if (start === -1 || end < start) throw new Error(`the markers of ${name} are missing`);
    filled = `${filled.slice(0, start + open.length)}\n\n${table}\n\n${filled.slice(end)}`;
  }
  return filled;
}

if (import.meta.main) {
  for (const [path, tables] of await docTables()) {
    await Bun.write(path, fillTables(await Bun.file(path).text(), tables));
  }
  await Bun.$`bunx oxfmt docs/errors.md docs/limits.md docs/configuration.md`.quiet();
}
