import { v7 as uuidv7 } from "uuid";
import { checkBody, readBytes, readChunks, readJson } from "../../core/body.ts";
import { hasCode, LakehouseError } from "../../core/error.ts";
import { checkName } from "../../core/services.ts";
import { baseKey, emptyBase, type Identity } from "./base.ts";
import type { StoredBase } from "./base-store.ts";
import type { Environment } from "./environment.ts";
import { encodeFrame } from "./frame.ts";
import { type Loaded, loadIndex } from "./load-index.ts";
import { createSchema, parametersOf } from "./parameters.ts";
import { putOnce } from "./put-once.ts";
import type { SegmentKey } from "./segment.ts";
import { type Description, StoredIndex } from "./stored-index.ts";
import { deleteSegments, listObjects } from "./stored-objects.ts";

type Entry =
  | { readonly kind: "open"; readonly index: StoredIndex }
  /** Damaged in the store. Its name is taken until it is deleted or repaired. */
  | { readonly kind: "quarantined"; readonly reason: string }
  | { readonly kind: "creating" };

/** Indexes read at once at start. */
const LOAD_CONCURRENCY = 8;

/** All indexes by name, and what each route does. */
export class VectorIndexes {
  readonly #environment: Environment;
  readonly #entries = new Map<string, Entry>();
  #next_handle = 1;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Loads every stored index; a damaged one is quarantined and the others serve. */
  async start(): Promise<void> {
    const { store, log, clock } = this.#environment;
    const started_ms = clock.monotonic_ms();
    const { names, segments } = await listObjects(store);
    const waiting = [...names];
    const loadWaiting = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        await this.#load(name, segments.get(name) ?? []);
      }
    };
    await Promise.all(Array.from({ length: LOAD_CONCURRENCY }, () => loadWaiting()));
    for (const [name, orphans] of segments) {
      if (!this.#entries.has(name)) await this.#sweep(orphans.map(({ key }) => key));
    }
    const quarantined = [...this.#entries]
      .filter(([, { kind }]) => kind === "quarantined")
      .map(([name]) => name);
    const duration_ms = Math.round(clock.monotonic_ms() - started_ms);
    log.info({ indexes: names.length - quarantined.length, quarantined, duration_ms }, "loaded");
  }

  /** Waits for what is under way; the log is durable, so nothing needs to be written. */
  async stop(): Promise<void> {
    const { threads } = this.#environment;
    await threads.abandonBuilds();
    await this.idle();
    await threads.stop();
  }

  /** Resolves when no write and no fold is under way. */
  async idle(): Promise<void> {
    for (const entry of this.#entries.values()) {
      if (entry.kind === "open") await entry.index.idle();
    }
  }

  async create(request: Request): Promise<Description> {
    const { limits, clock } = this.#environment;
    const body = checkBody(createSchema, await readJson(request, limits.json_body_bytes));
    const name = checkName(body.name, "vector index");
    const parameters = parametersOf(body, limits);
    this.#checkFree(name);
    const created_at = clock.now().toISOString();
    const identity: Identity = { index_id: uuidv7(), name, created_at, parameters };
    this.#entries.set(name, { kind: "creating" });
    try {
      const index = await this.#create(identity, body.persist ?? true);
      this.#entries.set(name, { kind: "open", index });
      return index.describe();
    } catch (error) {
      this.#entries.delete(name);
      // An earlier create whose outcome was unknown, or another server: serve what is stored.
      if (hasCode(error, "index_exists")) {
        const { segments } = await listObjects(this.#environment.store);
        await this.#load(name, segments.get(name) ?? []);
      }
      throw error;
    }
  }

  list(): { indexes: Description[]; count: number } {
    const indexes = [...this.#entries.values()]
      .flatMap((entry) => (entry.kind === "open" ? [entry.index.describe()] : []))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return { indexes, count: indexes.length };
  }

  describe(name: string): Description {
    return this.#open(name).describe();
  }

  async delete(name: string): Promise<{ deleted: string }> {
    const entry = this.#entries.get(checkName(name, "vector index"));
    if (entry?.kind === "quarantined") {
      const { store } = this.#environment;
      await store.delete(baseKey(name));
      this.#entries.delete(name);
      await deleteSegments(store, name);
      return { deleted: name };
    }
    const index = this.#open(name);
    await index.remove();
    const current = this.#entries.get(name);
    if (current?.kind === "open" && current.index === index) this.#entries.delete(name);
    return { deleted: name };
  }

  async add(
    name: string,
    request: Request,
  ): Promise<{ added: number; updated: number; count: number }> {
    const index = this.#open(name);
    const body = await readChunks(request, this.#environment.limits.vector_body_bytes);
    const { added, updated, count } = await index.add(body);
    return { added, updated, count };
  }

  async deleteVectors(name: string, request: Request): Promise<{ deleted: number; count: number }> {
    const index = this.#open(name);
    const body = await readChunks(request, this.#environment.limits.vector_body_bytes);
    const { deleted, count } = await index.delete(body);
    return { deleted, count };
  }

  /** The answer is made in the thread, as bytes, so that a large one does not stop the server. */
  async search(name: string, request: Request): Promise<Response> {
    const index = this.#open(name);
    const body = await readBytes(request, this.#environment.limits.json_body_bytes);
    const answer = await index.search(body);
    return new Response(answer.slice().buffer, { headers: { "content-type": "application/json" } });
  }

  #open(name: string): StoredIndex {
    const entry = this.#entries.get(checkName(name, "vector index"));
    if (entry?.kind === "open") return entry.index;
    if (entry?.kind === "quarantined") {
      throw new LakehouseError("index_quarantined", entry.reason, {
        hint: "Restore its objects from a backup and restart, or DELETE it and build it again.",
        extra: { name },
      });
    }
    throw new LakehouseError("index_not_found", `There is no vector index ${name}.`, {
      hint: "GET /vectors/index lists them; POST /vectors/index makes one.",
      extra: { name },
    });
  }

  #checkFree(name: string): void {
    const { limits } = this.#environment;
    if (this.#entries.get(name)?.kind === "quarantined") this.#open(name);
    if (this.#entries.has(name)) throw exists(name);
    if (this.#entries.size >= limits.vector_indexes) {
      throw new LakehouseError(
        "limit_exceeded",
        `There are ${limits.vector_indexes} vector indexes already.`,
        { hint: "Delete one, or raise vector_indexes under [limits]." },
      );
    }
  }

  /** The commit point is the put of the base object, which is refused if there is one. */
  async #create(identity: Identity, persist: boolean): Promise<StoredIndex> {
    const environment = this.#environment;
    const handle = this.#next_handle++;
    const reader = environment.threads.reader();
    try {
      const { stats } = await reader.thread.call("create", { handle, identity });
      const stored = persist ? await this.#putBase(identity) : undefined;
      const folder = undefined;
      return new StoredIndex({ environment, reader, handle, identity, stats, stored, folder });
    } catch (error) {
      reader.release();
      await reader.thread.call("close", { handle });
      throw error;
    }
  }

  async #putBase(identity: Identity): Promise<StoredBase> {
    const bytes = encodeFrame("LHV1", emptyBase(identity), []);
    const info = await putOnce(this.#environment.store, baseKey(identity.name), bytes);
    if (info === undefined) throw exists(identity.name);
    return { etag: info.etag, size_bytes: info.size_bytes, folded_seq: 0 };
  }

  async #load(name: string, segments: readonly SegmentKey[]): Promise<void> {
    const environment = this.#environment;
    const handle = this.#next_handle++;
    let loaded: Loaded;
    try {
      loaded = await loadIndex({ environment, name, handle, segments });
    } catch (error) {
      const reason = error instanceof LakehouseError ? error.message : "It could not be loaded.";
      environment.log.error({ err: error, index: name }, "quarantined a damaged vector index");
      this.#entries.set(name, { kind: "quarantined", reason });
      return;
    }
    this.#entries.set(name, { kind: "open", index: loaded.index });
    await this.#sweep(loaded.stale);
  }

  async #sweep(keys: readonly string[]): Promise<void> {
    const { store, log } = this.#environment;
    if (keys.length === 0) return;
    log.info({ keys: keys.length }, "sweeping log pieces that belong to no index");
    try {
      for (const key of keys) await store.delete(key);
    } catch (error) {
      log.warn({ err: error }, "some of them could not be deleted");
    }
  }
}

function exists(name: string): LakehouseError {
  return new LakehouseError("index_exists", `There is a vector index ${name} already.`, {
    hint: "Choose another name, or DELETE it first.",
    extra: { name },
  });
}
