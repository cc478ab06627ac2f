/** The program of a vector thread: everything that calls usearch or walks many rows. */
import { errorToJson, LakehouseError } from "../../core/error.ts";
import { isRecord } from "../../core/json.ts";
import { readBase, removeFolder, unpackFrame } from "./base-files.ts";
import { emptyBase } from "./base.ts";
import { fold } from "./fold.ts";
import { prepareAdd, prepareDelete } from "./intake.ts";
import { OpenIndex } from "./open-index.ts";
import { answerSearch } from "./search-body.ts";
import { movable } from "./movable.ts";
import type {
  CallName,
  Handle,
  Opened,
  ThreadCalls,
  ThreadReply,
  ThreadRequest,
} from "./thread-calls.ts";

declare const self: Worker;

type Handlers = {
  readonly [Name in CallName]: (
    request: ThreadCalls[Name]["request"],
  ) => ThreadCalls[Name]["response"] | Promise<ThreadCalls[Name]["response"]>;
};

interface Held {
  readonly index: OpenIndex;
  /** Where the base's files are; undefined for an index that never had a base with rows. */
  readonly folder: string | undefined;
}

const indexes = new Map<Handle, Held>();
let scratch_path = "";
let stopping = false;
let running = 0;

function held(handle: Handle): Held {
  const found = indexes.get(handle);
  if (found === undefined) throw new Error(`This thread holds no index ${handle}.`);
  return found;
}

function hold(handle: Handle, next: Held): void {
  const previous = indexes.get(handle);
  indexes.set(handle, next);
  if (previous !== undefined) letGo(previous);
}

function letGo({ index, folder }: Held): void {
  index.release(scratch_path);
  if (folder !== undefined) removeFolder(folder);
}

const opened = (index: OpenIndex): Opened => ({ identity: index.identity, stats: index.stats() });

const handlers: Handlers = {
  create({ handle, identity }) {
    const index = new OpenIndex(emptyBase(identity), "");
    hold(handle, { index, folder: undefined });
    return opened(index);
  },
  open({ handle, frame_path, folder }) {
    const index = new OpenIndex(unpackFrame(frame_path, folder), folder);
    hold(handle, { index, folder });
    return opened(index);
  },
  replay({ handle, segments }) {
    const { index } = held(handle);
    for (const segment of segments) index.replay(segment);
    return index.stats();
  },
  rebase({ handle, folder }) {
    const index = new OpenIndex(readBase(folder), folder);
    index.takeOver(held(handle).index);
    hold(handle, { index, folder });
    return index.stats();
  },
  seal: ({ handle, batches, committed_at, limits }) =>
    held(handle).index.seal(batches, committed_at, limits),
  commit({ handle }) {
    const { index } = held(handle);
    return { outcomes: index.commit(), stats: index.stats() };
  },
  discard({ handle }) {
    held(handle).index.discard();
    return null;
  },
  tail: ({ handle }) => held(handle).index.tail(),
  search: ({ handle, body, limits }) => answerSearch(body, held(handle).index.rows, limits),
  close({ handle }) {
    letGo(held(handle));
    indexes.delete(handle);
    return null;
  },
  prepareAdd: ({ body, parameters, limits }) => prepareAdd(Buffer.concat(body), parameters, limits),
  prepareDelete: ({ body, limits }) => prepareDelete(Buffer.concat(body), limits),
  fold: async (request) => (await fold({ ...request, scratch_path }, () => stopping)) ?? null,
};

async function answer(id: number, name: CallName, request: unknown): Promise<void> {
  let reply: ThreadReply;
  running++;
  try {
    // The main thread calls through `VectorThread.call`, which ties the request to the name.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const handler = handlers[name] as (request: unknown) => unknown;
    reply = { id, ok: true, response: await handler(request) };
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    reply = {
      id,
      ok: false,
      error: error instanceof LakehouseError ? errorToJson(error) : null,
      stack,
    };
  }
  running--;
  self.postMessage(reply, reply.ok ? buffersOf(reply.response) : []);
  leaveIfDone();
}

/** Buffers that may move instead of being copied: fresh ones, made for this answer. */
function buffersOf(response: unknown): ArrayBuffer[] {
  if (response instanceof Uint8Array) return movable([response]);
  const members = Array.isArray(response) || isRecord(response) ? Object.values(response) : [];
  return movable(members.filter((member) => member instanceof Uint8Array));
}

/** Ending a thread from outside during a native call aborts the process; it leaves by itself. */
function leaveIfDone(): void {
  if (!stopping || running > 0) return;
  for (const each of indexes.values()) letGo(each);
  indexes.clear();
  process.exit(0);
}

self.addEventListener("message", (event: MessageEvent<ThreadRequest>) => {
  const message = event.data;
  switch (message.kind) {
    case "start":
      ({ scratch_path } = message);
      return;
    case "call":
      void answer(message.id, message.name, message.request);
      return;
    case "stop":
      stopping = true;
      leaveIfDone();
      return;
  }
});
