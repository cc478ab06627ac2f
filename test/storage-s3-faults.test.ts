import { expect, setDefaultTimeout, test } from "bun:test";
import { hasCode } from "../core/error.ts";
import {
  body,
  bytesOf,
  expectCode,
  patternBytes,
  streamBody,
} from "./conformance/storage-bytes.ts";
import { describeOnS3 } from "./support/s3-bucket.ts";
import { openFlakyStore } from "./support/s3-store.ts";

/** Each has a bucket and a server to talk to, perhaps on a busy machine. */
setDefaultTimeout(60_000);

const KIB = 1024;
const MIB = 1024 * KIB;
/** A deadline that all but the call which is stalled can keep, on a busy machine too. */
const BUSY_MS = 5000;
const bytes = patternBytes(2 * MIB, 3);
/** Well past the headers of a request or an answer. */
const MIDWAY_BYTES = 700 * KIB;

describeOnS3("S3 reads over a bad network", () => {
  test("a read that breaks off is taken up where it broke", async () => {
    await using at = await openFlakyStore();
    await at.direct.store.put("big", body(bytes));
    const cut = { match: /^GET .*big/, kind: "cut_response", after_bytes: MIDWAY_BYTES } as const;
    at.proxy.inject({ ...cut, times: 2 });
    expect(await bytesOf(at.flaky.store, "big")).toEqual(Buffer.from(bytes));
    expect(at.proxy.count(/^GET .*big/)).toBe(3);
    at.proxy.inject(cut);
    const range = { offset: 100_001, length: 1_500_000 };
    expect(await bytesOf(at.flaky.store, "big", range)).toEqual(
      Buffer.from(bytes.subarray(100_001, 1_600_001)),
    );
  });

  test("a read that breaks off never goes on with another version of the object", async () => {
    await using at = await openFlakyStore();
    await at.direct.store.put("big", body(bytes));
    at.proxy.inject({
      match: /^GET .*big/,
      kind: "cut_response",
      after_bytes: MIDWAY_BYTES,
      meanwhile: async () => at.direct.store.put("big", body(patternBytes(2 * MIB, 4))),
    });
    await expectCode(bytesOf(at.flaky.store, "big"), "storage_failed");
  });

  test("a read that breaks off again and again fails, and says so", async () => {
    await using at = await openFlakyStore();
    await at.direct.store.put("big", body(bytes));
    at.proxy.inject({ match: /^GET .*big/, kind: "cut_response", times: 100 });
    await expectCode(bytesOf(at.flaky.store, "big"), "storage_failed");
  });

  test("a read that stalls ends at the deadline", async () => {
    await using at = await openFlakyStore();
    at.flaky.setDeadline(1000);
    await at.direct.store.put("big", body(bytes));
    at.proxy.inject({ match: /^GET .*big/, kind: "stall_response", after_bytes: MIDWAY_BYTES });
    await expectCode(bytesOf(at.flaky.store, "big"), "storage_timeout");
    at.proxy.inject({ match: /^GET .*big/, kind: "stall_response" });
    await expectCode(bytesOf(at.flaky.store, "big"), "storage_timeout");
  });

  test("the time a reader takes does not count against the deadline", async () => {
    await using at = await openFlakyStore();
    at.flaky.setDeadline(2000);
    await at.direct.store.put("big", body(bytes));
    const object = await at.flaky.store.get("big");
    const chunks: Uint8Array[] = [];
    for await (const chunk of object?.stream ?? []) {
      if (chunks.length === 0) await Bun.sleep(2500);
      chunks.push(chunk);
    }
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(bytes));
  });

  test("an answer left unread lets go of its connection, and can be read later", async () => {
    await using at = await openFlakyStore();
    at.flaky.setDeadline(2000);
    await at.direct.store.put("big", body(bytes));
    const object = await at.flaky.store.get("big");
    await Bun.sleep(2500);
    const chunks: Uint8Array[] = [];
    for await (const chunk of object?.stream ?? []) chunks.push(chunk);
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(bytes));
    expect(at.proxy.count(/^GET .*big/)).toBe(2);
  });

  test("head, list and delete outlive broken connections, and end at the deadline", async () => {
    await using at = await openFlakyStore();
    await at.direct.store.put("one", body("1"));
    for (const match of [/^HEAD/, /^GET .*list-type/, /^DELETE/]) {
      at.proxy.inject({ match, kind: "lose_response" });
    }
    expect((await at.flaky.store.head("one"))?.size_bytes).toBe(1);
    expect((await at.flaky.store.list()).objects.map(({ key }) => key)).toEqual(["one"]);
    expect(await at.flaky.store.delete("one")).toBe(true);
    at.flaky.setDeadline(1000);
    at.proxy.inject({ match: /^HEAD/, kind: "stall_response" });
    await expectCode(at.flaky.store.head("one"), "storage_timeout");
  });
});

