import type { Json } from "./json.ts";
import type { Logger } from "./log.ts";

/**
 * Child processes of this same program, for work that may crash, hang or grow: parsing of
 * untrusted files, and SQL. A worker that dies fails the one request it was serving
 * (`worker_died`) and is replaced; a deadline is kept by SIGKILL (`deadline_exceeded`), the only
 * certain way.
 */
export interface Workers {
  /** Declares a pool. Processes are spawned when first needed, and after that kept. */
  pool(options: PoolOptions): WorkerPool;
}

export interface PoolOptions {
  /** A row of `workerRoles` in `core/plugins.ts`. */
  readonly role: string;
  /** Processes at most. */
  readonly size: number;
  /** Calls that may wait for a free process; more are refused with `overloaded`. */
  readonly queue_limit: number;
  /** Address space a worker may add to what it has at start (RLIMIT_AS), where the platform has it. */
  readonly memory_limit_bytes: number;
  /** Handed to the role once per process, before its first request. */
  readonly init: Json;
  readonly log: Logger;
}

export interface CallOptions {
  /** From the moment a worker takes the call, its whole answer included. */
  readonly deadline_ms: number;
  /** Kills the worker if it is on this call (`request_aborted`), or leaves the queue. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: unknown) => void) | undefined;
}

export interface WorkerPool {
  /** Runs a request that answers with one JSON value and no bytes. */
  call(request: Json, options: CallOptions): Promise<unknown>;
  /**
   * Runs a request that streams bytes. Resolves once the worker wrote its first byte or ended, so
   * that an early failure rejects here and a late one throws from `bytes`. Leaving the loop over
   * `bytes` early kills the worker. `result` settles after the last byte.
   */
  stream(request: Json, options: CallOptions): Promise<WorkerStream>;
  /** Kills what is left; calls under way reject with `worker_died`. */
  stop(): Promise<void>;
}

export interface WorkerStream {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** The JSON value the handler returned. Never an unhandled rejection: it fails with `bytes`. */
  readonly result: Promise<unknown>;
}

/** The worker's side. One request at a time; a thrown `LakehouseError` reaches the caller whole. */
export interface WorkerRole {
  /** Called once per process with `PoolOptions.init`. */
  start(init: unknown): Promise<WorkerHandler>;
}

export type WorkerHandler = (request: unknown, io: WorkerIo) => Promise<Json>;

export interface WorkerIo {
  /** Sends bytes to the caller; resolves when the pipe has room again (backpressure). */
  write(bytes: Uint8Array): Promise<void>;
  progress(value: Json): void;
}
