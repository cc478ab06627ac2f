import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { LakehouseError, toProblem } from "../core/error.ts";
import { connect } from "../plugins/storage-s3/connection.ts";
import { toFailure } from "../plugins/storage-s3/failure.ts";
import { partBytes } from "../plugins/storage-s3/multipart.ts";
import { probe } from "../plugins/storage-s3/probe.ts";
import {
  body,
  bytesOf,
  expectCode,
  patternBytes,
  streamBody,
  textOf,
} from "./conformance/storage-bytes.ts";
import { FlakyProxy } from "./support/flaky-proxy.ts";
import { createBucket, describeOnS3, s3Access, s3Client } from "./support/s3-bucket.ts";
import { openS3Store } from "./support/s3-store.ts";
import { startServer } from "./support/server.ts";

/** Each has a bucket and a server to talk to, perhaps on a busy machine. */
setDefaultTimeout(60_000);

const MIB = 1024 * 1024;

async function failureOf(promise: Promise<unknown>): Promise<LakehouseError> {
  const error = await promise.catch((error: unknown) => error);
  if (error instanceof LakehouseError) return error;
  throw new Error("no failure of ours", { cause: error });
}

describeOnS3("a bucket that cannot be used fails the start with a hint", () => {
  test("a wrong secret is refused, and nothing of the credentials is told", async () => {
    const secret = `wrong-${crypto.randomUUID()}`;
    await using opened = await openS3Store({ secret_access_key: secret, open: false });
    const error = await failureOf(opened.store.open());
    expect(error.code).toBe("storage_failed");
    expect(error.message).toContain("SignatureDoesNotMatch");
    expect(error.hint).toContain("secret");
    const { access_key_id, secret_access_key } = s3Access();
    const told = [Bun.inspect(error, { depth: 20 }), JSON.stringify(toProblem(error))].join("\n");
    for (const word of [secret, access_key_id, secret_access_key, "AWS4-HMAC", "$metadata"]) {
      expect(told.toLowerCase()).not.toContain(word.toLowerCase());
    }
  });

  test("a wrong secret ends the server, and its log tells nothing of the credentials", async () => {
    const secret = `wrong-${crypto.randomUUID()}`;
    const { access_key_id, bucket, endpoint, region } = await createBucket();
    const keys = { access_key_id, secret_access_key: secret };
    const table = { bucket, endpoint, region, force_path_style: true, ...keys };
    const started = startServer({ plugins: { "storage-s3": table } });
    const told = await started.then(
      () => "it started",
      (error: unknown) => String(error),
    );
    expect(told).toContain("SignatureDoesNotMatch");
    expect(told).toContain("secret");
    for (const word of [secret, access_key_id, "AWS4-HMAC"]) expect(told).not.toContain(word);
  });

  test("a bucket that is not there", async () => {
    const { access_key_id, secret_access_key, endpoint, region } = s3Access();
    const connection = connect(
      {
        bucket: "no-such-bucket",
        endpoint,
        region,
        force_path_style: true,
        access_key_id,
        secret_access_key,
      },
      5000,
    );
    const error = await failureOf(probe(connection));
    connection.client.destroy();
    expect(error).toMatchObject({ code: "storage_failed" });
    expect(error.hint).toContain("plugins.storage-s3.bucket");
  });

  test("a server that is not there", async () => {
    const proxy = await FlakyProxy.start(s3Access().endpoint);
    await proxy[Symbol.asyncDispose]();
    await using opened = await openS3Store({ endpoint: proxy.endpoint, open: false });
    const error = await failureOf(opened.store.open());
    expect(error).toMatchObject({ code: "storage_failed" });
    expect(error.hint).toContain("plugins.storage-s3.endpoint");
  });

  test("the trial object of the start is gone after it", async () => {
    await using opened = await openS3Store();
    expect(await opened.store.list()).toEqual({ objects: [] });
  });
});

