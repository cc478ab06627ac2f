import { readdirSync, readFileSync } from "node:fs";

const MIB = 1024 * 1024;

/** Peaks of resident memory in MiB, libraries included. */
export interface MemoryPeak {
  /** The process itself. */
  readonly own_mib: number;
  /** It and all of its children, as if each had its peak at the same time. */
  readonly all_mib: number;
}

/**
 * Watches a process and its children until the returned function is called. Linux keeps the peak of
 * each (`VmHWM`); looking again and again is for children that end in between.
 */
export function watchMemory(pid: number, interval_ms = 100): () => MemoryPeak {
  let peak: MemoryPeak = { own_mib: 0, all_mib: 0 };
  const look = (): void => {
    const peaks = familyOf(pid).map(peakMib);
    const all_mib = peaks.reduce((sum, each) => sum + each, 0);
    peak = { own_mib: peaks[0] ?? 0, all_mib: Math.max(peak.all_mib, all_mib) };
  };
  const timer = setInterval(look, interval_ms);
  return () => {
    clearInterval(timer);
    look();
    return peak;
  };
}

/** The process first, then everything below it. */
function familyOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    // The name in parentheses may hold anything, so count from its end.
    const fields = read(`/proc/${entry}/stat`).split(") ").at(-1)?.split(" ");
    parents.set(Number(entry), Number(fields?.[1]));
  }
  const family = [pid];
  for (const parent of family) {
    for (const [child, of] of parents) if (of === parent) family.push(child);
  }
  return family;
}

function peakMib(pid: number): number {
  const peak_kib = /^VmHWM:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1];
  return (Number(peak_kib ?? 0) * 1024) / MIB;
}

/** Nothing if the process has just ended. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
