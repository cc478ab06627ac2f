import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import { systemClock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import { type Connection, connect } from "../../plugins/storage-s3/connection.ts";
import { S3Store } from "../../plugins/storage-s3/store.ts";
import { FlakyProxy } from "./flaky-proxy.ts";
import { createBucket, s3Access, s3Client } from "./s3-bucket.ts";
import { silentLog } from "./silent-log.ts";

/** A store opened as the plugin opens it, on a bucket of its own unless one is given. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: S3Store;
  readonly bucket: string;
  /** For the calls that begin from now on; at first it is so long that no busy machine meets it. */
  setDeadline(timeout_ms: number): void;
  /** Multipart uploads that were neither completed nor aborted, and files left in the scratch. */
  leftovers(): Promise<readonly string[]>;
}

export interface StoreSettings {
  readonly bucket?: string;
  /** Instead of the test server itself, for example a proxy in front of it. */
  readonly endpoint?: string;
  readonly prefix?: string;
  readonly secret_access_key?: string;
  readonly log?: Logger;
  /** `false` leaves `open` to the test. */
  readonly open?: boolean;
}

export async function openS3Store(settings: StoreSettings = {}): Promise<OpenedStore> {
  const { access_key_id, secret_access_key, endpoint, region, bucket } = await createBucket(
    settings.bucket,
  );
  let timeout_ms = 60_000;
  const connected = connect(
    {
      bucket,
      endpoint: settings.endpoint ?? endpoint,
      region,
      force_path_style: true,
      access_key_id,
      secret_access_key: settings.secret_access_key ?? secret_access_key,
      ...(settings.prefix === undefined ? {} : { prefix: settings.prefix }),
    },
    timeout_ms,
  );
  const connection: Connection = {
    ...connected,
    get timeout_ms() {
      return timeout_ms;
    },
  };
  const scratch_path = await mkdtemp(join(tmpdir(), "lakehouse-s3-test-"));
  const log = settings.log ?? silentLog;
  const store = new S3Store({ connection, log, clock: systemClock, scratch_path });
  const client = s3Client();
  const opened: OpenedStore = {
    store,
    bucket,
    setDeadline(limit_ms) {
      timeout_ms = limit_ms;
    },
    async leftovers() {
      const { Uploads = [] } = await client.send(
        new ListMultipartUploadsCommand({ Bucket: bucket }),
      );
      return [...Uploads.map(({ Key }) => `upload of ${Key}`), ...(await readdir(scratch_path))];
    },
    async [Symbol.asyncDispose]() {
      store.close();
      client.destroy();
      await rm(scratch_path, { recursive: true, force: true });
    },
  };
  if (settings.open === false) return opened;
  try {
    await store.open();
    return opened;
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/** A store whose traffic passes a proxy, and one that goes straight to the same bucket. */
export interface FlakyStore extends AsyncDisposable {
  readonly proxy: FlakyProxy;
  readonly flaky: OpenedStore;
  readonly direct: OpenedStore;
}

export async function openFlakyStore(settings: StoreSettings = {}): Promise<FlakyStore> {
  const proxy = await FlakyProxy.start(s3Access().endpoint);
  const flaky = await openS3Store({ ...settings, endpoint: proxy.endpoint });
  const direct = await openS3Store({ bucket: flaky.bucket });
  return {
    proxy,
    flaky,
    direct,
    async [Symbol.asyncDispose]() {
      await flaky[Symbol.asyncDispose]();
      await direct[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}
