import type { ServerConfig } from "./config.ts";
import { LakehouseError } from "./error.ts";
import type { GateOptions } from "./gate.ts";
import type { Logger } from "./log.ts";

/** Where to listen. */
export interface Bind {
  readonly hostname: string;
  readonly port: number;
  readonly loopback: boolean;
}

/** `host:port` or `[v6]:port`; refuses an address that strangers reach without a token. */
export function parseBind({ bind, token, allow_anonymous }: ServerConfig): Bind {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(bind);
  const hostname = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (hostname === undefined || port > 65_535) {
    throw new LakehouseError(
      "invalid_config",
      `bind is ${JSON.stringify(bind)}, which is not an address and port.`,
      {
        hint: "Write it as 127.0.0.1:3110 or [::1]:3110.",
      },
    );
  }
  const loopback = hostname === "localhost" || hostname === "::1" || hostname.startsWith("127.");
  if (!loopback && token === undefined && !allow_anonymous) {
    throw new LakehouseError(
      "invalid_config",
      `${bind} can be reached by others, and no token is set.`,
      {
        hint: "Set token under [server] (LAKEHOUSE_SERVER_TOKEN), bind to 127.0.0.1, or set allow_anonymous = true.",
      },
    );
  }
  return { hostname, port, loopback };
}

/** Who may call: see `createGate`. */
export function gateOptions(server: ServerConfig, { hostname, loopback }: Bind): GateOptions {
  const names = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    hostname,
    `[${hostname}]`,
    ...server.allowed_hosts,
  ];
  return {
    token: server.token,
    hosts: loopback ? new Set(names.map((name) => name.toLowerCase())) : undefined,
    origins: new Set(server.allowed_origins),
  };
}

/** Binds at once; throws `invalid_config` with what to do when the address is not to be had. */
export function listen(
  { hostname, port }: Bind,
  fetch: (request: Request) => Promise<Response>,
): Bun.Server<undefined> {
  try {
    return Bun.serve({
      hostname,
      port,
      fetch,
      // Bodies are counted by the routes: Bun's own 413 has no problem body.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      // The default cuts off a handler that is silent for 12 s, and 4 or less kills transfers.
      idleTimeout: 30,
      development: false,
      // Implied by `development: false` on Linux: a second server would share the port in silence.
      reusePort: false,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LakehouseError("invalid_config", `Cannot listen on ${hostname}:${port}: ${reason}`, {
      hint: "Another program may hold the port: choose one with bind under [server] or LAKEHOUSE_SERVER_BIND.",
      cause: error,
    });
  }
}

/** With the real port, also when a free one was asked for. */
export function urlOf({ hostname }: Bind, server: Bun.Server<undefined>): string {
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${server.port}`;
}

/** Waits for requests under way; open streams are cut off at the deadline. */
export async function drain(
  server: Bun.Server<undefined>,
  timeout_ms: number,
  log: Logger,
): Promise<void> {
  const graceful = server.stop();
  if (await settles(graceful, timeout_ms)) return;
  log.warn({ pending: server.pendingRequests }, "requests were cut off at the shutdown deadline");
  await settles(server.stop(true), 1000);
}

/** True if the promise settled in time. */
export async function settles(work: Promise<void>, timeout_ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), timeout_ms);
  void work.finally(() => resolve(true));
  const done = await promise;
  clearTimeout(timer);
  if (done) await work;
  return done;
}
