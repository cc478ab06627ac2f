import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };

/** The house rules that a machine can keep. */

const root = join(import.meta.dir, "..");
const tracked = (
  await Bun.$`git ls-files --cached --others --exclude-standard`.cwd(root).quiet().text()
)
  .split("\n")
  .filter((path) => path !== "" && path !== "test/repo.test.ts");
const sources = tracked.filter((path) => path.endsWith(".ts"));
const texts = tracked.filter((path) => /\.(ts|md|json|toml|sh|c)$|^\.ci\//.test(path));
const read = (path: string): Promise<string> => Bun.file(join(root, path)).text();

/** `path:line: text` of every line that matches. */
async function linesWith(paths: readonly string[], pattern: RegExp): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    for (const [index, line] of (await read(path)).split("\n").entries()) {
      if (pattern.test(line)) found.push(`${path}:${index + 1}: ${line.trim().slice(0, 120)}`);
    }
  }
  return found;
}

describe("the repository", () => {
  test("has no source file above 350 lines", async () => {
    const long: string[] = [];
    for (const path of sources) {
      const { length } = (await read(path)).split("\n");
      if (length > 350) long.push(`${path}: ${length}`);
    }
    expect(long).toEqual([]);
  });

  test("has no room for odds and ends", () => {
    expect(sources.filter((path) => /(^|\/)(utils?|helpers?|misc|common)\.ts$/.test(path))).toEqual(
      [],
    );
  });

  test("keeps plugins apart: they meet in core only", async () => {
    const plugins = sources.filter((path) => path.startsWith("plugins/"));
    const crossing: string[] = [];
    for (const path of plugins) {
      const own = path.split("/").slice(0, 2).join("/");
      for (const [, target] of (await read(path)).matchAll(
        /(?:from|import)\s*\(?\s*"(\.[^"]+)"/g,
      )) {
        const resolved = join(path, "..", target ?? "");
        if (!resolved.startsWith("core/") && !resolved.startsWith(`${own}/`))
          crossing.push(`${path} → ${target}`);
      }
    }
    expect(crossing).toEqual([]);
  });

  test("keeps core apart from plugins, but for their table", async () => {
    const core = sources.filter((path) => path.startsWith("core/") && path !== "core/plugins.ts");
    expect(await linesWith(core, /"(\.\.\/)+plugins\//)).toEqual([]);
  });

  test("leaves no marks of unfinished work", async () => {
    expect(
      await linesWith(
        sources,
        /\b(TODO|FIXME|XXX|HACK)\b|@ts-ignore|@ts-expect-error|\bas any\b|: any\b/,
      ),
    ).toEqual([]);
  });

  test("names no path of a machine and no registry", async () => {
    expect(
      await linesWith(
        texts,
        /(^|[\s"'`(=])\/(work|home|root|farm)\/|registry\.npmjs|https?:\/\/[^\s"')]*\b(npm|registry|mirror)\b/,
      ),
    ).toEqual([]);
  });

  test("skips a test only for a reason that the backend or the run declares", async () => {
    const tests = sources.filter((path) => path.startsWith("test/"));
    expect(
      await linesWith(tests, /\b(test|it|describe)\.(only|todo|skip)\((?!["`].*\(skipped: )/),
    ).toEqual([]);
  });

  test("pins every dependency to one version", () => {
    const versions = Object.entries({
      ...packageJson.dependencies,
      ...packageJson.devDependencies,
    });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual(
      [],
    );
  });

  test("has a default export only where a tool demands one", async () => {
    expect(await linesWith(sources, /^export default/)).toEqual([]);
  });
});
