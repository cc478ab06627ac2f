import { LakehouseError } from "../../core/error.ts";
import type { Manifest } from "../../core/services.ts";
import { suggest } from "../../core/suggest.ts";
import { copyManifest } from "./manifest.ts";
import type { Found, Live, Quarantined } from "./manifest-files.ts";

/** The last commit may or may not be stored: nothing is served until storage has been read. */
export interface Doubted {
  readonly state: "doubted";
}

export type Entry = Live | Quarantined | Doubted;

/** Comparing a misspelt name with many more than these would hold the thread for milliseconds. */
const SUGGEST_FROM = 500;

/** What this process knows about each name. Pure memory; entries are replaced, never changed. */
export class Registry {
  #entries: Map<string, Entry> = new Map();
  /** Live names in order; undefined after a change. */
  #sorted: readonly string[] | undefined;

  get(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  /** `undefined` takes the name out. */
  set(name: string, entry: Found | Doubted): void {
    const was_live = this.#entries.get(name)?.state === "live";
    if (was_live !== (entry?.state === "live")) this.#sorted = undefined;
    if (entry === undefined) this.#entries.delete(name);
    else this.#entries.set(name, entry);
  }

  /** Swaps in a whole new state at once. */
  replaceAll(entries: Map<string, Entry>): void {
    this.#entries = entries;
    this.#sorted = undefined;
  }

  /** The registry's own manifests, sorted by name: for reading only, never to be handed out. */
  live(): readonly Manifest[] {
    this.#sorted ??= [...this.#entries]
      .filter(([, entry]) => entry.state === "live")
      .map(([name]) => name)
      .sort();
    const manifests: Manifest[] = [];
    for (const name of this.#sorted) {
      const entry = this.#entries.get(name);
      if (entry?.state === "live") manifests.push(entry.stored.manifest);
    }
    return manifests;
  }

  doubted(): readonly string[] {
    return [...this.#entries].filter(([, { state }]) => state === "doubted").map(([name]) => name);
  }

  /** `dataset_not_found`, with the name that may have been meant. */
  notFound(name: string): LakehouseError {
    const names = this.#entries.size <= SUGGEST_FROM ? this.#entries.keys() : [];
    const meant = suggest(name, names);
    return new LakehouseError("dataset_not_found", `There is no dataset ${name}.`, {
      hint: meant === undefined ? "GET /catalog/list names all of them." : `Did you mean ${meant}?`,
    });
  }

  /** Those of `keys` that a dataset other than `name` lists too. */
  sharedKeys(keys: ReadonlySet<string>, name: string): ReadonlySet<string> {
    const shared = new Set<string>();
    for (const manifest of this.live()) {
      if (manifest.name === name) continue;
      for (const { key } of manifest.objects) if (keys.has(key)) shared.add(key);
    }
    return shared;
  }
}

/** A copy of what an entry serves; throws if it may not be served. */
export function serve(name: string, entry: Entry | undefined): Manifest | undefined {
  switch (entry?.state) {
    case undefined:
      return undefined;
    case "live":
      return copyManifest(entry.stored.manifest);
    case "quarantined":
      throw quarantined(name, entry);
    case "doubted":
      throw new LakehouseError(
        "commit_unknown",
        `The outcome of the last commit to ${name} is not known yet; it is being read from storage.`,
        { hint: "Ask again in a moment." },
      );
    default:
      throw new Error("unreachable", { cause: entry satisfies never });
  }
}

export function quarantined(name: string, { reason }: Quarantined): LakehouseError {
  return new LakehouseError(
    "dataset_quarantined",
    `The manifest of ${name} cannot be trusted: ${reason}`,
    {
      hint: `Put back a good copy of _catalog/manifests/${name}.parquet, or give the dataset up with DELETE /catalog/manifest/${name}. Its data objects are left alone.`,
      extra: { name, reason },
    },
  );
}
