import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { BunPlugin } from "bun";

/** A package whose addon the binary carries along. */
interface NativePackage {
  readonly name: string;
  /** What the package's own loader is imported as; replaced by ours. */
  readonly specifier: RegExp;
  /** Only in imports from files whose path matches, if given. */
  readonly importer?: RegExp;
  /** The folder with the addon and the libraries it links to. */
  readonly folder: string;
  /** The package expects a function that finds and returns the addon. */
  readonly is_finder: boolean;
}

const packageFolder = (specifier: string, from: string): string =>
  dirname(createRequire(from).resolve(specifier));

/**
 * The packages for the platform the build runs on. Both look for their addon on disk at run time,
 * which a binary does not have.
 */
function nativePackages(): readonly NativePackage[] {
  const platform = `${process.platform}-${process.arch}`;
  const bindings = packageFolder("@duckdb/node-bindings/package.json", duckdbApi());
  return [
    {
      name: "duckdb",
      specifier: /^@duckdb\/node-bindings$/,
      folder: packageFolder(
        `@duckdb/node-bindings-${platform}/package.json`,
        join(bindings, "package.json"),
      ),
      is_finder: false,
    },
    {
      name: "usearch",
      specifier: /^node-gyp-build$/,
      importer: /[\\/]usearch[\\/]/,
      folder: join(usearchRoot(), "prebuilds", usearchPlatform(usearchRoot(), platform)),
      is_finder: true,
    },
  ];
}

const duckdbApi = (): string => Bun.resolveSync("@duckdb/node-api", import.meta.dir);
/** `exports` hides the package's own files: from `javascript/dist/<kind>/usearch.js` up. */
const usearchRoot = (): string =>
  join(dirname(Bun.resolveSync("usearch", import.meta.dir)), "..", "..", "..");

/** Prebuilds are named as prebuildify does it: `darwin-arm64+x64` holds two architectures. */
function usearchPlatform(root: string, platform: string): string {
  const [system, architecture] = platform.split("-");
  const found = readdirSync(join(root, "prebuilds")).find((name) => {
    const [prebuilt_system, architectures] = name.split("-");
    return (
      prebuilt_system === system && architectures?.split("+").includes(architecture ?? "") === true
    );
  });
  if (found === undefined) throw new Error(`usearch has no prebuilt addon for ${platform}`);
  return found;
}

const EMBED = "embed:";

/**
 * Puts native addons into the binary: the modules that would search the disk for them are replaced
 * by a call of `loadAddon`, and their files are embedded, compressed (70 MB to 20 MB).
 */
export function nativeAddons(): BunPlugin {
  const packages = new Map(nativePackages().map((each) => [each.name, each]));
  return {
    name: "native-addons",
    setup(build) {
      for (const { name, specifier, importer } of packages.values()) {
        build.onResolve({ filter: specifier }, (args) =>
          importer === undefined || importer.test(args.importer)
            ? { path: name, namespace: "native-addon" }
            : undefined,
        );
      }
      build.onLoad({ filter: /.*/, namespace: "native-addon" }, ({ path }) => {
        const found = packages.get(path);
        if (found === undefined) throw new Error(`no native package is called ${path}`);
        return { loader: "js", contents: shim(found) };
      });
      build.onResolve({ filter: /^embed:/ }, ({ path }) => ({
        path: path.slice(EMBED.length),
        namespace: "embed",
      }));
      build.onLoad({ filter: /.*/, namespace: "embed" }, ({ path }) => ({
        loader: "file",
        contents: Bun.zstdCompressSync(readFileSync(path), { level: 9 }),
      }));
      build.onLoad({ filter: /[\\/]usearch[\\/]javascript[\\/]dist[\\/].*\.js$/ }, ({ path }) => ({
        loader: "js",
        contents: withoutFolderSearch(path, readFileSync(path, "utf8")),
      }));
    },
  };
}

/** CommonJS, because the modules that ask for an addon `require` it. */
function shim({ name, folder, is_finder }: NativePackage): string {
  const files = readdirSync(folder)
    .filter((file) => /\.(node|so|dylib|dll)$/.test(file))
    .map((file) => {
      const bytes = readFileSync(join(folder, file));
      const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
      return { file, path: join(folder, file), size_bytes: bytes.length, sha256 };
    });
  const entry = files.find(({ file }) => file.endsWith(".node"));
  if (entry === undefined) throw new Error(`${folder} holds no addon`);
  const embedded = files.map(
    ({ file, path, size_bytes, sha256 }) =>
      `{ name: ${JSON.stringify(file)}, path: embedded(require(${JSON.stringify(EMBED + path)})), size_bytes: ${size_bytes}, sha256: "${sha256}" }`,
  );
  return `
    const { loadAddon } = require(${JSON.stringify(join(import.meta.dir, "native-cache.ts"))});
    const embedded = (module) => module.default ?? module;
    const load = () => loadAddon({
      name: ${JSON.stringify(name)},
      entry: ${JSON.stringify(entry.file)},
      files: [${embedded.join(", ")}],
    });
    module.exports = ${is_finder ? "load" : "load()"};
  `;
}

/** usearch looks for its package folder before it asks for the addon, and names every prebuild. */
function withoutFolderSearch(path: string, source: string): string {
  const without = source
    .replace(/\(getBuildDir\(getDirName\(\)\)\)/, "()")
    .replace(/if \(process\.uptime\(\) < 0\) \{[^}]*\}/, "");
  if (/\(getBuildDir\(getDirName|uptime/.test(without) || without === source)
    throw new Error(`${path} is not the usearch loader this build knows`);
  return without;
}
