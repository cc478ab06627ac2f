import { describe } from "bun:test";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";

/** The S3 server that `test/support/with-s3.ts` started, as the tests see it. */
export interface S3Access {
  readonly endpoint: string;
  readonly region: string;
  readonly access_key_id: string;
  readonly secret_access_key: string;
}

/**
 * `describe` for claims that need the S3 server: skipped without one, with the reason in its name;
 * but where one is required (`LAKEHOUSE_TEST_S3_REQUIRED=1`) its absence fails the file, so that a
 * run that should have a server never passes without it.
 */
export function describeOnS3(name: string, claims: () => void): void {
  if (s3FromEnvironment() !== undefined) {
    describe(name, claims);
  } else if (process.env["LAKEHOUSE_TEST_S3_REQUIRED"] === "1") {
    throw new Error("LAKEHOUSE_TEST_S3_REQUIRED is set, but LAKEHOUSE_TEST_S3_ENDPOINT is not.");
  } else {
    describe.skip(`${name} (skipped: no S3 server; bun run test:s3 brings one)`, claims);
  }
}

function s3FromEnvironment(): S3Access | undefined {
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
