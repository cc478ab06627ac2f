import { LakehouseError } from "../error.ts";
import { isRecord } from "../json.ts";
import type { Arguments, Option } from "./command.ts";
import { UsageError } from "./command.ts";

export const DEFAULT_URL = "http://127.0.0.1:3110";

export const URL_OPTION: Option = {
  type: "string",
  value: "URL",
  description: `The server to speak to; else LAKEHOUSE_URL, else ${DEFAULT_URL}.`,
};

/** The server answered with a problem (RFC 9457), or did not answer. */
export class ServerError extends Error {
  readonly hint: string | undefined;
  /** The problem's `code`; undefined if the server did not answer with one. */
  readonly code: string | undefined;

  constructor(detail: string, options: { hint?: string; code?: string; cause?: unknown } = {}) {
    super(detail, { cause: options.cause });
    this.name = "ServerError";
    this.hint = options.hint;
    this.code = options.code;
  }
}

export interface ClientOptions {
  readonly url: string;
  /** Sent as a bearer token (RFC 6750). */
  readonly token?: string | undefined;
}

export interface ClientRequest {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | AsyncIterable<Uint8Array>;
  /** Gives the request up. */
  readonly signal?: AbortSignal;
}

/** Speaks HTTP to a server, and turns what goes wrong into one error with a hint. */
export class Client {
  readonly url: string;
  readonly #token: string | undefined;

  constructor({ url, token }: ClientOptions) {
    this.url = url.replace(/\/+$/, "");
    this.#token = token;
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  /** The answer if it is a 2xx. Throws `ServerError` otherwise. */
  async request(path: string, options: ClientRequest = {}): Promise<Response> {
    const response = await this.#send(path, options);
    if (response.ok) return response;
    throw await problemOf(response);
  }

  async json(path: string, options: ClientRequest = {}): Promise<Record<string, unknown>> {
    const response = await this.request(path, {
      ...options,
      headers: { accept: "application/json", ...options.headers },
    });
    const body = parseRecord(await textOf(response));
    if (body === undefined) {
      throw new ServerError(`${this.url} did not answer with a JSON object.`, {
        hint: "Is this address a lakehouse server?",
      });
    }
    return body;
  }

  /** `json` with a JSON body. */
  post(path: string, body: unknown): Promise<Record<string, unknown>> {
    return this.json(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  async #send(
    path: string,
    { method = "GET", headers, body, signal }: ClientRequest,
  ): Promise<Response> {
    try {
      return await fetch(`${this.url}${path}`, {
        method,
        headers: {
          ...headers,
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        },
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
        redirect: "error",
        // Converting a large file is silent for longer than the default of five minutes.
        timeout: false,
      });
    } catch (error) {
      throw new ServerError(`${this.url} cannot be reached: ${reasonOf(error)}.`, {
        hint: "Start a server with `lakehouse serve`, or name another with --url or LAKEHOUSE_URL.",
        cause: error,
      });
    }
  }
}

/** From `--url`, `LAKEHOUSE_URL` and `LAKEHOUSE_TOKEN`. */
export function clientOf(args: Arguments, env: NodeJS.ProcessEnv = process.env): Client {
  const url = args.text("url") ?? (env["LAKEHOUSE_URL"] || DEFAULT_URL);
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new UsageError(
      `${JSON.stringify(url)} is not an address of a server.`,
      `Write it like ${DEFAULT_URL}.`,
    );
  }
  return new Client({ url, token: env["LAKEHOUSE_TOKEN"] || undefined });
}

/**
 * The body as it arrives. The server resets the connection when it fails in mid-answer, so that a
 * part never passes for the whole: that is a `ServerError` here.
 */
export async function* bytesOf(response: Response): AsyncGenerator<Uint8Array> {
  try {
    yield* response.body ?? [];
  } catch (error) {
    throw new ServerError(`The answer broke off before its end: ${reasonOf(error)}.`, {
      hint: "What arrived is not the whole result. The server's log says why.",
      cause: error,
    });
  }
}

/** The whole body as text; for answers that are small. */
export async function textOf(response: Response): Promise<string> {
  return Buffer.concat(await Array.fromAsync(bytesOf(response))).toString("utf8");
}

async function problemOf(response: Response): Promise<ServerError> {
  const problem = parseRecord(await textOf(response));
  const { detail, title, hint, code, line, column } = problem ?? {};
  const what =
    typeof detail === "string" ? detail : typeof title === "string" ? title : response.statusText;
  const place =
    typeof line === "number" && !what.includes(`line ${line}`)
      ? ` (line ${line}${typeof column === "number" ? `, column ${column}` : ""})`
      : "";
  return new ServerError(
    problem === undefined ? `HTTP ${response.status}: ${what}` : what + place,
    {
      ...(typeof hint === "string" ? { hint } : {}),
      ...(typeof code === "string" ? { code } : {}),
    },
  );
}

function parseRecord(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  if (code === "ConnectionRefused" || code === "ECONNREFUSED") return "nothing listens there";
  return (code ?? error.message).replace(/\.$/, "");
}

/** What a command failed with, for people; undefined for anything unexpected. */
export function describeError(error: unknown): { detail: string; hint?: string } | undefined {
  if (error instanceof ServerError || error instanceof LakehouseError) {
    return { detail: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  }
  return undefined;
}