describeOnS3("credentials of storage-s3", () => {
  test("come from the environment when the file has none", async () => {
    const { access_key_id, secret_access_key, bucket, endpoint, region } = await createBucket();
    await using server = await startServer({
      plugins: { "storage-s3": { bucket, endpoint, region, force_path_style: true } },
      env: { AWS_ACCESS_KEY_ID: access_key_id, AWS_SECRET_ACCESS_KEY: secret_access_key },
    });
    const put = await server.fetch("/storage/put/a", { method: "PUT", body: "from outside" });
    expect(put.status).toBe(200);
    expect(await (await server.fetch("/storage/get/a")).text()).toBe("from outside");
  });

  test("that are nowhere to be found end the server with a hint", async () => {
    const { bucket, endpoint, region } = await createBucket();
    const started = startServer({
      plugins: { "storage-s3": { bucket, endpoint, region, force_path_style: true } },
      env: { AWS_EC2_METADATA_DISABLED: "true", HOME: "/nonexistent" },
    });
    const told = await started.then(
      () => "it started",
      (error: unknown) => String(error),
    );
    expect(told).toContain("AWS_ACCESS_KEY_ID");
  });
});

describeOnS3("a prefix keeps several stores in one bucket apart", () => {
  test("keys are told without it, and others' are not seen", async () => {
    await using left = await openS3Store({ prefix: "team é/left" });
    await using right = await openS3Store({ prefix: "team é/right", bucket: left.bucket });
    await using whole = await openS3Store({ bucket: left.bucket });
    for (const key of ["a", "b/ c+%", "d"]) await left.store.put(key, body(`left ${key}`));
    await right.store.put("a", body("right a"));
    expect((await left.store.head("a"))?.key).toBe("a");
    expect(await textOf(left.store, "b/ c+%")).toBe("left b/ c+%");
    const first = await left.store.list({ limit: 2 });
    expect(first.objects.map(({ key }) => key)).toEqual(["a", "b/ c+%"]);
    const rest = await left.store.list({ after: first.next ?? "" });
    expect(rest.objects.map(({ key }) => key)).toEqual(["d"]);
    expect(await right.store.delete("a")).toBe(true);
    expect((await whole.store.list()).objects.map(({ key }) => key)).toEqual([
      "team é/left/a",
      "team é/left/b/ c+%",
      "team é/left/d",
    ]);
  });

  test("a key that is too long with it is refused", async () => {
    await using opened = await openS3Store({ prefix: "p".repeat(100) });
    const key = "k/".repeat(500) + "k";
    await expectCode(opened.store.put(key, body("x")), "invalid_key");
  });
});

describeOnS3("objects of others in the bucket", () => {
  test("are readable if their keys are valid, and left out of listings if not", async () => {
    await using opened = await openS3Store();
    const client = s3Client();
    const keys = ["folder/", "a//b", "a/../b", "back\\slash", "line\nfeed", "plain"];
    for (const Key of keys) {
      await client.send(new PutObjectCommand({ Bucket: opened.bucket, Key, Body: "foreign" }));
    }
    client.destroy();
    // One at a time, so that some pages hold nothing of use.
    const page = await opened.store.list({ limit: 1 });
    expect(page.objects.map(({ key }) => key)).toEqual(["plain"]);
    expect(await textOf(opened.store, "plain")).toBe("foreign");
    const { etag } = page.objects[0] ?? { etag: "" };
    await opened.store.put("plain", body("ours"), { if_match: etag });
    expect(await textOf(opened.store, "plain")).toBe("ours");
  });
});

