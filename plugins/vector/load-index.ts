import { rm } from "node:fs/promises";
import { join } from "node:path";
import { LakehouseError } from "../../core/error.ts";
import { type ObjectStore, readAll } from "../../core/storage.ts";
import { baseKey } from "./base.ts";
import type { Environment } from "./environment.ts";
import type { SegmentKey } from "./segment.ts";
import { StoredIndex } from "./stored-index.ts";
import { writeStream } from "./stored-objects.ts";
import type { Handle } from "./thread-calls.ts";
import { movable } from "./movable.ts";

export interface LoadOptions {
  readonly environment: Environment;
  readonly name: string;
  readonly handle: Handle;
  /** Log pieces under the name, in order of key; those of another index are left alone. */
  readonly segments: readonly SegmentKey[];
}

export interface Loaded {
  readonly index: StoredIndex;
  /** Keys that no index needs any more. */
  readonly stale: readonly string[];
}

/** More than any log piece: batches are bounded by the body limit, and a group by 64 MiB. */
const SEGMENT_LIMIT_BYTES = 1024 * 1024 * 1024;

/** Pieces read at once, and replayed together. */
const REPLAY_SEGMENTS = 16;

/** Brings one stored index back. Throws `data_corrupt` with the reason if anything does not verify. */
export async function loadIndex(options: LoadOptions): Promise<Loaded> {
  const { environment, name, handle, segments } = options;
  const { store, threads, scratch_path } = environment;
  const folder = join(scratch_path, `${handle}-0`);
  const frame_path = `${folder}.lhv1`;
  const object = await store.get(baseKey(name));
  if (object === undefined) throw damaged("has no base object");
  const reader = threads.reader();
  const { thread } = reader;
  try {
    await writeStream(frame_path, object.stream);
    let { identity, stats } = await thread.call("open", { handle, frame_path, folder });
    if (identity.name !== name) throw damaged(`was stored as ${identity.name}`);
    const { index_id } = identity;
    const folded_seq = stats.last_seq;
    const current = segments.filter((each) => each.index_id === index_id && each.seq > folded_seq);
    for (let at = 0; at < current.length; at += REPLAY_SEGMENTS) {
      const pieces = await Promise.all(
        current.slice(at, at + REPLAY_SEGMENTS).map(({ key }) => readPiece(store, key)),
      );
      stats = await thread.call("replay", { handle, segments: pieces }, movable(pieces));
    }
    const { etag, size_bytes } = object.info;
    const stored = { etag, size_bytes, folded_seq };
    const index = new StoredIndex({
      environment,
      reader,
      handle,
      identity,
      stats,
      stored,
      folder: stats.base_rows === 0 ? undefined : folder,
    });
    const stale = segments.filter((each) => !current.includes(each)).map(({ key }) => key);
    return { index, stale };
  } catch (error) {
    await thread.call("close", { handle }).catch(() => undefined);
    reader.release();
    throw error;
  } finally {
    await rm(frame_path, { force: true });
  }
}

async function readPiece(store: ObjectStore, key: string): Promise<Uint8Array> {
  const object = await store.get(key);
  if (object === undefined) throw damaged(`lost its log piece ${key}`);
  return readAll(object, SEGMENT_LIMIT_BYTES);
}

function damaged(what: string): LakehouseError {
  return new LakehouseError("data_corrupt", `The stored index ${what}.`);
}
