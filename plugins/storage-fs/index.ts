import { Type } from "@sinclair/typebox";
import { definePlugin, type Plugin } from "../../core/plugin.ts";
import { Storage } from "../../core/services.ts";
import { FsStore } from "./store.ts";

export const storageFs: Plugin = definePlugin({
  name: "storage-fs",
  summary: "Keeps objects as files below one folder of a local disk.",
  config: Type.Object(
    {
      root: Type.String({
        default: "./data",
        minLength: 1,
        description: "The folder; made if it is missing. Relative to the working directory.",
      }),
      encode_case: Type.Optional(
        Type.Boolean({
          description:
            "Write upper-case letters of keys as escapes. Decided when the root is made: by default only where the file system folds case.",
        }),
      ),
    },
    { additionalProperties: false },
  ),
  needs: {},
  provides: { storage: Storage },
  setup({ config, log }) {
    const store = new FsStore({ path: config.root, encode_case: config.encode_case });
    return {
      services: { storage: store },
      async ready() {
        const swept = await store.open();
        if (swept > 0) log.info({ swept }, "removed unfinished files of dead processes");
      },
      stop: () => store.close(),
    };
  },
});
