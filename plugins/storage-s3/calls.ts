import type { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { isRecord } from "../../core/json.ts";
import type { Connection } from "./connection.ts";
import { formatLineage, type Lineage, parseLineage } from "./lineage.ts";

/**
 * One S3 call per function: one attempt, no deadline but the signal, the SDK's errors as they are.
 * Keys are those of the bucket.
 */

/** The user metadata that tells whose write an object is, see `lineage.ts`. */
const LINEAGE = "lakehouse-lineage";

export interface Condition {
  readonly if_none_match?: "*";
  /** As the server wants it: with or without quotes, see `probe.ts`. */
  readonly if_match?: string;
}

export interface ObjectPut {
  readonly key: string;
  readonly body: Uint8Array | Readable;
  readonly size_bytes: number;
  /** Hex. It is signed, so the server refuses a body that was damaged on its way. */
  readonly sha256: string;
  readonly lineage: Lineage;
  readonly condition: Condition;
}

/** Returns the etag. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html */
export async function putObject(
  { client, bucket }: Connection,
  put: ObjectPut,
  signal: AbortSignal,
): Promise<string> {
  const command = new PutObjectCommand({
    Bucket: bucket,
    Key: put.key,
    Body: put.body,
    ContentLength: put.size_bytes,
    Metadata: { [LINEAGE]: formatLineage(put.lineage) },
    IfNoneMatch: put.condition.if_none_match,
    IfMatch: put.condition.if_match,
  });
  command.middlewareStack.add(signedBody(put.sha256), { step: "build" });
  return unquoted((await client.send(command, { abortSignal: signal })).ETag);
}

export interface ObjectHead {
  readonly size_bytes: number;
  readonly etag: string;
  readonly last_modified: Date;
  readonly lineage: Lineage;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html */
export async function headObject(
  { client, bucket }: Connection,
  key: string,
  signal: AbortSignal,
): Promise<ObjectHead> {
  const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), {
    abortSignal: signal,
  });
  return {
    size_bytes: head.ContentLength ?? 0,
    etag: unquoted(head.ETag),
    last_modified: head.LastModified ?? new Date(0),
    lineage: lineageOf(head),
  };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html */
export async function getObject(
  { client, bucket }: Connection,
  get: { readonly key: string; readonly range?: string; readonly if_match?: string },
  signal: AbortSignal,
): Promise<GetObjectCommandOutput> {
  const command = new GetObjectCommand({
    Bucket: bucket,
    Key: get.key,
    Range: get.range,
    IfMatch: get.if_match,
  });
  return client.send(command, { abortSignal: signal });
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html */
export async function deleteObject(
  { client, bucket }: Connection,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal });
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
export async function listObjects(
  { client, bucket }: Connection,
  page: { readonly prefix: string; readonly after: string; readonly limit: number },
  signal: AbortSignal,
): Promise<ListObjectsV2CommandOutput> {
  const command = new ListObjectsV2Command({
    Bucket: bucket,
    Prefix: page.prefix,
    StartAfter: page.after === "" ? undefined : page.after,
    MaxKeys: page.limit,
    // XML cannot carry every character a key may have.
    EncodingType: "url",
  });
  return client.send(command, { abortSignal: signal });
}

/** Returns the upload id. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html */
export async function createMultipartUpload(
  { client, bucket }: Connection,
  key: string,
  lineage: Lineage,
  signal: AbortSignal,
): Promise<string> {
  const command = new CreateMultipartUploadCommand({
    Bucket: bucket,
    Key: key,
    Metadata: { [LINEAGE]: formatLineage(lineage) },
  });
  const { UploadId } = await client.send(command, { abortSignal: signal });
  if (UploadId === undefined) throw new Error("the server gave no upload id");
  return UploadId;
}

export interface Upload {
  readonly key: string;
  readonly upload_id: string;
}

/** Returns the etag. https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html */
export async function uploadPart(
  { client, bucket }: Connection,
  { key, upload_id }: Upload,
  part: { readonly number: number; readonly bytes: Uint8Array; readonly sha256: string },
  signal: AbortSignal,
): Promise<string> {
  const command = new UploadPartCommand({
    Bucket: bucket,
    Key: key,
    UploadId: upload_id,
    PartNumber: part.number,
    Body: part.bytes,
    ContentLength: part.bytes.length,
  });
  command.middlewareStack.add(signedBody(part.sha256), { step: "build" });
  return unquoted((await client.send(command, { abortSignal: signal })).ETag);
}

/**
 * Returns the etag, which Ceph leaves empty.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 */
export async function completeMultipartUpload(
  { client, bucket }: Connection,
  { key, upload_id }: Upload,
  parts: readonly CompletedPart[],
  signal: AbortSignal,
): Promise<string> {
  const command = new CompleteMultipartUploadCommand({
    Bucket: bucket,
    Key: key,
    UploadId: upload_id,
    MultipartUpload: { Parts: [...parts] },
  });
  return unquoted((await client.send(command, { abortSignal: signal })).ETag);
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html */
export async function abortMultipartUpload(
  { client, bucket }: Connection,
  { key, upload_id }: Upload,
  signal: AbortSignal,
): Promise<void> {
  const command = new AbortMultipartUploadCommand({
    Bucket: bucket,
    Key: key,
    UploadId: upload_id,
  });
  await client.send(command, { abortSignal: signal });
}

export function lineageOf(answer: HeadObjectCommandOutput | GetObjectCommandOutput): Lineage {
  return parseLineage(answer.Metadata?.[LINEAGE]);
}

export function unquoted(etag: string | undefined): string {
  return etag?.replaceAll('"', "") ?? "";
}

/**
 * Hands the signer the digest we computed while the body arrived: it would hash megabytes in one
 * go on the event loop, and leave streams unsigned.
 */
const signedBody =
  (sha256: string) =>
  <Args extends { readonly request: unknown }, Output>(next: (args: Args) => Promise<Output>) =>
  async (args: Args): Promise<Output> => {
    const { request } = args;
    if (isRecord(request) && isRecord(request["headers"])) {
      request["headers"]["x-amz-content-sha256"] = sha256;
    }
    return next(args);
  };
