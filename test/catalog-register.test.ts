import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  type CommittedAnswer,
  committedOf,
  listOf,
  type ManifestAnswer,
  manifestOf,
} from "./support/catalog-answers.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";

/** For a busy machine and a remote store; no test waits for time to pass. */
setDefaultTimeout(60_000);

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ plugins: { storage: {}, catalog: {} } });
});
afterAll(() => server[Symbol.asyncDispose]());

const body = (name: string, rest: Record<string, unknown> = {}) => ({
  name,
  schema_fingerprint: "sha256:abc",
  objects: [{ key: `data/${name}.parquet`, size: 123 }],
  row_count: 7,
  ...rest,
});
const register = (value: unknown): Promise<Response> => server.post("/catalog/register", value);
const registered = async (value: unknown): Promise<CommittedAnswer> =>
  committedOf(await register(value));
const manifest = async (name: string): Promise<ManifestAnswer> =>
  manifestOf(await server.fetch(`/catalog/manifest/${name}`));
const remove = (name: string): Promise<Response> =>
  server.fetch(`/catalog/manifest/${name}`, { method: "DELETE" });

/** A valid body of exactly this many bytes. */
function padded(name: string, length: number): string {
  const text = JSON.stringify(body(name));
  return text + " ".repeat(length - text.length);
}

describe("POST /catalog/register", () => {
  test("creates a dataset whose id is the UUIDv5 of its name", async () => {
    const response = await register(body("airports"));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toStartWith("application/json");
    const answer = await committedOf(response);
    expect(answer).toEqual({
      existing: false,
      manifest: {
        dataset_id: "971cb334-1da5-51fb-8a59-a3e5fec8e01c",
        name: "airports",
        schema_fingerprint: "sha256:abc",
        objects: [{ key: "data/airports.parquet", size: 123 }],
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        updated_at: expect.any(String),
        row_count: 7,
        version: 1,
      },
    });
    expect(await manifest("airports")).toEqual(answer.manifest);
  });

  test("is idempotent: same id, objects replaced, updated_at moved, existing", async () => {
    const first = await registered(body("again"));
    const objects = [
      { key: "données/2.parquet", size: Number.MAX_SAFE_INTEGER, sha256: "0a".repeat(32) },
      { key: "3.parquet", size: 0 },
    ];
    const second = await registered(body("again", { objects }));
    expect(second).toMatchObject({ existing: true, manifest: { version: 2, objects } });
    const { dataset_id, created_at, updated_at } = first.manifest;
    expect(second.manifest).toMatchObject({ dataset_id, created_at });
    expect(second.manifest.row_count).toBe(7);
    expect(second.manifest.updated_at > updated_at).toBe(true);
    expect(await manifest("again")).toEqual(second.manifest);
  });

  test("answers 409 to another fingerprint and changes nothing", async () => {
    await registered(body("fixed"));
    const before = await manifest("fixed");
    const problem = await assertProblem(
      await register(body("fixed", { schema_fingerprint: "x" })),
      {
        status: 409,
        code: "schema_conflict",
      },
    );
    expect(problem).toMatchObject({
      registered_fingerprint: "sha256:abc",
      offered_fingerprint: "x",
      hint: expect.any(String),
    });
    expect(await manifest("fixed")).toEqual(before);
  });

  test("is reached under /v1 too", async () => {
    const answer = await committedOf(await server.post("/v1/catalog/register", body("versioned")));
    const read = await manifestOf(await server.fetch("/v1/catalog/manifest/versioned"));
    expect(read).toEqual(answer.manifest);
  });

  test("keeps column ids, names, types and nullability", async () => {
    const columns = [
      { id: 1, name: "città", type: "utf8", nullable: true },
      { id: 2, name: 'a "b"', type: "timestamp[us, tz=UTC]", nullable: false },
    ];
    const answer = await registered(body("typed", { columns }));
    expect(answer.manifest).toMatchObject({ columns });
  });

  const refused: readonly [string, Record<string, unknown>, string, string][] = [
    ["an empty name", { name: "" }, "invalid_name", "/name"],
    ["no name", { name: undefined }, "invalid_name", "/name"],
    ["a name that is a path", { name: "../x" }, "invalid_name", "/name"],
    ["a name of 129 characters", { name: "x".repeat(129) }, "invalid_name", "/name"],
    ["a name that is a number", { name: 5 }, "invalid_name", "/name"],
    [
      "an empty fingerprint",
      { schema_fingerprint: "" },
      "invalid_fingerprint",
      "/schema_fingerprint",
    ],
    [
      "a blank fingerprint",
      { schema_fingerprint: " " },
      "invalid_fingerprint",
      "/schema_fingerprint",
    ],
    [
      "no fingerprint",
      { schema_fingerprint: undefined },
      "invalid_fingerprint",
      "/schema_fingerprint",
    ],
    [
      "a lone surrogate",
      { schema_fingerprint: "a\ud800" },
      "invalid_request",
      "/schema_fingerprint",
    ],
    ["no objects", { objects: undefined }, "invalid_request", "/objects"],
    [
      "a negative size",
      { objects: [{ key: "k", size: -1 }] },
      "invalid_request",
      "/objects/0/size",
    ],
    [
      "a fractional size",
      { objects: [{ key: "k", size: 1.5 }] },
      "invalid_request",
      "/objects/0/size",
    ],
    [
      "a size beyond 2^53 - 1",
      { objects: [{ key: "k", size: 2 ** 53 }] },
      "invalid_request",
      "/objects/0/size",
    ],
    [
      "a key that climbs",
      { objects: [{ key: "a/../b", size: 1 }] },
      "invalid_key",
      "/objects/0/key",
    ],
    ["an empty key", { objects: [{ key: "", size: 1 }] }, "invalid_key", "/objects/0/key"],
    [
      "a key listed twice",
      {
        objects: [
          { key: "k", size: 1 },
          { key: "k", size: 1 },
        ],
      },
      "invalid_request",
      "/objects/1/key",
    ],
    ["an unknown member", { colour: "red" }, "invalid_request", "/colour"],
    [
      "an unknown member of an object",
      { objects: [{ key: "k", size: 1, x: 1 }] },
      "invalid_request",
      "/objects/0/x",
    ],
    ["a negative row count", { row_count: -1 }, "invalid_request", "/row_count"],
    ["a row count that is text", { row_count: "7" }, "invalid_request", "/row_count"],
    [
      "a column id of 0",
      { columns: [{ id: 0, name: "a", type: "utf8", nullable: true }] },
      "invalid_request",
      "/columns/0/id",
    ],
    [
      "a column name given twice",
      {
        columns: [
          { id: 1, name: "a", type: "utf8", nullable: true },
          { id: 2, name: "a", type: "utf8", nullable: true },
        ],
      },
      "invalid_request",
      "/columns/1/name",
    ],
  ];
  for (const [what, change, code, pointer] of refused) {
    test(`refuses ${what} with ${code} at ${pointer}`, async () => {
      const response = await register(body("refused", change));
      const problem: unknown = await response.clone().json();
      expect(problem).toMatchObject({ status: 400, code, pointer });
      expect(response.headers.get("content-type")).toBe("application/problem+json");
      expect((await server.fetch("/catalog/manifest/refused")).status).toBe(404);
    });
  }

  test("refuses a body that is no JSON object", async () => {
    for (const [text, code] of [
      ["{", "invalid_json"],
      ["", "invalid_json"],
      ["[]", "invalid_request"],
      ["null", "invalid_request"],
    ] as const) {
      const response = await server.fetch("/catalog/register", { method: "POST", body: text });
      await assertProblem(response, { status: 400, code });
    }
  });

  test("takes a body of 4 MiB and refuses one byte more, announced or not", async () => {
    const limit_bytes = 4 * 1024 * 1024;
    const send = (content: string | ReadableStream): Promise<Response> =>
      server.fetch("/catalog/register", { method: "POST", body: content });
    await okJson(await send(padded("full", limit_bytes)));
    const over = padded("over", limit_bytes + 1);
    const chunked = new Blob([over]).stream();
    for (const content of [over, chunked]) {
      await assertProblem(await send(content), { status: 413, code: "body_too_large" });
    }
    expect((await server.fetch("/catalog/manifest/over")).status).toBe(404);
  });
});

