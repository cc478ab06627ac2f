import { dlopen, ptr } from "bun:ffi";
import { readFileSync, writeFileSync } from "node:fs";

/**
 * What a worker process asks of the operating system, through libc (bun:ffi): limits on itself
 * (setrlimit(2)), death with its parent (prctl(2)), a private standard output (dup(2)). Nothing
 * here throws: what a platform lacks is reported, so that the parent can say so in the log.
 */

const RLIMIT_CORE = 4;
/** Linux. On macOS it is 5, and not enforced. */
const RLIMIT_AS = 9;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

const signatures = {
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
  getppid: { args: [], returns: "i32" },
  dup: { args: ["i32"], returns: "i32" },
  dup2: { args: ["i32", "i32"], returns: "i32" },
} as const;

const linuxSignatures = {
  // Variadic in C; on x86-64 and arm64 Linux its arguments are passed like any others.
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
} as const;

const libraries: Readonly<Record<string, readonly string[]>> = {
  linux: ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`],
  darwin: ["libSystem.B.dylib"],
};

function open<const Symbols extends Parameters<typeof dlopen>[1]>(symbols: Symbols) {
  for (const name of libraries[process.platform] ?? []) {
    try {
      return dlopen(name, symbols).symbols;
    } catch {
      // Not this libc: try the next name.
    }
  }
  return undefined;
}

const libc = open(signatures);
const linux = process.platform === "linux" ? open(linuxSignatures) : undefined;

/** True if the parent is still `parent_pid`; without libc, whatever the runtime believes. */
export function hasParent(parent_pid: number): boolean {
  return (libc?.getppid() ?? process.ppid) === parent_pid;
}

/**
 * Asks the kernel to kill this process when its parent dies. False where that is not possible.
 * The parent may be gone already: check `hasParent` afterwards (prctl(2), PR_SET_PDEATHSIG).
 */
export function dieWithParent(): boolean {
  return linux?.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) === 0;
}

/** A crash must not write gigabytes of memory, other people's data in it, to disk. */
export function disableCoreDumps(): boolean {
  return setLimit(RLIMIT_CORE, 0n);
}

/**
 * Lets the address space grow by at most this much from what it is now, for good. Linux only:
 * macOS accepts the limit and ignores it.
 */
export function limitAddressSpace(added_bytes: number): boolean {
  const used_bytes = addressSpaceBytes();
  if (used_bytes === undefined) return false;
  return setLimit(RLIMIT_AS, BigInt(used_bytes) + BigInt(added_bytes));
}

/** Out of memory, the kernel should take a worker before the server (proc(5), oom_score_adj). */
export function volunteerForOomKiller(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", "500");
  } catch {
    // Not Linux, or a hardened /proc. Best effort by nature.
  }
}

/**
 * Keeps standard output for the caller alone: returns a new descriptor for it and points
 * descriptor 1 at standard error, so that `console.log`, and a `printf` in a native library, land
 * in the log and not in the middle of a frame. Undefined without libc.
 */
export function claimStdout(): number | undefined {
  if (libc === undefined) return undefined;
  const fd = libc.dup(1);
  return fd >= 0 && libc.dup2(2, 1) === 1 ? fd : undefined;
}

function setLimit(resource: number, value: bigint): boolean {
  if (libc === undefined) return false;
  const limit = new BigUint64Array([value, value]);
  return libc.setrlimit(resource, ptr(limit)) === 0;
}

/** VmSize of proc(5): bytes of address space mapped now. Undefined where there is no /proc. */
function addressSpaceBytes(): number | undefined {
  try {
    const kib = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}
