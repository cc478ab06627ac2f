import { Readable } from "node:stream";
import { LakehouseError } from "../../core/error.ts";
import type { ByteRange, GetOptions, ObjectInfo, StoredObject } from "../../core/storage.ts";
import { ATTEMPTS, backOff, idempotent, withDeadline } from "./attempt.ts";
import { getObject, lineageOf, unquoted } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { faultOf, isAbsent, isPreconditionFailed, toFailure } from "./failure.ts";

const WHAT = "read the object";

/** An answer whose body is on its way. */
interface OpenBody {
  readonly info: ObjectInfo;
  readonly body: Readable;
  /** Of the body's first byte in the object, and of the one after its last. */
  readonly start: number;
  readonly end: number;
}

/** `bucket_key` is what S3 knows the object by, `key` what the answer calls it. */
export async function readObject(
  connection: Connection,
  bucket_key: string,
  key: string,
  { range, signal }: GetOptions,
): Promise<StoredObject | undefined> {
  // S3 has no way to ask for no bytes at all: ask for one, and drop it.
  const asked = range?.length === 0 ? { offset: range.offset, length: 1 } : range;
  const opened = await idempotent(connection, { what: WHAT, signal }, async (signal) => {
    try {
      return await openBody(connection, bucket_key, key, asked, signal);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  });
  if (opened === undefined) return undefined;
  if (range?.length === 0) {
    opened.body.destroy();
    return { info: opened.info, stream: nothing() };
  }
  return { info: opened.info, stream: new BodyReader(connection, bucket_key, opened, signal) };
}

async function openBody(
  connection: Connection,
  bucket_key: string,
  key: string,
  range: ByteRange | undefined,
  signal: AbortSignal,
  if_match?: string,
): Promise<OpenBody> {
  const get = {
    key: bucket_key,
    ...(range === undefined ? {} : { range: rangeHeader(range) }),
    ...(if_match === undefined ? {} : { if_match }),
  };
  const answer = await getObject(connection, get, signal).catch((error: unknown) => {
    if (faultOf(error).status === 416) throw notSatisfiable(key);
    throw error;
  });
  const { Body, ContentLength, ContentRange, ETag, LastModified } = answer;
  if (!(Body instanceof Readable) || ContentLength === undefined) {
    throw new LakehouseError("storage_failed", "The S3 store sent no length with the object.");
  }
  const placed = range === undefined ? undefined : parseContentRange(ContentRange);
  if (range !== undefined && placed?.start !== range.offset) {
    Body.destroy();
    // Some servers answer a range of an empty object with the whole of it.
    if (ContentRange === undefined && ContentLength === 0) throw notSatisfiable(key);
    throw new LakehouseError("storage_failed", "The S3 store sent other bytes than asked for.");
  }
  const start = placed?.start ?? 0;
  connection.lineages.remember(bucket_key, unquoted(ETag), lineageOf(answer));
  const info = {
    key,
    size_bytes: placed?.size_bytes ?? ContentLength,
    etag: unquoted(ETag),
    last_modified: LastModified ?? new Date(0),
  };
  return { info, body: Body, start, end: start + ContentLength };
}

/** RFC 9110 §14.1.2 */
function rangeHeader({ offset, length }: ByteRange): string {
  return `bytes=${offset}-${length === undefined ? "" : offset + length - 1}`;
}

/** RFC 9110 §14.4 */
function parseContentRange(
  header: string | undefined,
): { readonly start: number; readonly size_bytes: number } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+)$/.exec(header ?? "");
  return match === null ? undefined : { start: Number(match[1]), size_bytes: Number(match[2]) };
}

function notSatisfiable(key: string): LakehouseError {
  return new LakehouseError(
    "range_not_satisfiable",
    "The range begins at or after the end of the object.",
    { extra: { key } },
  );
}

/**
 * The body, once. A connection that breaks is taken up again where it broke, as long as the object
 * is still the same one; a store that sends nothing for a whole deadline ends the read.
 */
class BodyReader implements AsyncIterable<Uint8Array> {
  readonly #connection: Connection;
  readonly #bucket_key: string;
  readonly #signal: AbortSignal | undefined;
  readonly #unread: NodeJS.Timeout;
  #opened: OpenBody;

  constructor(
    connection: Connection,
    bucket_key: string,
    opened: OpenBody,
    signal: AbortSignal | undefined,
  ) {
    this.#connection = connection;
    this.#bucket_key = bucket_key;
    this.#opened = opened;
    this.#signal = signal;
    // An answer nobody reads must not hold its connection for ever.
    this.#unread = setTimeout(() => opened.body.destroy(), connection.timeout_ms);
    this.#unread.unref();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    clearTimeout(this.#unread);
    const { end } = this.#opened;
    let at = this.#opened.start;
    let failures = 0;
    try {
      for (;;) {
        let broken: unknown;
        try {
          for await (const chunk of this.#chunks()) {
            at += chunk.length;
            if (at > end) throw tooMuch();
            failures = 0;
            yield chunk;
          }
        } catch (error) {
          if (error instanceof LakehouseError) throw error;
          broken = error;
        }
        if (at === end) return;
        failures += 1;
        if (failures === ATTEMPTS) throw toFailure(broken ?? cutShort(), WHAT);
        await this.#reopen(at, end, failures);
      }
    } finally {
      this.#opened.body.destroy();
    }
  }

  /** Each chunk has the whole deadline; the time the consumer takes does not count. */
  async *#chunks(): AsyncGenerator<Uint8Array> {
    const { body } = this.#opened;
    const chunks: AsyncIterator<unknown> = body[Symbol.asyncIterator]();
    for (;;) {
      const step = await withDeadline(this.#connection.timeout_ms, this.#signal, () =>
        chunks.next(),
      );
      if (step.done === true) return;
      if (!(step.value instanceof Uint8Array)) throw new TypeError("the body is not binary");
      yield step.value;
    }
  }

  async #reopen(at: number, end: number, failures: number): Promise<void> {
    const { info, body } = this.#opened;
    body.destroy();
    const call = { what: WHAT, signal: this.#signal };
    const range = { offset: at, length: end - at };
    this.#opened = await idempotent(this.#connection, call, async (signal) => {
      await backOff(failures, signal);
      try {
        return await openBody(
          this.#connection,
          this.#bucket_key,
          info.key,
          range,
          signal,
          info.etag,
        );
      } catch (error) {
        if (isPreconditionFailed(error) || isAbsent(error)) throw replaced();
        throw error;
      }
    });
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function cutShort(): Error {
  const error = new Error("the body ended early");
  error.name = "IncompleteBody";
  return error;
}

function tooMuch(): LakehouseError {
  return new LakehouseError("storage_failed", "The S3 store sent more bytes than it announced.");
}

function replaced(): LakehouseError {
  return new LakehouseError(
    "storage_failed",
    "The connection broke while the object was read, and the object has been replaced since.",
    { hint: "Read it again." },
  );
}
