import { Type } from "@sinclair/typebox";
import { definePlugin } from "../../core/plugin.ts";
import { Catalog, Storage } from "../../core/services.ts";
import { DatasetCatalog } from "./dataset-catalog.ts";
import { catalogRoutes } from "./routes.ts";

export const catalog = definePlugin({
  name: "catalog",
  summary: "Remembers datasets: one sealed Parquet manifest each, registered by compare-and-swap.",
  config: Type.Object(
    {
      retention: Type.Integer({
        default: 10,
        minimum: 1,
        description: "Versions of a dataset that stay readable, the current one among them.",
      }),
    },
    { additionalProperties: false },
  ),
  needs: { store: Storage },
  provides: { catalog: Catalog },
  setup({ config: { retention }, limits, log, clock, hooks }, { store }) {
    const datasets = new DatasetCatalog({ store, limits, log, clock, hooks, retention });
    return {
      routes: catalogRoutes(datasets, limits.json_body_bytes),
      services: { catalog: datasets },
      ready: () => datasets.start(),
      stop: () => datasets.stop(),
    };
  },
});
