import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type AnyElysia, Elysia, t } from "elysia";
import { type Config, serverSchema } from "../core/config.ts";
import { LakehouseError } from "../core/error.ts";
import { type Host, startHost } from "../core/host.ts";
import { limitsSchema } from "../core/limits.ts";
import type { Plugin } from "../core/plugin.ts";
import { assertProblem } from "./support/server.ts";
import { silentLog } from "./support/silent-log.ts";

interface Part {
  readonly name?: string;
  readonly routes?: AnyElysia;
  readonly ready?: () => Promise<void>;
  readonly stop?: () => Promise<void>;
}

const part = ({ name = "part", ...running }: Part): Plugin => ({
  name,
  summary: "",
  config: Type.Object({}),
  needs: {},
  provides: {},
  setup: () => ({ services: {}, ...running }),
});

const scratch = await mkdtemp(join(tmpdir(), "lakehouse-host-"));
const running: Host[] = [];
afterEach(async () => {
  for (const host of running.splice(0)) await host.stop();
  await rm(scratch, { recursive: true, force: true });
});

const defaults = <Schema extends TObject>(schema: Schema, given: object): Static<Schema> =>
  Value.Parse(schema, given);

function configOf(parts: readonly Part[], server: object = {}, limits: object = {}): Config {
  return {
    path: undefined,
    server: defaults(serverSchema, { bind: "127.0.0.1:0", scratch_path: scratch, ...server }),
    log: { level: "silent" },
    limits: defaults(limitsSchema, limits),
    plugins: parts.map((each) => ({ plugin: part(each), config: {} })),
  };
}

const noWorkers = {
  pool: () => {
    throw new Error("these plugins have no workers");
  },
  stop: async () => {},
};

async function start(
  parts: readonly Part[],
  server: object = {},
  limits: object = {},
): Promise<Host> {
  const host = await startHost(configOf(parts, server, limits), {
    log: silentLog,
    workers: noWorkers,
  });
  running.push(host);
  return host;
}

const hello = new Elysia().get("/hello", () => ({ hello: "world" }));

