import { definePlugin } from "../../core/plugin.ts";
import { Storage } from "../../core/services.ts";
import { s3ConfigSchema } from "./config.ts";
import { connect } from "./connection.ts";
import { S3Store } from "./store.ts";

export const storageS3 = definePlugin({
  name: "storage-s3",
  summary: "Keeps objects in an S3 bucket.",
  config: s3ConfigSchema,
  needs: {},
  provides: { storage: Storage },
  setup({ config, limits, log, clock, scratch_path }) {
    const connection = connect(config, limits.storage_timeout_ms);
    const store = new S3Store({ connection, log, clock, scratch_path });
    return {
      services: { storage: store },
      ready: () => store.open(),
      stop: async () => store.close(),
    };
  },
});
