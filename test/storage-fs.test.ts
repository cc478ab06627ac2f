import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FsStore } from "../plugins/storage-fs/store.ts";
import { type ConformanceTarget, storageConformance } from "./conformance/storage.ts";

async function openFs(path: string, remove: boolean): Promise<ConformanceTarget> {
  const store = new FsStore({ path });
  await store.open();
  return {
    store,
    reopen: () => openFs(path, false),
    leftovers: () => store.unfinished(),
    async close() {
      await store.close();
      if (remove) await rm(path, { recursive: true });
    },
  };
}

storageConformance(
  "storage-fs",
  async () => openFs(await mkdtemp(join(tmpdir(), "lakehouse-fs-")), true),
  {
    traits: { conditional_put: true, local_path: true },
    list_count: 25_000,
    // That many durable puts and deletes take 20 s alone, and three times that on a busy machine.
    timeout_ms: 240_000,
  },
);
