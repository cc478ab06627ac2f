import { test } from "bun:test";
import { type ConformanceTarget, storageConformance } from "./conformance/storage.ts";
import { s3SkipReason } from "./support/s3-bucket.ts";
import { openS3Store, type StoreSettings } from "./support/s3-store.ts";

const skipped = s3SkipReason();

async function open(settings: StoreSettings): Promise<ConformanceTarget> {
  const opened = await openS3Store(settings);
  return {
    store: opened.store,
    reopen: () => open({ ...settings, bucket: opened.bucket }),
    leftovers: () => opened.leftovers(),
    close: async () => opened[Symbol.asyncDispose](),
  };
}

if (skipped === undefined) {
  storageConformance("storage-s3", () => open({}), {
    traits: { conditional_put: true, local_path: false },
    large_bytes: 256 * 1024 * 1024,
  });
} else {
  test.skip(`storage-s3 keeps the storage contract (${skipped})`, () => {});
}
