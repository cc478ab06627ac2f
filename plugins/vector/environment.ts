import type { Clock } from "../../core/clock.ts";
import type { Limits } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import type { ObjectStore } from "../../core/storage.ts";
import type { Threads } from "./threads.ts";

/** What the parts of this plugin share. */
export interface Environment {
  readonly store: ObjectStore;
  readonly threads: Threads;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Logger;
  /** A private folder on local disk, gone after a restart. */
  readonly scratch_path: string;
  /** Cores that building a graph may use. */
  readonly build_threads: number;
}