describeOnS3("S3 uploads over a bad network", () => {
  const PART = /^PUT .*partNumber=2/;

  test("a body damaged on its way is refused, whole or in parts", async () => {
    await using at = await openFlakyStore();
    const corrupt = { kind: "corrupt_request", after_bytes: MIDWAY_BYTES } as const;
    at.proxy.inject({ ...corrupt, match: /^PUT .*whole/ });
    await expectCode(at.flaky.store.put("whole", body(bytes)), "storage_failed");
    at.proxy.inject({ ...corrupt, match: PART });
    await expectCode(at.flaky.store.put("parts", streamBody(source(20 * MIB))), "storage_failed");
    expect((await at.direct.store.list()).objects).toEqual([]);
    expect(await at.flaky.leftovers()).toEqual([]);
  });

  test("a part that breaks off is sent again", async () => {
    await using at = await openFlakyStore();
    at.proxy.inject({ match: PART, kind: "reset_request", after_bytes: MIDWAY_BYTES });
    at.proxy.inject({ match: /^PUT .*partNumber=3/, kind: "lose_response" });
    const size_bytes = 20 * MIB;
    const info = await at.flaky.store.put("parts", streamBody(source(size_bytes)));
    expect(info.etag).toBe((await at.direct.store.head("parts"))?.etag ?? "absent");
    const stored = await bytesOf(at.direct.store, "parts");
    const sent = Buffer.concat(await Array.fromAsync(source(size_bytes)));
    expect(stored?.length).toBe(size_bytes);
    expect(Buffer.compare(stored ?? new Uint8Array(), sent)).toBe(0);
  });

  test("a part that cannot be sent stops the source and leaves no parts", async () => {
    await using at = await openFlakyStore();
    at.proxy.inject({ match: PART, kind: "reset_request", times: 100 });
    let taken_bytes = 0;
    let closed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          taken_bytes += bytes.length;
          yield await Promise.resolve(bytes);
        }
      } finally {
        closed = true;
      }
    }
    await expectCode(at.flaky.store.put("parts", streamBody(endless())), "storage_failed");
    expect(closed).toBe(true);
    expect(taken_bytes).toBeGreaterThan(8 * MIB);
    expect(await at.direct.store.head("parts")).toBeUndefined();
    expect(await at.flaky.leftovers()).toEqual([]);
  });

  test("a completion whose answer is lost is reported as stored", async () => {
    await using at = await openFlakyStore();
    at.proxy.inject({ match: /^POST .*uploadId/, kind: "lose_response" });
    const info = await at.flaky.store.put("parts", streamBody(source(9 * MIB)));
    expect(info).toMatchObject({ size_bytes: 9 * MIB });
    expect((await at.direct.store.head("parts"))?.etag).toBe(info.etag);
    expect(await at.flaky.leftovers()).toEqual([]);
  });

  test("a completion the store never hears of leaves no object", async () => {
    await using at = await openFlakyStore();
    at.flaky.setDeadline(BUSY_MS);
    at.proxy.inject({ match: /^POST .*uploadId/, kind: "stall_request", times: 100 });
    const put = at.flaky.store.put("parts", streamBody(source(9 * MIB)));
    const error = await put.catch((error: unknown) => error);
    expect(hasCode(error, "commit_unknown")).toBe(true);
    expect(await at.direct.store.head("parts")).toBeUndefined();
  });

  test("a part the store never answers ends at its deadline and leaves no parts", async () => {
    await using at = await openFlakyStore();
    at.flaky.setDeadline(BUSY_MS);
    at.proxy.inject({ match: PART, kind: "stall_response" });
    await expectCode(at.flaky.store.put("parts", streamBody(source(20 * MIB))), "storage_timeout");
    expect(await at.flaky.leftovers()).toEqual([]);
  });
});

async function* source(size_bytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size_bytes; at += bytes.length) {
    yield await Promise.resolve(bytes.subarray(0, size_bytes - at));
  }
}
