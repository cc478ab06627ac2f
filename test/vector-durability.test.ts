import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { FLAT_COMPONENTS } from "../plugins/vector/open-index.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";
import { overwriteStored } from "./support/stored-object.ts";
import { clusteredVectors } from "./support/vector-data.ts";

// Several starts of a real server, on a machine that may be busy with other tests.
setDefaultTimeout(60_000);

async function create(server: TestServer, name: string, rest: object): Promise<void> {
  await okJson(await server.post("/vectors/index", { name, ...rest }));
}

async function addAll(
  server: TestServer,
  name: string,
  vectors: readonly (readonly number[])[],
): Promise<void> {
  for (let at = 0; at < vectors.length; at += 2000) {
    const items = vectors
      .slice(at, at + 2000)
      .map((vector, offset) => ({ id: `v${at + offset}`, vector, metadata: { row: at + offset } }));
    await okJson(await server.post(`/vectors/index/${name}/add`, { items }));
  }
}

function search(
  server: TestServer,
  name: string,
  vector: readonly number[],
): Promise<Record<string, unknown>> {
  return server.post(`/vectors/index/${name}/search`, { vector, k: 20 }).then(okJson);
}

/** The bytes of an object, through the server's own route. */
async function objectBytes(server: TestServer, key: string): Promise<Uint8Array> {
  return (await server.fetch(`/storage/get/${key}`)).bytes();
}

describe("vector indexes across restarts", () => {
  test("answer the same after a kill as before it", async () => {
    await using server = await startServer();
    const vectors = clusteredVectors(500, 16, 20, 6);
    await create(server, "x", { dimension: 16 });
    await addAll(server, "x", vectors);
    await okJson(await server.post("/vectors/index/x/delete", { ids: ["v0", "v7"] }));
    const description = await okJson(await server.fetch("/vectors/index/x"));
    const queries = vectors.slice(0, 10);
    const before = await Promise.all(queries.map((vector) => search(server, "x", vector)));
    await server.kill();
    await server.restart();
    expect(await okJson(await server.fetch("/vectors/index/x"))).toEqual(description);
    const after = await Promise.all(queries.map((vector) => search(server, "x", vector)));
    expect(after).toEqual(before);
  });

  test("lose no acknowledged vector to a kill in the middle of writing", async () => {
    await using server = await startServer();
    await create(server, "x", { dimension: 4, metric: "l2" });
    const acknowledged: string[] = [];
    const killed = Promise.withResolvers<void>();
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let at = 0; ; at++) {
        const id = `w${writer}-${at}`;
        try {
          const items = [{ id, vector: [writer, at, 1, 1] }];
          await okJson(await server.post("/vectors/index/x/add", { items }));
        } catch {
          return;
        }
        acknowledged.push(id);
        if (acknowledged.length === 60) killed.resolve(server.kill());
      }
    });
    await killed.promise;
    await Promise.all(writers);
    await server.restart();
    const body = { vector: [0, 0, 0, 0], k: 1000 };
    const { results } = await okJson(await server.post("/vectors/index/x/search", body));
    const ids = new Set(JSON.stringify(results).match(/w\d-\d+/g));
    expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
    expect(acknowledged.length).toBeGreaterThanOrEqual(60);
  });

  test("keep a graph, and fold the log into it", async () => {
    await using server = await startServer();
    const dimension = 256;
    const vectors = clusteredVectors(FLAT_COMPONENTS / dimension + 500, dimension, 100, 7);
    await create(server, "x", { dimension, ef_construction: 64 });
    await addAll(server, "x", vectors);
    while (!server.log.some((line) => line.includes("folded the log"))) {
      await search(server, "x", vectors[0] ?? []);
      // Searches go on meanwhile, but leave a single core to the fold.
      await Bun.sleep(20);
    }
    const queries = vectors.slice(100, 110);
    const before = await Promise.all(queries.map((vector) => search(server, "x", vector)));
    expect(await server.stop()).toBe(0);
    await server.restart();
    const after = await Promise.all(queries.map((vector) => search(server, "x", vector)));
    expect(after).toEqual(before);
    const bytes = await objectBytes(server, "_vectors/x.lhv1");
    expect(Buffer.from(bytes.subarray(0, 4)).toString()).toBe("LHV1");
  }, 120_000);

  test("stay deleted, objects and all", async () => {
    await using server = await startServer();
    await create(server, "x", { dimension: 2 });
    await addAll(server, "x", [[1, 2]]);
    await okJson(await server.fetch("/vectors/index/x", { method: "DELETE" }));
    const listing = await okJson(await server.fetch("/storage/list?prefix=_vectors/"));
    expect(listing["objects"]).toEqual([]);
    await server.kill();
    await server.restart();
    expect(await okJson(await server.fetch("/vectors/index"))).toEqual({ indexes: [], count: 0 });
  });

  test("are in memory only if asked", async () => {
    await using server = await startServer();
    await create(server, "x", { dimension: 2, persist: false });
    await addAll(server, "x", [[1, 2]]);
    expect(await okJson(await server.fetch("/vectors/index/x"))).toMatchObject({
      count: 1,
      persist: false,
    });
    const listing = await okJson(await server.fetch("/storage/list?prefix=_vectors/"));
    expect(listing["objects"]).toEqual([]);
    await server.stop();
    await server.restart();
    await assertProblem(await server.fetch("/vectors/index/x"), {
      status: 404,
      code: "index_not_found",
    });
  });

  for (const damaged of ["base", "log"] as const) {
    test(`quarantine a damaged ${damaged}, serve the others, and let it be deleted`, async () => {
      await using server = await startServer();
      for (const name of ["bad", "good"]) {
        await create(server, name, { dimension: 2 });
        await addAll(server, name, [[1, 2]]);
      }
      const listing = await okJson(await server.fetch("/storage/list?prefix=_vectors/bad"));
      const keys = JSON.stringify(listing).match(/_vectors\/bad[^"]+/g) ?? [];
      const key = keys.find((each) => each.endsWith(damaged === "base" ? ".lhv1" : ".lhvl")) ?? "";
      const bytes = await objectBytes(server, key);
      bytes[20] = (bytes[20] ?? 0) ^ 1;
      await server.stop();
      await overwriteStored(server, key, bytes);
      await server.restart();

      const quarantined = { status: 503, code: "index_quarantined" } as const;
      const problem = await assertProblem(await server.fetch("/vectors/index/bad"), quarantined);
      expect(problem["detail"]).toContain("SHA-256");
      await assertProblem(
        await server.post("/vectors/index", { name: "bad", dimension: 2 }),
        quarantined,
      );
      await assertProblem(
        await server.post("/vectors/index/bad/search", { vector: [1, 2] }),
        quarantined,
      );
      expect(await objectBytes(server, key)).toEqual(bytes);
      expect(await search(server, "good", [1, 2])).toMatchObject({ results: [{ id: "v0" }] });
      await okJson(await server.fetch("/vectors/index/bad", { method: "DELETE" }));
      await create(server, "bad", { dimension: 3 });
    });
  }
});
