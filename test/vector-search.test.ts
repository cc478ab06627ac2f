import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { assertProblem, okJson, startServer } from "./support/server.ts";
import { clusteredVectors } from "./support/vector-data.ts";

// Several starts of a real server, on a machine that may be busy with other tests.
setDefaultTimeout(60_000);

describe("vector indexes over HTTP", () => {
  test("are created, listed, described and deleted", async () => {
    await using server = await startServer();
    const created = await server.post("/vectors/index", {
      name: "words",
      dimension: 3,
      metric: "cosine",
    });
    expect(created.status).toBe(201);
    const description = await okJson(created);
    expect(description).toMatchObject({
      name: "words",
      dimension: 3,
      metric: "cos",
      quantization: "bf16",
      count: 0,
      persist: true,
    });
    expect(await okJson(await server.fetch("/v1/vectors/index/words"))).toEqual(description);
    expect(await okJson(await server.fetch("/vectors/index"))).toEqual({
      indexes: [description],
      count: 1,
    });
    const twice = await server.post("/vectors/index", { name: "words", dimension: 4 });
    await assertProblem(twice, { status: 409, code: "index_exists" });
    const deleted = await server.fetch("/vectors/index/words", { method: "DELETE" });
    expect(await okJson(deleted)).toEqual({ deleted: "words" });
    const gone = { status: 404, code: "index_not_found" } as const;
    await assertProblem(await server.fetch("/vectors/index/words"), gone);
    await assertProblem(await server.fetch("/vectors/index/words", { method: "DELETE" }), gone);
    await assertProblem(await server.post("/vectors/index/words/search", { vector: [1] }), gone);
    await assertProblem(await server.post("/vectors/index/words/add", { items: [] }), gone);
  });

  test("find every vector itself first, at distance 0", async () => {
    await using server = await startServer();
    const vectors = clusteredVectors(300, 32, 20, 5);
    for (const metric of ["cos", "l2"]) {
      await okJson(await server.post("/vectors/index", { name: metric, dimension: 32, metric }));
      const items = vectors.map((vector, at) => ({ id: `v${at}`, vector, metadata: { at } }));
      expect(await okJson(await server.post(`/vectors/index/${metric}/add`, { items }))).toEqual({
        added: 300,
        updated: 0,
        count: 300,
      });
      for (const { id, vector, metadata } of items.slice(0, 25)) {
        const search = { vector, k: 3 };
        const found = await okJson(await server.post(`/vectors/index/${metric}/search`, search));
        expect(found["results"]).toMatchObject([{ id, distance: 0, metadata }, {}, {}]);
      }
    }
  });

  test("update, delete and take base64", async () => {
    await using server = await startServer();
    await okJson(await server.post("/vectors/index", { name: "x", dimension: 2, metric: "l2" }));
    const base64 = Buffer.from(Float32Array.of(3, 4).buffer).toString("base64");
    const items = [
      { id: "a", vector: base64, metadata: { n: 1 } },
      { id: "b", vector: [0, 0] },
    ];
    await okJson(await server.post("/vectors/index/x/add", { items }));
    const update = { items: [{ id: "b", vector: [3, 5] }] };
    expect(await okJson(await server.post("/vectors/index/x/add", update))).toEqual({
      added: 0,
      updated: 1,
      count: 2,
    });
    const search = { vector: base64, k: 9 };
    expect(await okJson(await server.post("/vectors/index/x/search", search))).toEqual({
      results: [
        { id: "a", distance: 0, metadata: { n: 1 } },
        { id: "b", distance: 1 },
      ],
    });
    const bare = { ...search, include_metadata: false };
    expect(await okJson(await server.post("/vectors/index/x/search", bare))).toEqual({
      results: [
        { id: "a", distance: 0 },
        { id: "b", distance: 1 },
      ],
    });
    const deleted = await server.post("/vectors/index/x/delete", { ids: ["a", "nobody"] });
    expect(await okJson(deleted)).toEqual({ deleted: 1, count: 1 });
    expect(await okJson(await server.post("/vectors/index/x/search", search))).toEqual({
      results: [{ id: "b", distance: 1 }],
    });
  });

  test("store nothing of a batch with one bad vector, and say which", async () => {
    await using server = await startServer();
    await okJson(await server.post("/vectors/index", { name: "x", dimension: 2 }));
    const items = [
      { id: "good", vector: [1, 2] },
      { id: "bad", vector: [1, 1e40] },
    ];
    const refused = await server.post("/vectors/index/x/add", { items });
    const problem = await assertProblem(refused, { status: 400, code: "invalid_vector" });
    expect(problem).toMatchObject({ item: 1, id: "bad", component: 1, value: "1e+40" });
    expect(await okJson(await server.fetch("/vectors/index/x"))).toMatchObject({ count: 0 });
    const search = await server.post("/vectors/index/x/search", { vector: [1, 2] });
    expect(await okJson(search)).toEqual({ results: [] });
  });

  test("refuse what does not fit", async () => {
    await using server = await startServer({
      limits: { vector_body_bytes: 1000, vector_indexes: 1, vector_k: 100 },
    });
    const create = (body: unknown): Promise<Response> => server.post("/vectors/index", body);
    const invalid = { status: 400, code: "invalid_request" } as const;
    await assertProblem(await create({ name: "x", dimension: 0 }), invalid);
    await assertProblem(await create({ name: "x", dimension: 2, metric: "jaccard" }), invalid);
    await assertProblem(await create({ name: "x", dimension: 2, quantization: "b1" }), invalid);
    await assertProblem(await create({ name: "x", dimension: 2, colour: 1 }), invalid);
    await assertProblem(await create({ name: "../x", dimension: 2 }), {
      status: 400,
      code: "invalid_name",
    });
    await okJson(await create({ name: "x", dimension: 2 }));
    await assertProblem(await create({ name: "y", dimension: 2 }), {
      status: 422,
      code: "limit_exceeded",
    });
    const large = { items: [{ id: "x", vector: [1, 2], metadata: { text: "x".repeat(1000) } }] };
    await assertProblem(await server.post("/vectors/index/x/add", large), {
      status: 413,
      code: "body_too_large",
    });
    const search = (body: unknown): Promise<Response> =>
      server.post("/vectors/index/x/search", body);
    await assertProblem(await search({ vector: [1, 2], k: 0 }), invalid);
    await assertProblem(await search({ vector: [1, 2], k: 1.5 }), invalid);
    await assertProblem(await search({ vector: [1, 2], ef: "many" }), invalid);
    await assertProblem(await search({ vector: [1, 2], kk: 1 }), invalid);
    await assertProblem(await search({ vector: [0, 0] }), { status: 400, code: "invalid_vector" });
    await assertProblem(await search({ vector: [1, 2], k: 101 }), {
      status: 422,
      code: "limit_exceeded",
    });
  });
});
