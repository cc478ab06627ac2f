import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../../core/clock.ts";
import { type ErrorCode, LakehouseError } from "../../core/error.ts";
import { HookBus, type PluginHooks } from "../../core/hooks.ts";
import { type Limits, limitsSchema } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import type { Registration } from "../../core/services.ts";
import type { ObjectStore } from "../../core/storage.ts";
import { Value } from "@sinclair/typebox/value";
import { DatasetCatalog } from "../../plugins/catalog/dataset-catalog.ts";
import { FsStore } from "../../plugins/storage-fs/store.ts";
import { openS3Store } from "./s3-store.ts";
import { onS3 } from "./server.ts";
import { silentLog } from "./silent-log.ts";

export const standardLimits: Limits = Value.Create(limitsSchema);

export interface CatalogOptions {
  readonly clock?: Clock;
  readonly hooks?: PluginHooks;
  readonly limits?: Partial<Limits>;
  readonly log?: Logger;
  /** By default that of the configuration. */
  readonly retention?: number;
}

/** A catalog of its own memory over `store`, loaded: what one server process holds. */
export async function openCatalog(
  store: ObjectStore,
  options: CatalogOptions = {},
): Promise<DatasetCatalog> {
  const { clock = systemClock, log = silentLog, limits, retention = 10 } = options;
  const hooks = options.hooks ?? new HookBus(log).forPlugin("catalog");
  const all_limits = { ...standardLimits, ...limits };
  const parts = { store, limits: all_limits, log, clock, hooks, retention };
  const catalog = new DatasetCatalog(parts);
  await catalog.start();
  return catalog;
}

/** A registration of `name` under fingerprint `fp`, with whatever else a test is about. */
export function registration(name: string, rest: Partial<Registration> = {}): Registration {
  return { name, schema_fingerprint: "fp", objects: [{ key: `data/${name}`, size: 1 }], ...rest };
}

/** The error a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("expected the promise to reject");
}

/** The code of the error a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode> {
  const error = await errorOf(promise);
  if (error instanceof LakehouseError) return error.code;
  throw error;
}

export interface TestStore extends AsyncDisposable {
  readonly store: ObjectStore;
}

/** The backend under test, with nothing in it: a folder, or a bucket, of the test's own. */
export async function openStore(): Promise<TestStore> {
  if (onS3) return openS3Store();
  const root = await mkdtemp(join(tmpdir(), "lakehouse-catalog-"));
  const store = new FsStore({ path: root });
  await store.open();
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Stores a small object. */
export async function putText(store: ObjectStore, key: string, text: string): Promise<void> {
  await store.put(key, { kind: "bytes", bytes: new TextEncoder().encode(text) });
}
