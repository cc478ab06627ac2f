import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/**
 * Debian's packages of the Ceph object gateway, unpacked into a cache folder. Nothing is installed
 * and nothing outside the folder is written, so no privileges are needed.
 */
export interface CephInstall {
  /** Environment in which the unpacked programs find one another and their libraries. */
  readonly env: Readonly<Record<string, string>>;
  /** `…/usr/lib/x86_64-linux-gnu` below the unpacked root. */
  readonly library_path: string;
}

/** The programs this project runs live in these; the rest of the list is what they depend on. */
const WANTED = ["radosgw", "ceph-mon", "ceph-osd", "ceph-base", "ceph-common"];

/** Dependencies that are loaded by the programs above; tools such as lvm2 or Python are not. */
const isNeeded = (name: string): boolean => name.startsWith("lib") || WANTED.includes(name);

const PROGRAMS = ["radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "osdmaptool", "monmaptool"];

/** `LAKEHOUSE_TEST_S3_CACHE`, or `.cache/ceph` in the repository. */
const cacheFolder = (): string =>
  resolve(process.env["LAKEHOUSE_TEST_S3_CACHE"] ?? join(import.meta.dirname, "../../.cache/ceph"));

/** The unpacked packages, fetched on first use (about 60 MB). Throws with what to do if it cannot. */
export async function cephInstall(): Promise<CephInstall> {
  const cache = cacheFolder();
  const root = join(cache, "root");
  const cached = await describe(root);
  if (cached !== undefined) return cached;

  await mkdir(dirname(root), { recursive: true });
  const work = await mkdtemp(join(cache, "fetch-"));
  try {
    await fetchPackages(work);
    // A run beside this one may have been faster; its copy is as good as ours.
    if ((await describe(root)) === undefined) {
      await rm(root, { recursive: true, force: true });
      await rename(join(work, "root"), root);
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const fetched = await describe(root);
  if (fetched !== undefined) return fetched;
  throw new Error(
    `The Ceph packages were unpacked into ${root}, but their programs do not start. ` +
      `Remove that folder and try again on Debian or Ubuntu.`,
  );
}

/** Undefined unless every program needed starts, libraries included. */
async function describe(root: string): Promise<CephInstall | undefined> {
  const libraries = join(root, "usr/lib");
  const names = await readdir(libraries).catch(() => []);
  const triplet = names.find((name) => /-linux-gnu/.test(name));
  if (triplet === undefined) return undefined;
  const library_path = join(libraries, triplet);
  const env = {
    LD_LIBRARY_PATH: [join(root, "lib", triplet), library_path, join(library_path, "ceph")].join(
      ":",
    ),
    PATH: `${join(root, "usr/bin")}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
  };
  for (const program of PROGRAMS) {
    const path = join(root, "usr/bin", program);
    const tried = await run([path, "--version"], { env }).catch(() => undefined);
    if (tried === undefined) return undefined;
  }
  return { env, library_path };
}

async function fetchPackages(work: string): Promise<void> {
  process.stderr.write(
    "fetching the Ceph object gateway from Debian's packages (about 60 MB, once) …\n",
  );
  const debs = join(work, "debs");
  await mkdir(debs);
  try {
    await download(debs, []);
  } catch {
    // No package lists, or lists too old for the mirror: fetch private ones and try once more.
    const options = await freshLists(work);
    await download(debs, options).catch((error: unknown) => {
      throw new Error(
        `The S3 test server could not be fetched: apt-get found no ${WANTED.join(", ")}. ` +
          `It needs Debian or Ubuntu with a reachable package mirror.`,
        { cause: error },
      );
    });
  }
  for (const file of await readdir(debs)) {
    if (file.endsWith(".deb")) await run(["dpkg", "-x", join(debs, file), join(work, "root")]);
  }
}

/** Downloads the wanted packages and those of their dependencies that this machine does not have. */
async function download(folder: string, options: readonly string[]): Promise<void> {
  const plan = await run([
    "apt-get",
    ...options,
    "install",
    "--simulate",
    "--no-install-recommends",
    ...WANTED,
  ]);
  const missing = [...plan.matchAll(/^Inst (\S+)/gm)].flatMap((match) => match[1] ?? []);
  const names = new Set([...WANTED, ...missing.filter(isNeeded)]);
  await run(["apt-get", ...options, "download", "-qq", ...names], { cwd: folder });
}

/** Package lists in a folder of our own, so that neither root nor the system's lists are needed. */
async function freshLists(work: string): Promise<readonly string[]> {
  await mkdir(join(work, "lists/partial"), { recursive: true });
  await mkdir(join(work, "apt/archives/partial"), { recursive: true });
  const options = [
    ["Dir::State::Lists", join(work, "lists")],
    ["Dir::Cache", join(work, "apt")],
    // As root, apt would hand the download to a user that cannot enter this folder.
    ["APT::Sandbox::User", "root"],
  ].flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  await run(["apt-get", ...options, "update", "-qq"]);
  return options;
}

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Standard output of a program that must succeed; throws with its last lines otherwise. */
export async function run(command: string[], options: RunOptions = {}): Promise<string> {
  const child = Bun.spawn(command, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (code === 0) return stdout;
  const said = `${stdout}\n${stderr}`.trim().split("\n").slice(-8).join("\n");
  throw new Error(`${command.slice(0, 3).join(" ")} … failed with code ${code}:\n${said}`);
}
