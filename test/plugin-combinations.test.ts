import { describe, expect, test } from "bun:test";
import { builtIns } from "../core/plugins.ts";
import {
  ALL_PLUGINS,
  assertProblem,
  okJson,
  onS3,
  startServer,
  type TestServer,
} from "./support/server.ts";

/** Any plugin off, the rest still works; what needs it is refused at start with what to do. */

const CSV = "id,name\n1,one\n2,two\n";
const backend = onS3 ? "storage-s3" : "storage-fs";

const routes: Readonly<Record<string, readonly [method: string, path: string]>> = {
  catalog: ["GET", "/catalog/list"],
  "ingest-csv": ["POST", "/v1/ingest?name=x"],
  query: ["POST", "/sql"],
  vector: ["GET", "/vectors/index"],
};

async function serverWith(...names: readonly string[]): Promise<TestServer> {
  const wanted = Object.entries(ALL_PLUGINS).filter(([name]) => names.includes(name));
  return startServer({ plugins: Object.fromEntries(wanted) });
}

const ingest = (server: TestServer): Promise<Response> =>
  server.fetch("/ingest?name=numbers", {
    method: "POST",
    headers: { "content-type": "text/csv" },
    body: CSV,
  });

async function assertAbsent(server: TestServer, plugin: string): Promise<void> {
  const [method, path] = routes[plugin] ?? ["GET", "/"];
  const problem = await assertProblem(await server.fetch(path, { method }), {
    status: 404,
    code: "plugin_disabled",
  });
  expect(problem["plugins"]).toEqual([plugin]);
}

async function assertVectors(server: TestServer): Promise<void> {
  expect((await server.post("/vectors/index", { name: "v", dimension: 2 })).status).toBe(201);
  await okJson(await server.post("/vectors/index/v/add", { items: [{ id: "a", vector: [1, 0] }] }));
  const { results } = await okJson(
    await server.post("/vectors/index/v/search", { vector: [1, 0], k: 1 }),
  );
  expect(results).toMatchObject([{ id: "a" }]);
}

describe("a server", () => {
  test("without vector ingests and answers SQL", async () => {
    await using server = await serverWith("storage", "catalog", "ingest-csv", "query");
    await okJson(await ingest(server));
    const { rows } = await okJson(
      await server.post("/sql", { sql: "SELECT name FROM numbers ORDER BY id" }),
    );
    expect(rows).toEqual([["one"], ["two"]]);
    await assertAbsent(server, "vector");
  });

  test("without query ingests, catalogues and searches vectors", async () => {
    await using server = await serverWith("storage", "catalog", "ingest-csv", "vector");
    await okJson(await ingest(server));
    expect(await okJson(await server.fetch("/catalog/list"))).toMatchObject({ count: 1 });
    await assertVectors(server);
    await assertAbsent(server, "query");
  });

  test("without ingest-csv answers SQL over what is registered", async () => {
    await using server = await serverWith("storage", "catalog", "query", "vector");
    expect(
      await okJson(await server.post("/sql", { sql: "SELECT 40 + 2 AS answer" })),
    ).toMatchObject({ rows: [[42]] });
    await assertVectors(server);
    await assertAbsent(server, "ingest-csv");
  });

  test("without catalog, and what needs it, stores objects and searches vectors", async () => {
    await using server = await serverWith("storage", "vector");
    expect((await server.fetch("/storage/put/a/b", { method: "PUT", body: "bytes" })).status).toBe(
      200,
    );
    expect(await (await server.fetch("/v1/storage/get/a/b")).text()).toBe("bytes");
    await assertVectors(server);
    for (const plugin of ["catalog", "ingest-csv", "query"]) await assertAbsent(server, plugin);
  });

  test("with storage alone serves objects", async () => {
    await using server = await serverWith("storage");
    expect(await okJson(await server.fetch("/health"))).toMatchObject({
      status: "ok",
      plugins: [backend],
    });
    expect(await okJson(await server.fetch("/storage/list"))).toEqual({ prefix: "", objects: [] });
  });

  test("with no plugin at all is healthy and names the plugins that are missing", async () => {
    await using server = await serverWith();
    expect(await okJson(await server.fetch("/health"))).toMatchObject({
      status: "ok",
      plugins: [],
    });
    const problem = await assertProblem(await server.fetch("/storage/list"), {
      status: 404,
      code: "plugin_disabled",
    });
    expect(problem["plugins"]).toEqual(["storage-fs", "storage-s3"]);
  });

  test("without storage says at start what its plugins lack, all at once", async () => {
    const failure = await serverWith("catalog", "ingest-csv", "query", "vector").then(
      () => "it started",
      (error: unknown) => String(error),
    );
    for (const plugin of ["catalog", "ingest-csv", "query", "vector"]) {
      expect(failure).toContain(`${plugin} needs storage, which no enabled plugin provides.`);
    }
    expect(failure).toContain("Enable [plugins.storage-fs] or [plugins.storage-s3].");
  });
});

describe("the table of built-in plugins", () => {
  for (const [name, builtIn] of Object.entries(builtIns)) {
    test(`says of ${name} what its definition says`, async () => {
      const plugin = await builtIn.load();
      expect(plugin.name).toBe(name);
      expect(Object.values(plugin.provides).map((token) => token.name)).toEqual([
        ...builtIn.provides,
      ]);
      expect(plugin.config.additionalProperties).toBe(false);
    });
  }
});
