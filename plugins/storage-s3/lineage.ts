import type { Condition, ObjectHead } from "./calls.ts";

/**
 * Every object carries, as user metadata, the random id of the put that wrote it and those of the
 * puts it was built upon, newest first. When the answer to a put is lost, this tells whether it was
 * carried out, also if others have written since: without it a lost race and a lost answer look the
 * same (Ceph answers 500 to a swap that lost its race).
 *
 * Written as `id,id,…`; a closing `*` says that the line goes back to a create-only put.
 */
export interface Lineage {
  /** Newest first. */
  readonly ids: readonly string[];
  /** The oldest id created the object under If-None-Match. */
  readonly whole: boolean;
}

/** Puts one line remembers. User metadata may have 2 KB in all. */
const IDS_MAX = 32;
const ID = /^[A-Za-z0-9_-]{16}$/;
/** Objects whose line is kept in memory, to save a HEAD before each swap. */
const REMEMBERED_MAX = 1024;

/** 96 random bits. */
export function newPutId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString("base64url");
}

export function parseLineage(text: string | undefined): Lineage {
  const items = text?.split(",") ?? [];
  const whole = items.at(-1) === "*";
  const ids = whole ? items.slice(0, -1) : items;
  return ids.length > 0 && ids.every((id) => ID.test(id))
    ? { ids, whole }
    : { ids: [], whole: false };
}

export function formatLineage({ ids, whole }: Lineage): string {
  return [...ids, ...(whole ? ["*"] : [])].join(",");
}

/** The line of a put upon `base`; a create-only put begins one, and one without condition breaks it. */
export function descend(own: string, condition: Condition, base: Lineage | undefined): Lineage {
  if (condition.if_match === undefined) {
    return { ids: [own], whole: condition.if_none_match === "*" };
  }
  const ids = [own, ...(base?.ids ?? [])];
  return { ids: ids.slice(0, IDS_MAX), whole: base?.whole === true && ids.length <= IDS_MAX };
}

/**
 * - `landed`: the put was carried out, whatever came after it.
 * - `lost`: it was not, and never will be: its condition can hold no more.
 * - `open`: it was not carried out yet.
 * - `unknown`: what is stored does not tell.
 */
export type Verdict = "landed" | "lost" | "open" | "unknown";

/** What the stored object says about a put; pure, no I/O. */
export function judge(
  found: Pick<ObjectHead, "etag" | "lineage"> | undefined,
  put: {
    readonly own: string;
    readonly condition: Condition;
    /** Unquoted; goes with `if_match`. */
    readonly base_etag?: string | undefined;
    readonly base?: Lineage | undefined;
  },
): Verdict {
  if (found?.lineage.ids.includes(put.own) === true) return "landed";
  if (put.condition.if_none_match === "*") {
    if (found === undefined) return "open";
    return found.lineage.whole ? "lost" : "unknown";
  }
  if (put.base_etag === undefined || found === undefined) return "unknown";
  if (found.etag === put.base_etag) return "open";
  const base = put.base?.ids[0];
  return base !== undefined && found.lineage.ids.includes(base) ? "lost" : "unknown";
}

/** The lines of objects seen lately. */
export class LineageCache {
  readonly #seen = new Map<string, { readonly etag: string; readonly lineage: Lineage }>();

  remember(key: string, etag: string, lineage: Lineage): void {
    this.#seen.delete(key);
    this.#seen.set(key, { etag, lineage });
    const oldest = this.#seen.keys().next();
    if (this.#seen.size > REMEMBERED_MAX && oldest.done !== true) this.#seen.delete(oldest.value);
  }

  /** Undefined unless the object was last seen with this etag. */
  of(key: string, etag: string): Lineage | undefined {
    const seen = this.#seen.get(key);
    return seen?.etag === etag ? seen.lineage : undefined;
  }
}
