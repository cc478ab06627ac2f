import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { docTables, fillTables } from "../build/doc-tables.ts";
import { pluginNames } from "../core/plugins.ts";

const root = join(import.meta.dir, "..");
const read = (path: string): Promise<string> => Bun.file(join(root, path)).text();

/** Table cells without the padding that the formatter adds. */
const squeeze = (text: string): string =>
  text.replaceAll(/ +\|/g, " |").replaceAll(/\| +/g, "| ").replaceAll(/-{3,}/g, "---").trim();

const tables_of = await docTables();

describe("the documentation", () => {
  for (const [path, tables] of tables_of) {
    test(`${path} says what the code says (else: bun run docs)`, async () => {
      const text = await read(path);
      expect(squeeze(text)).toBe(squeeze(fillTables(text, tables)));
    });
  }

  for (const name of pluginNames) {
    test(`has a page for ${name}`, async () => {
      expect((await read(`docs/${name}.md`)).length).toBeGreaterThan(500);
    });
  }

  test("links only to files that exist", async () => {
    const pages = [
      "README.md",
      ...(await Array.fromAsync(new Bun.Glob("docs/**/*.md").scan(root))),
    ];
    const broken: string[] = [];
    for (const page of pages) {
      for (const [, target] of (await read(page)).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
        const path = join(root, page, "..", target ?? "");
        if (!existsSync(path)) broken.push(`${page}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });
});