describe("GET /catalog/list and /catalog/manifest", () => {
  test("list every dataset by name, as the manifests themselves", async () => {
    for (const name of ["zz", "_1", "B", "b.rejects"]) await registered(body(name));
    const response = await server.fetch("/catalog/list");
    expect(response.headers.get("content-type")).toStartWith("application/json");
    const manifests = await listOf(response);
    const names = manifests.map(({ name }) => name);
    expect(names).toEqual([...names].sort());
    expect(names).toContain("b.rejects");
    for (const each of manifests) expect(each).toEqual(await manifest(each.name));
  });

  test("answer 404 for an unknown name and 400 for an impossible one", async () => {
    const unknown = await server.fetch("/catalog/manifest/unknown_one");
    await assertProblem(unknown, { status: 404, code: "dataset_not_found" });
    for (const name of ["%2e%2e%2fx", ".hidden", "a%20b", "x".repeat(129)]) {
      for (const method of ["GET", "DELETE"]) {
        const response = await server.fetch(`/catalog/manifest/${name}`, { method });
        await assertProblem(response, { status: 400, code: "invalid_name" });
      }
    }
  });
});

describe("DELETE /catalog/manifest", () => {
  test("removes the dataset, and says 404 the second time", async () => {
    await registered(body("gone"));
    expect(await okJson(await remove("gone"))).toEqual({ deleted: "gone" });
    await assertProblem(await remove("gone"), { status: 404, code: "dataset_not_found" });
    const answer = await registered(body("gone", { schema_fingerprint: "new" }));
    expect(answer).toMatchObject({ existing: false, manifest: { version: 1 } });
  });
});

describe("concurrent registers over HTTP", () => {
  test("of one name under two fingerprints let one win, with versions without a gap", async () => {
    const responses = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        register(body("race", { schema_fingerprint: `fp${i % 2}` })),
      ),
    );
    const won = responses.filter(({ status }) => status === 200);
    expect(won).toHaveLength(20);
    for (const response of responses.filter(({ status }) => status !== 200)) {
      await assertProblem(response, { status: 409, code: "schema_conflict" });
    }
    const manifests = (await Promise.all(won.map(committedOf))).map((each) => each.manifest);
    expect(new Set(manifests.map((each) => each.schema_fingerprint)).size).toBe(1);
    const versions = manifests.map(({ version }) => version);
    expect(versions.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });
});
