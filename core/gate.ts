import { timingSafeEqual } from "node:crypto";
import { LakehouseError } from "./error.ts";

export interface GateOptions {
  /** Undefined: no token is asked for. */
  readonly token: string | undefined;
  /** On loopback only these Host names are answered, against DNS rebinding; undefined admits all. */
  readonly hosts: ReadonlySet<string> | undefined;
  /** Web origins that may call, beside the server's own. */
  readonly origins: ReadonlySet<string>;
}

/** Throws if the request must not be served. */
export type Gate = (request: Request, url: URL) => void;

/**
 * Keeps strangers out before anything of a request is parsed. Three kinds of stranger:
 * - a page of another site in the user's browser: it always sends `Origin` with a request that can
 *   change something, and a raw upload needs no preflight that could stop it (Fetch §2.2.2);
 * - a name that was made to point at loopback (DNS rebinding): it shows in `Host`;
 * - anyone without the bearer token, where one is set (RFC 6750 §2.1).
 */
export function createGate({ token, hosts, origins }: GateOptions): Gate {
  const expected = token === undefined ? undefined : digest(token);
  return (request, url) => {
    if (hosts !== undefined && !hosts.has(url.hostname.toLowerCase())) {
      throw new LakehouseError(
        "forbidden_origin",
        `This server does not answer to the host ${url.hostname}.`,
        {
          hint: "Call it as localhost, or add the name to allowed_hosts under [server].",
        },
      );
    }
    const origin = request.headers.get("origin");
    if (origin !== null && origin !== url.origin && !origins.has(origin)) {
      throw new LakehouseError(
        "forbidden_origin",
        "Pages of this origin may not call this server.",
        {
          hint: "Add the origin to allowed_origins under [server].",
        },
      );
    }
    if (expected !== undefined && !isHealth(url) && !holdsToken(request, expected)) {
      throw new LakehouseError("unauthorized", "The request carries no valid bearer token.", {
        hint: "Send `Authorization: Bearer <token>` with the token of [server].",
      });
    }
  };
}

/** Load balancers probe without credentials, and the answer names no data. */
const isHealth = (url: URL): boolean => url.pathname === "/health" || url.pathname === "/v1/health";

const digest = (text: string): Uint8Array => new Bun.CryptoHasher("sha256").update(text).digest();

/** Compares digests, so that the time taken tells nothing about the token or its length. */
function holdsToken(request: Request, expected: Uint8Array): boolean {
  const given = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  return given !== undefined && timingSafeEqual(digest(given), expected);
}
