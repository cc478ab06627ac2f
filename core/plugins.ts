import type { Plugin } from "./plugin.ts";
import type { WorkerRole } from "./workers.ts";

/** A built-in plugin: its module is loaded only when it is enabled. */
export interface BuiltIn {
  /** First segments of the routes it serves, so that an absent plugin can be named in a 404. */
  readonly serves: readonly string[];
  /** Names of the services it provides, so that a missing one comes with a hint. */
  readonly provides: readonly string[];
  load(): Promise<Plugin>;
}

/**
 * The literal table of built-in plugins. Literal imports, so that the bundler sees them and a
 * plugin that is left out is never evaluated.
 */
export const builtIns = {
  "storage-fs": {
    serves: ["storage"],
    provides: ["storage"],
    load: async () => (await import("../plugins/storage-fs/index.ts")).storageFs,
  },
  "storage-s3": {
    serves: ["storage"],
    provides: ["storage"],
    load: async () => (await import("../plugins/storage-s3/index.ts")).storageS3,
  },
  catalog: {
    serves: ["catalog"],
    provides: ["catalog"],
    load: async () => (await import("../plugins/catalog/index.ts")).catalog,
  },
  "ingest-csv": {
    serves: ["ingest"],
    provides: [],
    load: async () => (await import("../plugins/ingest-csv/index.ts")).ingestCsv,
  },
  query: {
    serves: ["sql"],
    provides: [],
    load: async () => (await import("../plugins/query/index.ts")).query,
  },
  vector: {
    serves: ["vectors"],
    provides: [],
    load: async () => (await import("../plugins/vector/index.ts")).vector,
  },
} as const satisfies Record<string, BuiltIn>;

export type PluginName = keyof typeof builtIns;

export const isBuiltIn = (name: string): name is PluginName => Object.hasOwn(builtIns, name);

export const pluginNames: readonly PluginName[] = Object.keys(builtIns).filter(isBuiltIn);

/** What a worker process can be started as: `lakehouse worker <role>`. */
export const workerRoles: Readonly<Record<string, () => Promise<WorkerRole>>> = {
  ingest: async () => (await import("../plugins/ingest-csv/worker.ts")).role,
  query: async () => (await import("../plugins/query/worker.ts")).role,
};
