import { expect, setDefaultTimeout, test } from "bun:test";
import type { PutOptions } from "../core/storage.ts";
import { body, expectCode, textOf } from "./conformance/storage-bytes.ts";
import { FlakyProxy } from "./support/flaky-proxy.ts";
import { s3Access, describeOnS3 } from "./support/s3-bucket.ts";
import { openFlakyStore, openS3Store } from "./support/s3-store.ts";

/** Each has a bucket and a server to talk to, perhaps on a busy machine. */
setDefaultTimeout(60_000);

const KEY = "manifest";
const PUT = /^PUT .*manifest/;
const HEAD = /^HEAD .*manifest/;

describeOnS3("a put to S3 whose answer is lost", () => {
  const kinds: Readonly<Record<string, (etag: string) => PutOptions>> = {
    "an unconditional put": () => ({}),
    "a create-only put": () => ({ if_absent: true }),
    "a swap": (etag) => ({ if_match: etag }),
  };
  for (const [name, optionsOf] of Object.entries(kinds)) {
    test(`${name} that was stored is reported as stored, and not sent twice`, async () => {
      await using at = await openFlakyStore();
      const creates = optionsOf("").if_absent === true;
      const base = creates ? "" : (await at.direct.store.put(KEY, body("base"))).etag;
      at.proxy.inject({ match: PUT, kind: "lose_response" });
      const info = await at.flaky.store.put(KEY, body("ours"), optionsOf(base));
      expect(info.etag).toBe((await at.direct.store.head(KEY))?.etag ?? "absent");
      expect(await textOf(at.direct.store, KEY)).toBe("ours");
      expect(at.proxy.count(PUT)).toBe(1);
    });

    test(`${name} that never reached the store is sent again`, async () => {
      await using at = await openFlakyStore();
      const creates = optionsOf("").if_absent === true;
      const base = creates ? "" : (await at.direct.store.put(KEY, body("base"))).etag;
      at.proxy.inject({ match: PUT, kind: "reset_request" });
      await at.flaky.store.put(KEY, body("ours"), optionsOf(base));
      expect(await textOf(at.direct.store, KEY)).toBe("ours");
      expect(at.proxy.count(PUT)).toBe(2);
    });
  }

  test("a swap that another writer built upon since is reported as stored", async () => {
    await using at = await openFlakyStore();
    const { etag } = await at.direct.store.put(KEY, body("base"));
    const meanwhile = async (): Promise<void> => {
      const ours = await at.direct.store.head(KEY);
      await at.direct.store.put(KEY, body("theirs"), { if_match: ours?.etag ?? "" });
    };
    at.proxy.inject({ match: PUT, kind: "lose_response", meanwhile });
    await at.flaky.store.put(KEY, body("ours"), { if_match: etag });
    expect(await textOf(at.direct.store, KEY)).toBe("theirs");
  });

  test("a swap that another writer was faster than is reported as refused", async () => {
    await using at = await openFlakyStore();
    const { etag } = await at.direct.store.put(KEY, body("base"));
    const meanwhile = async (): Promise<void> => {
      const first = await at.direct.store.put(KEY, body("first"), { if_match: etag });
      await at.direct.store.put(KEY, body("second"), { if_match: first.etag });
    };
    at.proxy.inject({ match: PUT, kind: "reset_request", meanwhile });
    const put = at.flaky.store.put(KEY, body("ours"), { if_match: etag });
    await expectCode(put, "precondition_failed");
    expect(await textOf(at.direct.store, KEY)).toBe("second");
  });

  test("a create-only put that another creator was faster than is reported as refused", async () => {
    await using at = await openFlakyStore();
    const meanwhile = async (): Promise<unknown> =>
      at.direct.store.put(KEY, body("theirs"), { if_absent: true });
    at.proxy.inject({ match: PUT, kind: "reset_request", meanwhile });
    const put = at.flaky.store.put(KEY, body("ours"), { if_absent: true });
    await expectCode(put, "precondition_failed");
  });

  test("a swap overwritten without a condition since says that its outcome is unknown", async () => {
    await using at = await openFlakyStore();
    const { etag } = await at.direct.store.put(KEY, body("base"));
    const meanwhile = async (): Promise<unknown> => at.direct.store.put(KEY, body("theirs"));
    at.proxy.inject({ match: PUT, kind: "lose_response", meanwhile });
    const put = at.flaky.store.put(KEY, body("ours"), { if_match: etag });
    await expectCode(put, "commit_unknown");
  });

  test("a put that cannot be read back either says that its outcome is unknown", async () => {
    await using at = await openFlakyStore();
    at.proxy.inject({ match: PUT, kind: "lose_response" });
    at.proxy.inject({ match: HEAD, kind: "lose_response", times: 100 });
    const put = at.flaky.store.put(KEY, body("ours"), { if_absent: true });
    await expectCode(put, "commit_unknown");
    expect(await textOf(at.direct.store, KEY)).toBe("ours");
  });

  test("a put the store never answers ends at its deadline", async () => {
    await using at = await openFlakyStore();
    at.flaky.setDeadline(1000);
    at.proxy.inject({ match: PUT, kind: "stall_request" });
    const put = at.flaky.store.put(KEY, body("ours"), { if_absent: true });
    await expectCode(put, "commit_unknown");
    expect(await at.direct.store.head(KEY)).toBeUndefined();
  });

  test("a put to a store that cannot be reached is a plain failure", async () => {
    const proxy = await FlakyProxy.start(s3Access().endpoint);
    await proxy[Symbol.asyncDispose]();
    await using nobody = await openS3Store({ endpoint: proxy.endpoint, open: false });
    await expectCode(nobody.store.put(KEY, body("ours")), "storage_failed");
  });
});
