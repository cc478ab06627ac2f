import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { nativeAddons } from "./native-addons.ts";

/**
 * Compiles the server, its native libraries and the Bun runtime into one file: `bun run build`, or
 * `bun build/build.ts PATH`.
 */
const root = dirname(import.meta.dir);
const outfile = process.argv[2] ?? join(root, "dist", "lakehouse");

/** Threads are opened by path at run time, so the bundler has to be told of their modules. */
const threads = [...new Bun.Glob("plugins/*/{thread,*-thread}.ts").scanSync({ cwd: root })];

const started_ms = performance.now();
mkdirSync(dirname(outfile), { recursive: true });
// Beside its final place, for a rename that a running server survives; Bun leaves maps there too.
const workshop = mkdtempSync(join(dirname(outfile), ".build-"));
try {
  await compile(join(workshop, "lakehouse"));
  renameSync(join(workshop, "lakehouse"), outfile);
} finally {
  rmSync(workshop, { recursive: true, force: true });
}
const size_mib = (statSync(outfile).size / 1024 / 1024).toFixed(0);
const elapsed_s = ((performance.now() - started_ms) / 1000).toFixed(1);
console.log(`${relative(process.cwd(), outfile)}: ${size_mib} MiB, built in ${elapsed_s} s`);

async function compile(path: string): Promise<void> {
  const result = await Bun.build({
    root,
    entrypoints: ["core/main.ts", ...threads].map((path) => join(root, path)),
    target: "bun",
    format: "esm",
    bytecode: true,
    // Never identifiers: Elysia compares `constructor.name`, and validation would stop in silence.
    minify: { syntax: true, whitespace: false, identifiers: false },
    sourcemap: "inline",
    // Without it libraries run in their development mode.
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [nativeAddons()],
    compile: {
      outfile: path,
      // A server must not change its behaviour by the folder it is started in.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
  });
  for (const message of result.logs) console.error(message);
}