describe("the life of a host", () => {
  test("readies plugins in order and stops them in reverse", async () => {
    const events: string[] = [];
    const traced = (name: string): Part => ({
      name,
      ready: async () => void events.push(`ready ${name}`),
      stop: async () => void events.push(`stop ${name}`),
    });
    const host = await start([traced("a"), traced("b")]);
    await host.stop();
    expect(events).toEqual(["ready a", "ready b", "stop b", "stop a"]);
    expect(await readdir(scratch)).toEqual([]);
  });

  test("stops what had started when a plugin cannot get ready, and frees the port", async () => {
    const events: string[] = [];
    const failure = new LakehouseError("storage_failed", "no bucket");
    const start_failing = start([
      { name: "a", stop: async () => void events.push("stop a") },
      {
        name: "b",
        ready: async () => {
          throw failure;
        },
        stop: async () => void events.push("stop b"),
      },
      { name: "c", ready: async () => void events.push("ready c") },
    ]);
    expect(await start_failing.catch((error: unknown) => error)).toBe(failure);
    expect(events).toEqual(["stop b", "stop a"]);
    expect(await readdir(scratch)).toEqual([]);
  });

  test("cannot take a port that is in use, and says what to do", async () => {
    const { url } = await start([]);
    const bind = url.replace("http://", "");
    expect(start([], { bind })).rejects.toMatchObject({
      code: "invalid_config",
      message: expect.stringContaining(`Cannot listen on ${bind}`),
      hint: expect.stringContaining("LAKEHOUSE_SERVER_BIND"),
    });
  });

  test("answers 503 while it starts, to health as to all else", async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { url, starting } = await startHeld(hello, gate);
    let response = await fetch(`${url}/health`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      status: "starting",
      service: "lakehouse",
      plugins: ["part"],
    });
    await assertProblem(await fetch(`${url}/hello`), { status: 503, code: "not_ready" });
    open();
    await starting;
    response = await fetch(`${url}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: "ok",
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
  });

  test("lets a request under way finish before its plugin stops", async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
    const events: string[] = [];
    const routes = new Elysia().get("/slow", async () => {
      enter();
      await gate;
      events.push("answered");
      return { done: true };
    });
    const host = await start([{ routes, stop: async () => void events.push("stopped") }]);
    const answer = fetch(`${host.url}/slow`);
    await entered;
    const stopping = host.stop();
    open();
    expect(await (await answer).json()).toEqual({ done: true });
    await stopping;
    expect(events).toEqual(["answered", "stopped"]);
  });

  test("cuts off what is still open at the shutdown deadline", async () => {
    const routes = new Elysia().get(
      "/endless",
      () => new Response(endless(), { headers: { "content-type": "text/plain" } }),
    );
    const host = await start([{ routes }], {}, { shutdown_timeout_ms: 50 });
    const response = await fetch(`${host.url}/endless`);
    await response.body?.getReader().read();
    await host.stop();
    expect(fetch(`${host.url}/health`)).rejects.toThrow();
  });
});

async function* endless(): AsyncGenerator<string> {
  yield "first\n";
  await Promise.withResolvers<void>().promise;
}

/** A host that listens, at an address known before it says so, and is ready only after `gate`. */
async function startHeld(routes: AnyElysia, gate: Promise<void>) {
  for (;;) {
    // Below the ports that systems give to connections; one that is taken is passed over.
    const bind = `127.0.0.1:${10_000 + Math.floor(Math.random() * 20_000)}`;
    const { promise: bound, resolve } = Promise.withResolvers<boolean>();
    const ready = (): Promise<void> => {
      resolve(true);
      return gate;
    };
    const starting = start([{ routes, ready }], { bind });
    starting.catch(() => resolve(false));
    if (await bound) return { url: `http://${bind}`, starting };
  }
}

describe("a route", () => {
  test("is reached at /x and at /v1/x", async () => {
    const { url } = await start([{ routes: hello }]);
    for (const path of ["/hello", "/v1/hello"]) {
      expect(await (await fetch(url + path)).json()).toEqual({ hello: "world" });
    }
    expect((await fetch(`${url}/v1/health`)).status).toBe(200);
  });

  test("answers another method with 405 and what is allowed", async () => {
    const { url } = await start([{ routes: hello }]);
    const response = await fetch(`${url}/v1/hello`, { method: "DELETE" });
    expect(response.headers.get("allow")).toBe("GET");
    await assertProblem(response, { status: 405, code: "method_not_allowed" });
  });

  test("that does not exist is a 404, and one of an absent plugin names it", async () => {
    const { url } = await start([{ routes: hello }]);
    await assertProblem(await fetch(`${url}/nothing`), { status: 404, code: "route_not_found" });
    const problem = await assertProblem(await fetch(`${url}/v1/sql`, { method: "POST" }), {
      status: 404,
      code: "plugin_disabled",
    });
    expect(problem).toMatchObject({
      plugins: ["query"],
      hint: "Add [plugins.query] to the configuration.",
    });
    const storage = await assertProblem(await fetch(`${url}/storage/list`), {
      status: 404,
      code: "plugin_disabled",
    });
    expect(storage["plugins"]).toEqual(["storage-fs", "storage-s3"]);
  });

  test("served by two plugins is refused at start", async () => {
    const again = new Elysia().get("/hello", () => "again");
    expect(
      start([
        { name: "a", routes: hello },
        { name: "b", routes: again },
      ]),
    ).rejects.toMatchObject({
      code: "invalid_config",
      message: "Two plugins serve GET /hello.",
    });
  });

  test("cannot be confused with another by a short Host header", async () => {
    const routes = new Elysia().get("/admin", () => "secret").get("/x/admin", () => "open");
    const { url } = await start([{ routes }], { allowed_hosts: ["a"] });
    expect(await rawGet(url, "/x/admin", "a")).toContain("open");
  });
});

describe("an error", () => {
  const routes = new Elysia()
    .get("/tagged", () => {
      throw new LakehouseError("limit_exceeded", "Too wide.", {
        hint: "Narrow it.",
        extra: { columns: 9 },
      });
    })
    .get("/untagged", () => {
      throw new TypeError("secret detail");
    })
    .get("/typed", ({ query }) => query.word, {
      query: t.Object({ word: t.String({ maxLength: 3 }) }),
    });

  test("that is tagged is rendered whole, with the request's id", async () => {
    const { url } = await start([{ routes }]);
    const response = await fetch(`${url}/tagged`, { headers: { "x-request-id": "my-id.1" } });
    expect(response.headers.get("x-request-id")).toBe("my-id.1");
    const problem = await assertProblem(response, { status: 422, code: "limit_exceeded" });
    expect(problem).toMatchObject({ detail: "Too wide.", hint: "Narrow it.", columns: 9 });
  });

  test("that is not tagged shows nothing of itself", async () => {
    const { url } = await start([{ routes }]);
    const problem = await assertProblem(await fetch(`${url}/v1/untagged`), {
      status: 500,
      code: "internal",
    });
    expect(JSON.stringify(problem)).not.toContain("secret");
  });

  test("of validation names the parameter and does not echo the value", async () => {
    const { url } = await start([{ routes }]);
    const problem = await assertProblem(await fetch(`${url}/typed?word=secret`), {
      status: 400,
      code: "invalid_request",
    });
    expect(problem["pointer"]).toBe("/word");
    expect(JSON.stringify(problem)).not.toContain("secret");
    expect((await fetch(`${url}/typed?word=yes`)).status).toBe(200);
  });
});

describe("strangers", () => {
  test("without the token get 401 everywhere but at health", async () => {
    const token = "0123456789abcdef";
    const { url } = await start([{ routes: hello }], { token });
    const response = await fetch(`${url}/hello`);
    expect(response.headers.get("www-authenticate")).toStartWith("Bearer");
    await assertProblem(response, { status: 401, code: "unauthorized" });
    const wrong = { authorization: `Bearer ${token}x` };
    await assertProblem(await fetch(`${url}/v1/nothing`, { headers: wrong }), {
      status: 401,
      code: "unauthorized",
    });
    expect(
      (await fetch(`${url}/hello`, { headers: { authorization: `bearer ${token}` } })).status,
    ).toBe(200);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  test("cannot come in through a page of another origin or a rebound name", async () => {
    const { url } = await start([{ routes: hello }], {
      allowed_origins: ["https://friend.example"],
    });
    const from = (origin: string): Promise<Response> =>
      fetch(`${url}/hello`, { headers: { origin } });
    await assertProblem(await from("https://evil.example"), {
      status: 403,
      code: "forbidden_origin",
    });
    await assertProblem(await from("null"), { status: 403, code: "forbidden_origin" });
    expect((await from("https://friend.example")).status).toBe(200);
    expect((await from(url)).status).toBe(200);
    expect(await rawGet(url, "/hello", "evil.example")).toStartWith("HTTP/1.1 403");
    expect(await rawGet(url, "/hello", "localhost")).toStartWith("HTTP/1.1 200");
  });

  test("are not served by accident: an open address needs a token or a plain yes", async () => {
    expect(start([], { bind: "0.0.0.0:0" })).rejects.toMatchObject({
      code: "invalid_config",
      hint: expect.stringContaining("LAKEHOUSE_SERVER_TOKEN"),
    });
    const open = await start([], { bind: "0.0.0.0:0", allow_anonymous: true });
    expect((await fetch(`${open.url}/health`)).status).toBe(200);
  });
});

/** A request with a Host of its own; `fetch` does not allow that. */
async function rawGet(url: string, path: string, host: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = createConnection({ host: hostname, port: Number(port) });
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString();
  });
  socket.on("end", () => resolve(text));
  socket.on("error", reject);
  socket.end(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  return promise;
}
