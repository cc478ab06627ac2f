import { S3Client } from "@aws-sdk/client-s3";
import { LakehouseError } from "../../core/error.ts";
import { checkKey, KEY_LIMIT_BYTES } from "../../core/storage.ts";
import type { S3Config } from "./config.ts";
import { LineageCache } from "./lineage.ts";

/** Connections held open at once; further calls wait for one. */
const SOCKETS = 64;
/** A host that does not accept the connection in this time counts as unreachable. */
const CONNECT_TIMEOUT_MS = 5000;
/** What one deadline allows for: `limits.storage_timeout_ms` is per this much. */
const DEADLINE_UNIT_BYTES = 64 * 1024 * 1024;

/** One bucket, or one prefix of it, and how to reach it. */
export interface Connection {
  readonly client: S3Client;
  readonly bucket: string;
  /** Empty, or ends in a slash. */
  readonly prefix: string;
  /** `limits.storage_timeout_ms` */
  readonly timeout_ms: number;
  readonly lineages: LineageCache;
}

/** Wires only: the first byte is sent by the first call. Throws `invalid_config`. */
export function connect(config: S3Config, timeout_ms: number): Connection {
  const { access_key_id, secret_access_key } = config;
  if ((access_key_id === undefined) !== (secret_access_key === undefined)) {
    throw new LakehouseError(
      "invalid_config",
      "plugins.storage-s3 has one of access_key_id and secret_access_key without the other.",
      { hint: "Set both, or none and let the environment or the AWS chain provide them." },
    );
  }
  const client = new S3Client({
    region: config.region,
    forcePathStyle: config.force_path_style,
    ...(config.endpoint === undefined ? {} : { endpoint: config.endpoint }),
    ...(access_key_id === undefined || secret_access_key === undefined
      ? {}
      : { credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key } }),
    // Retries are ours (`attempt.ts`): the SDK's would report 412 for a conditional put that
    // succeeded and whose answer was lost.
    maxAttempts: 1,
    // Older servers refuse the trailer-chunked streams of the new defaults; `calls.ts` signs the
    // SHA-256 of every body instead.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // With `Expect: 100-continue` the SDK opens a new connection per call, and waits 6 s for
    // servers that do not know it.
    expectContinueHeader: false,
    // It would write to the console, and log whole requests to any logger it is given.
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      httpAgent: { keepAlive: true, maxSockets: SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS },
    },
  });
  const prefix = config.prefix === undefined || config.prefix === "" ? "" : `${config.prefix}/`;
  if (prefix !== "") checkPrefix(prefix);
  return { client, bucket: config.bucket, prefix, timeout_ms, lineages: new LineageCache() };
}

function checkPrefix(prefix: string): void {
  try {
    checkKey(`${prefix}key`);
  } catch (error) {
    throw new LakehouseError("invalid_config", "plugins.storage-s3.prefix breaks the key rules.", {
      hint: "Write it like a folder, without slashes at its ends: `team/lake`.",
      cause: error,
    });
  }
}

/** The key in the bucket. Throws `invalid_key`. */
export function bucketKey(connection: Connection, key: string): string {
  const full = connection.prefix + checkKey(key);
  if (connection.prefix === "" || Buffer.byteLength(full) <= KEY_LIMIT_BYTES) return full;
  throw new LakehouseError(
    "invalid_key",
    `The key and the bucket prefix together are longer than ${KEY_LIMIT_BYTES} bytes.`,
    { hint: "Shorten the key.", extra: { key: key.slice(0, 256) } },
  );
}

/** Milliseconds one call with a body of this size may take, its retries included. */
export function deadline_ms(connection: Connection, size_bytes: number): number {
  return connection.timeout_ms * Math.max(1, Math.ceil(size_bytes / DEADLINE_UNIT_BYTES));
}
