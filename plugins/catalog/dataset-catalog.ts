import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";
import { hasCode, LakehouseError } from "../../core/error.ts";
import type { PluginHooks } from "../../core/hooks.ts";
import type { Limits } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import {
  type CatalogService,
  checkName,
  type Committed,
  datasetCommitted,
  datasetDeleted,
  type Manifest,
  type Registration,
} from "../../core/services.ts";
import type { ObjectStore } from "../../core/storage.ts";
import { deleteOwnObjects } from "./data-objects.ts";
import { copyManifest, nextManifest, type StoredManifest } from "./manifest.ts";
import { openManifestCodec } from "./manifest-file.ts";
import { type Live, ManifestFiles, type PutOutcome } from "./manifest-files.ts";
import { NameLocks } from "./name-locks.ts";
import { checkRegistration } from "./registration.ts";
import { quarantined, Registry, serve } from "./registry.ts";
import { rehydrate } from "./rehydrate.ts";

/** What the catalog is made of. */
export interface CatalogParts {
  readonly store: ObjectStore;
  readonly limits: Limits;
  readonly log: Logger;
  readonly clock: Clock;
  readonly hooks: PluginHooks;
}

type Prepare = (current: Manifest | undefined) => Promise<Registration>;

/**
 * The registry of datasets. Per name, one critical section holds the check, the write and the swap
 * into memory, in this order, so that memory never runs ahead of storage. Between processes the
 * compare-and-swap of the store decides, and the loser reads again and judges again.
 */
export class DatasetCatalog implements CatalogService {
  readonly #parts: CatalogParts;
  readonly #registry = new Registry();
  readonly #locks = new NameLocks();
  readonly #rechecks = new Set<string>();
  #open_files: ManifestFiles | undefined;

  constructor(parts: CatalogParts) {
    this.#parts = parts;
  }

