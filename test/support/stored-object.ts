import { PutObjectCommand } from "@aws-sdk/client-s3";
import { FsStore } from "../../plugins/storage-fs/store.ts";
import { s3Client } from "./s3-bucket.ts";
import type { TestServer } from "./server.ts";

/** Replaces an object behind the server's back, as a failing disk or a stray tool would. */
export async function overwriteStored(
  server: TestServer,
  key: string,
  bytes: Uint8Array,
): Promise<void> {
  if (server.data_path === undefined) {
    const Bucket = /bucket = "([^"]+)"/.exec(await Bun.file(server.config_path).text())?.[1];
    await s3Client().send(new PutObjectCommand({ Bucket, Key: key, Body: bytes }));
    return;
  }
  const store = new FsStore({ path: server.data_path });
  await store.open();
  try {
    await store.put(key, { kind: "bytes", bytes });
  } finally {
    await store.close();
  }
}
