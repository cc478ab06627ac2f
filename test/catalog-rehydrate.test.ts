import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  committedOf,
  type CommittedAnswer,
  listOf,
  type ManifestAnswer,
  manifestOf,
} from "./support/catalog-answers.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";
import { overwriteStored } from "./support/stored-object.ts";

/** For a busy machine and a remote store; no test waits for time to pass. */
setDefaultTimeout(60_000);

const plugins = { storage: {}, catalog: {} };

const register = async (server: TestServer, name: string, size = 1): Promise<CommittedAnswer> =>
  committedOf(
    await server.post("/catalog/register", {
      name,
      schema_fingerprint: "fp",
      objects: [{ key: `data/${name}`, size }],
    }),
  );

const list = async (server: TestServer): Promise<readonly ManifestAnswer[]> =>
  listOf(await server.fetch("/catalog/list"));

const object = (name: string): string => `_catalog/manifests/${name}.parquet`;

/** Flips one bit of a stored manifest; returns the good bytes. */
async function damage(server: TestServer, name: string): Promise<Uint8Array> {
  const response = await server.fetch(`/storage/get/${object(name)}`);
  const good = new Uint8Array(await response.arrayBuffer());
  const bad = good.slice();
  bad[bad.length >> 1] = (bad[bad.length >> 1] ?? 0) ^ 1;
  await overwriteStored(server, object(name), bad);
  return good;
}

describe("a catalog after kill -9", () => {
  test("serves the same manifests with the same ids, and goes on from there", async () => {
    await using server = await startServer({ plugins });
    for (let i = 0; i < 25; i += 1) await register(server, `d${i}`);
    await register(server, "d7", 2);
    await okJson(await server.fetch("/catalog/manifest/d8", { method: "DELETE" }));
    const before = await list(server);
    await server.kill();
    await server.restart();
    expect(await list(server)).toEqual(before);
    expect(await register(server, "d7", 3)).toMatchObject({
      existing: true,
      manifest: { version: 3 },
    });
  });

  test("has every register that was acknowledged, and no half of another", async () => {
    await using server = await startServer({ plugins });
    const acknowledged = new Map<string, number>();
    const writers = Array.from({ length: 4 }, async (_, w) => {
      for (let i = 0; ; i += 1) {
        const { manifest } = await register(server, `w${w}_${i % 5}`, i);
        acknowledged.set(manifest.name, manifest.version);
        if (acknowledged.size === 20 && i > 10) return;
      }
    });
    await Promise.race(writers);
    await server.kill();
    await Promise.allSettled(writers);
    await server.restart();
    for (const [name, version] of acknowledged) {
      const { version: found } = await manifestOf(await server.fetch(`/catalog/manifest/${name}`));
      // At most the one commit under way may have landed without its answer.
      expect([version, version + 1]).toContain(found);
    }
  });
});

describe("a damaged manifest", () => {
  test("is quarantined: the others serve, it answers 503, and cannot be overwritten", async () => {
    await using server = await startServer({ plugins });
    for (const name of ["good", "bad"]) await register(server, name);
    const good = await damage(server, "bad");
    await server.kill();
    await server.restart();

    expect(await list(server)).toMatchObject([{ name: "good" }]);
    const refusal = { status: 503, code: "dataset_quarantined" } as const;
    const read = await assertProblem(await server.fetch("/catalog/manifest/bad"), refusal);
    expect(read["reason"]).toContain("SHA-256 seal");
    expect(read["hint"]).toContain("DELETE /catalog/manifest/bad");
    await assertProblem(
      await server.post("/catalog/register", {
        name: "bad",
        schema_fingerprint: "fp",
        objects: [],
      }),
      refusal,
    );
    expect(server.log.find((line) => line.includes("quarantined 1"))).toContain('"bad"');

    await overwriteStored(server, object("bad"), good);
    expect(await manifestOf(await server.fetch("/catalog/manifest/bad"))).toMatchObject({
      version: 1,
    });
    expect(await register(server, "bad")).toMatchObject({ manifest: { version: 2 } });
  });

  test("can be deleted, and the name starts anew", async () => {
    await using server = await startServer({ plugins });
    await register(server, "bad");
    await damage(server, "bad");
    await server.kill();
    await server.restart();
    const remove = () => server.fetch("/catalog/manifest/bad", { method: "DELETE" });
    expect(await okJson(await remove())).toEqual({ deleted: "bad" });
    await assertProblem(await remove(), { status: 404, code: "dataset_not_found" });
    expect(await register(server, "bad")).toMatchObject({ existing: false });
  });
});