  /** Loads every manifest. Fails on a fault of the storage, not on a damaged manifest. */
  async start(): Promise<void> {
    const { store, limits, log, clock } = this.#parts;
    const started_ms = clock.monotonic_ms();
    const files = new ManifestFiles(store, await openManifestCodec(), limits.manifest_bytes);
    const { entries, ignored_keys } = await rehydrate(
      store,
      files,
      limits.catalog_load_concurrency,
    );
    this.#registry.replaceAll(entries);
    this.#open_files = files;
    const duration_ms = Math.round(clock.monotonic_ms() - started_ms);
    const quarantine = [...entries]
      .flatMap(([name, entry]) =>
        entry.state === "quarantined" ? [{ name, reason: entry.reason }] : [],
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const loaded = entries.size - quarantine.length;
    const fine = quarantine.length === 0 && ignored_keys.length === 0;
    log[fine ? "info" : "warn"](
      { loaded, duration_ms, quarantined: quarantine, ignored_keys },
      `catalog: loaded ${loaded} datasets in ${duration_ms} ms, quarantined ${quarantine.length}`,
    );
  }

  /** Waits for the critical sections under way. */
  async stop(): Promise<void> {
    await this.#locks.idle();
  }

  /** Takes anything: the check of every member is part of it. */
  async register(value: unknown): Promise<Committed> {
    const registration = checkRegistration(value, this.#parts.limits);
    return this.#commit(registration.name, () => Promise.resolve(registration));
  }

  /**
   * `prepare` is called again, with the newer manifest, each time another process committed to the
   * name in the meantime; what it stores must not depend on being stored once.
   */
  async commit(name: string, prepare: Prepare): Promise<Committed> {
    checkName(name);
    return this.#commit(name, async (current) => {
      const registration = checkRegistration(await prepare(current), this.#parts.limits);
      if (registration.name === name) return registration;
      throw new Error(`a commit to ${name} prepared a registration of ${registration.name}`);
    });
  }

  get(name: string): Manifest | undefined {
    checkName(name);
    if (this.#isUnsettled(name)) this.#recheckSoon(name);
    return serve(name, this.#registry.get(name));
  }

  /** After a look at storage if the name is quarantined or in doubt. `dataset_not_found`. */
  async read(name: string): Promise<Manifest> {
    checkName(name);
    if (this.#isUnsettled(name)) await this.#locks.run(name, () => this.#settle(name));
    const manifest = serve(name, this.#registry.get(name));
    if (manifest === undefined) throw this.#registry.notFound(name);
    return manifest;
  }

  list(): readonly Manifest[] {
    for (const name of this.#registry.doubted()) this.#recheckSoon(name);
    return this.#registry.live().map(copyManifest);
  }

  /**
   * The registry's own manifests, which are never changed in place, after a look at storage for
   * names in doubt. For rendering only: copying 10,000 of them would be the larger part of it.
   */
  async readList(): Promise<readonly Manifest[]> {
    await Promise.all(this.#registry.doubted().map((name) => this.#recheck(name)));
    return this.#registry.live();
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    await this.#locks.run(name, async () => {
      // Read anew, so that the data objects are those of the last commit of any process.
      const found = await this.#files.read(name);
      this.#registry.set(name, found);
      if (found === undefined) throw this.#registry.notFound(name);
      await this.#orDoubt(name, () => this.#files.delete(name));
      // A crash from here on leaves data objects that no manifest lists: lost space, nothing else.
      this.#registry.set(name, undefined);
      if (found.state !== "live") return;
      const { manifest } = found.stored;
      await this.#parts.hooks.notify(datasetDeleted, { manifest: copyManifest(manifest) });
      // Inside the section: a commit to this name that stores the same object comes after.
      await deleteOwnObjects(manifest, { ...this.#parts, registry: this.#registry });
    });
  }

  get #files(): ManifestFiles {
    if (this.#open_files !== undefined) return this.#open_files;
    throw new LakehouseError("not_ready", "The catalog has not been loaded yet.");
  }

  #commit(name: string, prepare: Prepare): Promise<Committed> {
    return this.#locks.run(name, async () => {
      const commit_id = randomUUID();
      const attempts = this.#parts.limits.catalog_commit_attempts;
      for (let attempt = 1; attempt <= attempts; attempt += 1) {
        const known = await this.#settle(name);
        const candidate = await this.#judge(name, known, prepare, commit_id);
        if (candidate === undefined) continue;
        const outcome = await this.#orDoubt(name, () => this.#files.put(name, candidate, known));
        this.#adopt(name, outcome);
        if (outcome.landed) return this.#announce(candidate.manifest, known !== undefined);
        await backOff(attempt);
      }
      throw new LakehouseError(
        "overloaded",
        `Other processes committed to ${name} ${attempts} times while this commit was tried; nothing was registered.`,
        { hint: "Send the request again." },
      );
    });
  }

  /** The candidate, or undefined if the refusal was based on a manifest that is out of date. */
  async #judge(
    name: string,
    known: Live | undefined,
    prepare: Prepare,
    commit_id: string,
  ): Promise<StoredManifest | undefined> {
    try {
      const current = known === undefined ? undefined : copyManifest(known.stored.manifest);
      const registration = await prepare(current);
      return nextManifest(known?.stored, registration, { commit_id, now: this.#parts.clock.now() });
    } catch (error) {
      if (!hasCode(error, "schema_conflict")) throw error;
      if (await this.#files.isCurrent(name, known)) throw error;
      await this.#refresh(name);
      return undefined;
    }
  }

  #adopt(name: string, outcome: PutOutcome): void {
    this.#registry.set(name, outcome.landed ? outcome.live : outcome.found);
  }

  async #announce(manifest: Manifest, existing: boolean): Promise<Committed> {
    const event = { manifest: copyManifest(manifest), existing };
    await this.#parts.hooks.notify(datasetCommitted, event);
    return { manifest: copyManifest(manifest), existing };
  }

  /** Inside the section: what is registered, after a look at storage if that is not certain. */
  async #settle(name: string): Promise<Live | undefined> {
    const entry = this.#registry.get(name);
    if (entry === undefined || entry.state === "live") return entry;
    if (entry.state === "quarantined" && (await this.#files.isCurrent(name, entry))) {
      throw quarantined(name, entry);
    }
    return this.#refresh(name);
  }

  async #refresh(name: string): Promise<Live | undefined> {
    const found = await this.#files.read(name);
    this.#registry.set(name, found);
    if (found?.state === "quarantined") throw quarantined(name, found);
    return found;
  }

  /** After an unknown outcome memory may be wrong either way, so it is not served. */
  async #orDoubt<Result>(name: string, change: () => Promise<Result>): Promise<Result> {
    try {
      return await change();
    } catch (error) {
      if (hasCode(error, "commit_unknown")) this.#registry.set(name, { state: "doubted" });
      throw error;
    }
  }

  #isUnsettled(name: string): boolean {
    const entry = this.#registry.get(name);
    return entry !== undefined && entry.state !== "live";
  }

  #recheckSoon(name: string): void {
    if (this.#rechecks.has(name)) return;
    this.#rechecks.add(name);
    void this.#recheck(name).finally(() => this.#rechecks.delete(name));
  }

  async #recheck(name: string): Promise<void> {
    try {
      await this.#locks.run(name, () => this.#settle(name));
    } catch (error) {
      if (hasCode(error, "dataset_quarantined")) return;
      this.#parts.log.warn({ err: error, name }, "catalog: could not read a manifest again");
    }
  }
}

/** Lets the winner of a lost race finish; the jitter keeps two losers from meeting again. */
async function backOff(attempt: number): Promise<void> {
  await setTimeout(Math.random() * Math.min(100, 2 ** attempt));
}
