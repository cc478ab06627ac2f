import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";

/** Where the S3 test server is and how to sign for it; set by `with-s3.ts`. */
export interface S3TestAccess {
  readonly endpoint: string;
  readonly region: string;
  readonly access_key_id: string;
  readonly secret_access_key: string;
}

/** Undefined without a server, unless the run demands one (`LAKEHOUSE_TEST_S3_REQUIRED`). */
export function s3TestAccess(): S3TestAccess | undefined {
  const { env } = process;
  const endpoint = env["LAKEHOUSE_TEST_S3_ENDPOINT"];
  const access_key_id = env["LAKEHOUSE_TEST_S3_ACCESS_KEY"];
  const secret_access_key = env["LAKEHOUSE_TEST_S3_SECRET_KEY"];
  if (endpoint !== undefined && access_key_id !== undefined && secret_access_key !== undefined) {
    return {
      endpoint,
      access_key_id,
      secret_access_key,
      region: env["LAKEHOUSE_TEST_S3_REGION"] ?? "us-east-1",
    };
  }
  if (env["LAKEHOUSE_TEST_S3_REQUIRED"] === "1")
    throw new Error("this run needs an S3 server: use `bun run test:s3`");
  return undefined;
}

/** Makes a bucket of its own for one test. Data of the test server is gone when it stops. */
export async function createBucket(): Promise<S3TestAccess & { readonly bucket: string }> {
  const access = s3TestAccess();
  if (access === undefined) throw new Error("there is no S3 server: use `bun run test:s3`");
  const bucket = `test-${crypto.randomUUID()}`;
  const client = new S3Client({
    endpoint: access.endpoint,
    region: access.region,
    forcePathStyle: true,
    credentials: { accessKeyId: access.access_key_id, secretAccessKey: access.secret_access_key },
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return { ...access, bucket };
}