describeOnS3("large bodies under a condition", () => {
  const bytes = patternBytes(20 * MIB, 9);
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += MIB) {
      yield await Promise.resolve(bytes.subarray(at, at + MIB));
    }
  }

  test("a stream, a file and bytes are created once, and leave nothing behind", async () => {
    await using opened = await openS3Store();
    const folder = await mkdtemp(join(tmpdir(), "lakehouse-s3-test-"));
    try {
      const path = join(folder, "source");
      await writeFile(path, bytes);
      const bodies = {
        stream: () => streamBody(stream()),
        file: () => ({ kind: "file", path }) as const,
        bytes: () => body(bytes),
      };
      for (const [key, bodyOf] of Object.entries(bodies)) {
        await opened.store.put(key, bodyOf(), { if_absent: true });
        const again = opened.store.put(key, bodyOf(), { if_absent: true });
        await expectCode(again, "precondition_failed");
        const stored = (await bytesOf(opened.store, key)) ?? new Uint8Array();
        expect(Buffer.compare(stored, bytes)).toBe(0);
      }
      expect(await opened.leftovers()).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("parts of an upload", () => {
  const limits = { part_bytes_max: 5 * 1024 ** 3, part_bytes_min: 5 * MIB, parts: 10_000 };

  test("hold the largest object S3 takes when its size is known", () => {
    for (const size_bytes of [0, 1, 5 * MIB, 5 * 1024 ** 3, 5 * 1024 ** 4]) {
      const part_bytes = partBytes(1, size_bytes);
      expect(part_bytes).toBeGreaterThanOrEqual(limits.part_bytes_min);
      expect(part_bytes).toBeLessThanOrEqual(limits.part_bytes_max);
      expect(Math.ceil(size_bytes / part_bytes)).toBeLessThanOrEqual(limits.parts);
    }
  });

  test("hold 359 GiB of a stream, and never more than 64 MiB of it each", () => {
    let total_bytes = 0;
    for (let number = 1; number <= limits.parts; number++) {
      const part_bytes = partBytes(number, undefined);
      expect(part_bytes).toBeLessThanOrEqual(64 * MIB);
      total_bytes += part_bytes;
    }
    expect(Math.floor(total_bytes / 1024 ** 3)).toBe(359);
  });
});

describe("an error of the SDK", () => {
  test("is told by its code alone: AWS echoes what was signed", () => {
    const echoed = {
      AWSAccessKeyId: "AKIAEXAMPLE",
      StringToSign: "AWS4-HMAC-SHA256 20260101T000000Z",
      SignatureProvided: "5ca1ab1e",
      $metadata: { httpStatusCode: 403, requestId: "4442587FB7D0A2F9" },
      $response: { headers: { authorization: "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE" } },
    };
    const error = Object.assign(new Error("AKIAEXAMPLE signed 5ca1ab1e"), echoed);
    error.name = "SignatureDoesNotMatch";
    const failure = toFailure(error, "store the object");
    expect(failure.message).toContain("SignatureDoesNotMatch, HTTP 403");
    const told = Bun.inspect(failure, { depth: 20 });
    expect(told).toContain("4442587FB7D0A2F9");
    for (const word of ["AKIAEXAMPLE", "5ca1ab1e", "AWS4"]) expect(told).not.toContain(word);
    error.name = "signed by AKIAEXAMPLE";
    expect(Bun.inspect(toFailure(error, "store the object"))).not.toContain("AKIAEXAMPLE");
  });
});

describe("the configuration of storage-s3", () => {
  const config = { bucket: "lake", region: "us-east-1", force_path_style: false };

  test("takes both credentials or none", () => {
    expect(() => connect({ ...config, access_key_id: "id" }, 1000)).toThrow("without the other");
    expect(() => connect({ ...config, secret_access_key: "s3cr3t" }, 1000)).not.toThrow("s3cr3t");
  });

  test("takes no prefix that breaks the key rules", () => {
    for (const prefix of ["/a", "a/", "a//b", "..", "a\u0000"]) {
      expect(() => connect({ ...config, prefix }, 1000)).toThrow("prefix");
    }
    expect(connect({ ...config, prefix: "" }, 1000).prefix).toBe("");
    expect(connect({ ...config, prefix: "a/b" }, 1000).prefix).toBe("a/b/");
  });
});
