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
import { History } from "./history.ts";
import { copyManifest, nextManifest, type StoredManifest } from "./manifest.ts";
import { openManifestCodec } from "./manifest-file.ts";
import { type Live, ManifestFiles, type PutOutcome } from "./manifest-files.ts";
import { NameLocks } from "./name-locks.ts";
import { checkRegistration, commitSchema, registerSchema } from "./registration.ts";
import { quarantined, Registry, serve } from "./registry.ts";
import { rehydrate } from "./rehydrate.ts";
import { Retention } from "./retention.ts";
import { damagedVersion, versionNotFound } from "./version.ts";

/** What the catalog is made of. */
export interface CatalogParts {
  readonly store: ObjectStore;
  readonly limits: Limits;
  readonly log: Logger;
  readonly clock: Clock;
  readonly hooks: PluginHooks;
  /** Versions of a dataset that are kept, the current one among them; at least 1. */
  readonly retention: number;
}

/** What there is once the store has been opened. */
interface Opened {
  readonly files: ManifestFiles;
  readonly history: History;
  readonly retention: Retention;
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
  readonly #pruning = new Set<string>();
  #opened: Opened | undefined;

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
    const history = new History(store, files);
    const parts = { ...this.#parts, files, history, registry: this.#registry };
    this.#opened = { files, history, retention: new Retention(parts) };
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
    const registration = checkRegistration(value, this.#parts.limits, registerSchema);
    return this.#commit(registration.name, () => Promise.resolve(registration));
  }

  /**
   * `prepare` is called again, with the newer manifest, each time another process committed to the
   * name in the meantime; what it stores must not depend on being stored once.
   */
  async commit(name: string, prepare: Prepare): Promise<Committed> {
    checkName(name);
    return this.#commit(name, async (current) => {
      const prepared = await prepare(current);
      const registration = checkRegistration(prepared, this.#parts.limits, commitSchema);
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

  async getVersion(name: string, version: number): Promise<Manifest | undefined> {
    checkName(name);
    const entry = this.#registry.get(name);
    const manifest = this.get(name);
    if (manifest === undefined || entry?.state !== "live") return undefined;
    if (manifest.version === version) return manifest;
    const { history, retention } = this.#open;
    if (!retention.keeps(version, manifest.version)) return undefined;
    const found = await history.read(name, version);
    if (found?.state === "quarantined") throw damagedVersion(name, version, found);
    // What an earlier dataset of this name has left behind is no version of this one.
    if (found?.stored.incarnation !== entry.stored.incarnation) return undefined;
    return copyManifest(found.stored.manifest);
  }

  async versions(name: string): Promise<readonly number[]> {
    const manifest = this.get(name);
    if (manifest === undefined) return [];
    const { history, retention } = this.#open;
    // Each version is copied before the next one is committed, over whatever lay there before.
    const past = (await history.versions(name)).filter(
      (version) => version < manifest.version && retention.keeps(version, manifest.version),
    );
    return [...past, manifest.version];
  }

  /** `dataset_not_found`, or `version_not_found` with the versions that are kept. */
  async readVersion(name: string, version: number): Promise<Manifest> {
    await this.read(name);
    const manifest = await this.getVersion(name, version);
    if (manifest !== undefined) return manifest;
    throw versionNotFound(name, version, await this.versions(name));
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
      const last = found.state === "live" ? found.stored.manifest : undefined;
      if (last !== undefined) {
        await this.#parts.hooks.notify(datasetDeleted, { manifest: copyManifest(last) });
      }
      // Inside the section: a commit to this name that stores the same object comes after.
      await this.#open.retention.purge(name, last);
    });
  }

  get #files(): ManifestFiles {
    return this.#open.files;
  }

  get #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new LakehouseError("not_ready", "The catalog has not been loaded yet.");
  }

  async #commit(name: string, prepare: Prepare): Promise<Committed> {
    const committed = await this.#commitSection(name, prepare);
    if (committed.manifest.version > this.#parts.retention) this.#pruneSoon(name);
    return committed;
  }

  /** In a section of its own, so that the answer to a commit does not wait for it. */
  #pruneSoon(name: string): void {
    if (this.#pruning.has(name)) return;
    this.#pruning.add(name);
    void this.#locks.run(name, () => {
      this.#pruning.delete(name);
      return this.#open.retention.prune(name);
    });
  }

  #commitSection(name: string, prepare: Prepare): Promise<Committed> {
    return this.#locks.run(name, async () => {
      const commit_id = randomUUID();
      const attempts = this.#parts.limits.catalog_commit_attempts;
      for (let attempt = 1; attempt <= attempts; attempt += 1) {
        const known = await this.#settle(name);
        const candidate = await this.#judge(name, known, prepare, commit_id);
        if (candidate === undefined) continue;
        // A crash right after this leaves a copy that the next commit finds and does not need.
        if (known !== undefined) await this.#open.history.keep(known.stored);
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
