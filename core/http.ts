import { type AnyElysia, Elysia } from "elysia";
import type { Clock } from "./clock.ts";
import { LakehouseError, toProblem } from "./error.ts";
import { createGate, type GateOptions } from "./gate.ts";
import type { Logger } from "./log.ts";
import { requestIdOf } from "./request-id.ts";
import { createRouteOwner } from "./route-owner.ts";

/** Where the server is in its life; only `ready` serves. */
export type Phase = "starting" | "ready" | "stopping";

export interface HttpOptions {
  readonly version: string;
  /** Names of the enabled plugins. */
  readonly plugins: readonly string[];
  readonly routes: readonly AnyElysia[];
  readonly phase: () => Phase;
  readonly gate: GateOptions;
  readonly log: Logger;
  readonly clock: Clock;
}

export interface HttpApp {
  fetch(request: Request): Promise<Response>;
  /** Gives handlers the server, for `server.timeout`. */
  attach(server: Bun.Server<undefined>): void;
}

/**
 * The one Elysia app behind a door of our own: request id, phase, Host, Origin and token. The door
 * stands outside Elysia, whose body parsing and validation run before a route's own hooks, so that
 * a stranger would be parsed before being refused.
 */
export function createHttp(options: HttpOptions): HttpApp {
  const { log, clock } = options;
  const thrown = new WeakMap<Request, unknown>();
  const app = mountRoutes(options, thrown);
  const owner = createRouteOwner(app.routes, options.plugins);
  const gate = createGate(options.gate);

  async function answer(request: Request, url: URL): Promise<Response> {
    gate(request, url);
    if (isHealth(url.pathname)) return health(request, options);
    const phase = options.phase();
    if (phase !== "ready") {
      throw new LakehouseError("not_ready", `The server is ${phase}.`, {
        hint: "Try again in a moment.",
      });
    }
    if (!owner.methodsAt(url.pathname).includes(request.method)) {
      throw owner.missing(request.method, url.pathname);
    }
    const response = await app.fetch(request);
    // Elysia's own error answers would show an untagged message; ours are rendered in one place.
    if (thrown.has(request)) throw thrown.get(request);
    return response;
  }

  return {
    attach: (server) => {
      app.server = server;
    },
    async fetch(request) {
      const started_ms = clock.monotonic_ms();
      const request_id = requestIdOf(request);
      const url = new URL(request.url);
      let response: Response;
      try {
        response = await answer(request, url);
      } catch (error) {
        response = problemResponse(error, request_id, log, owner.methodsAt(url.pathname));
      }
      response.headers.set("x-request-id", request_id);
      const { method } = request;
      const duration_ms = Math.round((clock.monotonic_ms() - started_ms) * 1000) / 1000;
      log.debug(
        { request_id, method, path: url.pathname, status: response.status, duration_ms },
        "request",
      );
      return response;
    },
  };
}

const isHealth = (pathname: string): boolean => pathname === "/health" || pathname === "/v1/health";

function health(request: Request, { version, plugins, phase }: HttpOptions): Response {
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new LakehouseError("method_not_allowed", `${request.method} is not served here.`, {
      hint: "Use GET.",
    });
  }
  const now = phase();
  const body = { status: now === "ready" ? "ok" : now, service: "lakehouse", version, plugins };
  return Response.json(body, { status: now === "ready" ? 200 : 503 });
}

/** Mounts every plugin's routes at `/x` and `/v1/x`; what a handler throws is put into `thrown`. */
function mountRoutes({ routes }: HttpOptions, thrown: WeakMap<Request, unknown>): AnyElysia {
  refuseDoubleRoutes(routes);
  const root: AnyElysia = new Elysia({
    // Unknown body members are an error, not something to strip in silence.
    normalize: false,
    // With a Host of up to three characters the path would be cut in the wrong place otherwise.
    handler: { standardHostname: false },
  }).onError({ as: "global" }, ({ error, request }) => {
    thrown.set(request, error);
    return new Response(null, { status: 500 });
  });
  for (const each of routes) root.use(each);
  const versioned: AnyElysia = new Elysia({ prefix: "/v1", normalize: false });
  for (const each of routes) versioned.use(each);
  root.use(versioned);
  return root.compile();
}

/** Elysia lets the last of two equal routes win in silence. */
function refuseDoubleRoutes(parts: readonly AnyElysia[]): void {
  const seen = new Set<string>();
  for (const { method, path } of parts.flatMap((part) => part.routes)) {
    const route = `${method} ${path}`;
    if (seen.has(route)) throw new LakehouseError("invalid_config", `Two plugins serve ${route}.`);
    seen.add(route);
  }
}

/** Renders what was thrown as `application/problem+json` (RFC 9457) and logs what is our fault. */
function problemResponse(
  error: unknown,
  request_id: string,
  log: Logger,
  allow: readonly string[],
): Response {
  const known = fromElysia(error);
  const problem = toProblem(known, request_id);
  if (problem.status >= 500) log.error({ err: known, request_id }, problem.title);
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (problem.status === 405) headers["allow"] = allow.length === 0 ? "GET" : allow.join(", ");
  if (problem.status === 401) headers["www-authenticate"] = 'Bearer realm="lakehouse"';
  const size_bytes = problem["size_bytes"];
  if (problem.status === 416 && typeof size_bytes === "number")
    headers["content-range"] = `bytes */${size_bytes}`;
  if (problem.status === 503) headers["retry-after"] = "1";
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}

/** Elysia's own refusals, without the input that its messages echo. */
function fromElysia(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error) || error instanceof LakehouseError)
    return error;
  switch (error.code) {
    case "VALIDATION": {
      const pointer = "valueError" in error ? pointerOf(error.valueError) : undefined;
      return new LakehouseError(
        "invalid_request",
        `${pointer ?? "A part of the request"} does not fit the route.`,
        {
          hint: "docs/http.md gives the parameters of every route.",
          ...(pointer === undefined ? {} : { extra: { pointer } }),
        },
      );
    }
    case "PARSE":
      return new LakehouseError("invalid_json", "The body could not be parsed.");
    default:
      return error;
  }
}

function pointerOf(valueError: unknown): string | undefined {
  if (typeof valueError !== "object" || valueError === null || !("path" in valueError))
    return undefined;
  return typeof valueError.path === "string" && valueError.path !== ""
    ? valueError.path
    : undefined;
}
