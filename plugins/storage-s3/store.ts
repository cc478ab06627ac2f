import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type {
  GetOptions,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
  StorageTraits,
  StoredObject,
} from "../../core/storage.ts";
import { idempotent } from "./attempt.ts";
import { deleteObject } from "./calls.ts";
import { findObject } from "./commit.ts";
import { bucketKey, type Connection } from "./connection.ts";
import { listPage } from "./list.ts";
import { probe, type ServerFacts } from "./probe.ts";
import { put, type PutTarget } from "./put.ts";
import { readObject } from "./read.ts";

export interface S3StoreOptions {
  readonly connection: Connection;
  readonly log: Logger;
  readonly clock: Clock;
  readonly scratch_path: string;
}

/** Objects in one bucket, or below one prefix of it. */
export class S3Store implements ObjectStore {
  readonly scheme = "s3";
  readonly #options: S3StoreOptions;
  #facts: ServerFacts = { conditional_put: false, quoted_etags: false, etag_is_md5: false };

  constructor(options: S3StoreOptions) {
    this.#options = options;
  }

  /** What the server was found to keep; nothing is promised before `open`. */
  get traits(): StorageTraits {
    return { conditional_put: this.#facts.conditional_put, local_path: false };
  }

  /** Tries the bucket out. Throws with a hint if it cannot be used. */
  async open(): Promise<void> {
    const { connection, log } = this.#options;
    this.#facts = await probe(connection);
    log.info(
      { bucket: connection.bucket, prefix: connection.prefix, ...this.#facts },
      "bucket opened",
    );
    if (!this.#facts.conditional_put) {
      log.warn(
        { hint: "Use a server with If-Match and If-None-Match on PUT for more than one writer." },
        "this S3 server ignores conditions on puts: conditional puts will be refused",
      );
    }
  }

  close(): void {
    this.#options.connection.client.destroy();
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const { clock, ...rest } = this.#options;
    const target: PutTarget = { ...rest, facts: this.#facts };
    const stored = await put(target, bucketKey(rest.connection, key), body, options);
    // S3 tells the time of an object only when it is asked for it; this is about the same.
    return { key, ...stored, last_modified: clock.now() };
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
    const { connection } = this.#options;
    return readObject(connection, bucketKey(connection, key), key, options);
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const { connection } = this.#options;
    const found = await findObject(connection, bucketKey(connection, key));
    if (found === undefined) return undefined;
    const { size_bytes, etag, last_modified } = found;
    return { key, size_bytes, etag, last_modified };
  }

  /** S3 answers the same whether the object was there or not, hence the look before. */
  async delete(key: string): Promise<boolean> {
    const { connection } = this.#options;
    const bucket_key = bucketKey(connection, key);
    if ((await findObject(connection, bucket_key)) === undefined) return false;
    await idempotent(connection, { what: "delete the object" }, (signal) =>
      deleteObject(connection, bucket_key, signal),
    );
    return true;
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    return listPage(this.#options.connection, options);
  }
}
