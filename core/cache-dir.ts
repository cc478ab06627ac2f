import { existsSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

let inherited: readonly string[] | undefined;

/**
 * Where the compiled binary may unpack its native libraries, best first. `LAKEHOUSE_CACHE_DIR` is
 * an order, so nothing else is tried then. Otherwise the user's cache folder (XDG Base Directory
 * Specification 0.8), and for users without a writable home a folder of their own in `TMPDIR`,
 * else in `/var/tmp`, which unlike `/tmp` is on disk and outlives a reboot.
 */
export function cacheDirs(env: Environment = process.env): readonly string[] {
  if (inherited !== undefined) return inherited;
  const chosen = env["LAKEHOUSE_CACHE_DIR"];
  if (chosen !== undefined && chosen !== "") return [chosen];
  const home = absolute(env["HOME"]);
  const user_cache =
    absolute(env["XDG_CACHE_HOME"]) ?? (home === undefined ? undefined : join(home, ".cache"));
  const temporary = env["TMPDIR"] === undefined && existsSync("/var/tmp") ? "/var/tmp" : tmpdir();
  return [
    ...(user_cache === undefined ? [] : [join(user_cache, "lakehouse")]),
    join(temporary, `lakehouse-cache-${userInfo().uid}`),
  ];
}

/**
 * A worker process has an empty environment: its parent hands the folders over, so that both use
 * one copy.
 */
export function inheritCacheDirs(folders: readonly string[]): void {
  inherited = folders;
}

/** The specification says that a relative path is to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}
