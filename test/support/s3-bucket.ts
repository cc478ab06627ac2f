import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";

/** The S3 server that `test/support/with-s3.ts` started, as the tests see it. */
export interface S3Access {
  readonly endpoint: string;
  readonly region: string;
  readonly access_key_id: string;
  readonly secret_access_key: string;
}

/**
 * Why tests on S3 cannot run here; undefined if they can. Throws where a server is required
 * (`LAKEHOUSE_TEST_S3_REQUIRED=1`), so that a run that should have one can never pass without it.
 */
export function s3SkipReason(): string | undefined {
  if (s3FromEnvironment() !== undefined) return undefined;
  if (process.env["LAKEHOUSE_TEST_S3_REQUIRED"] === "1") {
    throw new Error("LAKEHOUSE_TEST_S3_REQUIRED is set, but LAKEHOUSE_TEST_S3_ENDPOINT is not.");
  }
  return "no S3 server: run `bun run test:s3`";
}

export function s3FromEnvironment(): S3Access | undefined {
  const endpoint = process.env["LAKEHOUSE_TEST_S3_ENDPOINT"];
  const access_key_id = process.env["LAKEHOUSE_TEST_S3_ACCESS_KEY"];
  const secret_access_key = process.env["LAKEHOUSE_TEST_S3_SECRET_KEY"];
  if (!endpoint || !access_key_id || !secret_access_key) return undefined;
  const region = process.env["LAKEHOUSE_TEST_S3_REGION"] ?? "us-east-1";
  return { endpoint, region, access_key_id, secret_access_key };
}

/** The same, for the inside of a test that was not skipped. */
export function s3Access(): S3Access {
  const access = s3FromEnvironment();
  if (access === undefined) throw new Error("this test needs LAKEHOUSE_TEST_S3_ENDPOINT");
  return access;
}

/** A plain client of the SDK, for what the tests prepare or check behind the plugin's back. */
export function s3Client(access: S3Access = s3Access()): S3Client {
  return new S3Client({
    endpoint: access.endpoint,
    region: access.region,
    forcePathStyle: true,
    credentials: {
      accessKeyId: access.access_key_id,
      secretAccessKey: access.secret_access_key,
    },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
}

/** A new, empty bucket of the test's own, or the one given; it goes away with the server. */
export async function createBucket(name?: string): Promise<S3Access & { readonly bucket: string }> {
  const access = s3Access();
  const bucket = name ?? `test-${crypto.randomUUID()}`;
  const client = s3Client(access);
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } finally {
    client.destroy();
  }
  return { ...access, bucket };
}
