import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../core/clock.ts";
import type { Limits } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import type { ObjectStore } from "../../core/storage.ts";
import { FsStore } from "../../plugins/storage-fs/store.ts";
import { Threads } from "../../plugins/vector/threads.ts";
import { VectorIndexes } from "../../plugins/vector/vector-indexes.ts";
import { silentLog } from "./silent-log.ts";
import { standardLimits } from "./vector-engine.ts";

export interface VectorRig extends AsyncDisposable {
  readonly indexes: VectorIndexes;
}

/** The vector plugin without its routes, loaded from `store`: what one server process holds. */
export async function openVectors(
  store: ObjectStore,
  options: { readonly limits?: Partial<Limits>; readonly log?: Logger } = {},
): Promise<VectorRig> {
  const scratch_path = await mkdtemp(join(tmpdir(), "lakehouse-vector-"));
  const indexes = new VectorIndexes({
    store,
    threads: new Threads({ scratch_path, readers: 1 }),
    limits: { ...standardLimits, ...options.limits },
    clock: systemClock,
    log: options.log ?? silentLog,
    scratch_path,
    build_threads: 1,
  });
  await indexes.start();
  return {
    indexes,
    async [Symbol.asyncDispose]() {
      await indexes.stop();
      await rm(scratch_path, { recursive: true, force: true });
    },
  };
}

export interface FolderStore extends AsyncDisposable {
  readonly store: ObjectStore;
}

/** A store on a folder of its own. */
export async function openFolder(): Promise<FolderStore> {
  const path = await mkdtemp(join(tmpdir(), "lakehouse-vector-data-"));
  const store = new FsStore({ path });
  await store.open();
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** A request with a JSON body, as a route hands it on. */
export const request = (body: unknown): Request =>
  new Request("http://localhost/", { method: "POST", body: JSON.stringify(body) });
