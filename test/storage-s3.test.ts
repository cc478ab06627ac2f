import { type ConformanceTarget, storageConformance } from "./conformance/storage.ts";
import { describeOnS3 } from "./support/s3-bucket.ts";
import { openS3Store, type StoreSettings } from "./support/s3-store.ts";

async function open(settings: StoreSettings): Promise<ConformanceTarget> {
  const opened = await openS3Store(settings);
  return {
    store: opened.store,
    reopen: () => open({ ...settings, bucket: opened.bucket }),
    leftovers: () => opened.leftovers(),
    close: async () => opened[Symbol.asyncDispose](),
  };
}

describeOnS3("a bucket", () => {
  storageConformance("storage-s3", () => open({}), {
    traits: { conditional_put: true, local_path: false },
    large_bytes: 256 * 1024 * 1024,
  });
});
