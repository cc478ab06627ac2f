import type { Json } from "../../core/json.ts";
import type { Limits } from "../../core/limits.ts";
import type { Identity } from "./base.ts";
import type { Folded, FoldRequest } from "./fold.ts";
import type { Outcome, Sealed, Stats } from "./open-index.ts";
import type { IndexParameters } from "./parameters.ts";

type Bytes = Uint8Array;

/** An index in its thread. The main thread gives out the numbers. */
export type Handle = number;

export interface Opened {
  readonly identity: Identity;
  readonly stats: Stats;
}

/** What the main thread may ask of a vector thread, with the types of request and response. */
export interface ThreadCalls {
  /** An index without rows. */
  create: { request: { handle: Handle; identity: Identity }; response: Opened };
  /** Verifies a stored frame, takes it apart into `folder`, and opens it. */
  open: { request: { handle: Handle; frame_path: string; folder: string }; response: Opened };
  replay: { request: { handle: Handle; segments: readonly Bytes[] }; response: Stats };
  /** Moves on to a newer base, as `fold` made it. */
  rebase: { request: { handle: Handle; folder: string }; response: Stats };
  seal: {
    request: {
      handle: Handle;
      batches: readonly Bytes[];
      committed_at: string;
      limits: Limits;
    };
    response: Sealed;
  };
  commit: { request: { handle: Handle }; response: { outcomes: Outcome[]; stats: Stats } };
  discard: { request: { handle: Handle }; response: null };
  tail: { request: { handle: Handle }; response: readonly Bytes[] };
  search: { request: { handle: Handle; body: Bytes; limits: Limits }; response: Bytes };
  close: { request: { handle: Handle }; response: null };
  prepareAdd: {
    request: { body: readonly Bytes[]; parameters: IndexParameters; limits: Limits };
    response: Bytes;
  };
  prepareDelete: { request: { body: readonly Bytes[]; limits: Limits }; response: Bytes };
  fold: { request: Omit<FoldRequest, "scratch_path">; response: Folded | null };
}

export type CallName = keyof ThreadCalls;

/** What goes to the thread. */
export type ThreadRequest =
  | { readonly kind: "start"; readonly scratch_path: string }
  | {
      readonly kind: "call";
      readonly id: number;
      readonly name: CallName;
      readonly request: unknown;
    }
  | { readonly kind: "stop" };

/** What comes back. `error` is a tagged error as JSON, or null for any other, told by `stack`. */
export type ThreadReply =
  | { readonly id: number; readonly ok: true; readonly response: unknown }
  | {
      readonly id: number;
      readonly ok: false;
      readonly error: Json | null;
      readonly stack: string;
    };
