import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "bun:test";
import type { ErrorCode } from "../../core/error.ts";
import { isRecord } from "../../core/json.ts";
import { createBucket } from "./s3-bucket.ts";

/**
 * The real server as a real process, for acceptance tests: from source, or the compiled binary
 * when `LAKEHOUSE_TEST_BINARY` names it; on a folder, or on a bucket of the S3 test server when
 * `LAKEHOUSE_TEST_STORAGE=s3`. The same tests run in all four ways.
 */
export interface TestServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`; changes with `restart`. */
  readonly url: string;
  readonly pid: number;
  readonly config_path: string;
  /** The folder of the data when it is on local disk. */
  readonly data_path: string | undefined;
  /** Standard error so far, line by line: the server's log. */
  readonly log: readonly string[];
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** `fetch` with a JSON body. */
  post(path: string, body: unknown): Promise<Response>;
  /** SIGTERM; returns the exit code. */
  stop(): Promise<number>;
  /** SIGKILL, as a power cut would. */
  kill(): Promise<void>;
  /** Starts again on the same configuration and data; call after `stop` or `kill`. */
  restart(): Promise<void>;
}

type TomlValue = string | number | boolean | readonly string[];
type Table = Readonly<Record<string, TomlValue>>;

export interface ServerOptions {
  /** Tables of `[plugins.<name>]`; by default all of them. The storage plugin's own is filled in. */
  readonly plugins?: Readonly<Record<string, Table>>;
  readonly server?: Table;
  readonly limits?: Readonly<Record<string, number>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** `storage` stands for the backend under test. */
export const ALL_PLUGINS: Readonly<Record<string, Table>> = {
  storage: {},
  catalog: {},
  "ingest-csv": {},
  query: {},
  vector: {},
};

const START_TIMEOUT_MS = 55_000;

/** The command that runs the program under test. */
export function programCommand(): readonly string[] {
  const binary = process.env["LAKEHOUSE_TEST_BINARY"];
  if (binary !== undefined && binary !== "") return [resolve(binary)];
  return [process.execPath, join(import.meta.dir, "../../core/main.ts")];
}

export const onS3 = process.env["LAKEHOUSE_TEST_STORAGE"] === "s3";

/** Starts a server of its own for one test; `await using` stops it and removes its data. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), "lakehouse-test-"));
  const storage = onS3 ? await s3Table() : { root: join(folder, "data") };
  const config_path = join(folder, "lakehouse.toml");
  const plugins = Object.entries(options.plugins ?? ALL_PLUGINS).map(([name, table]) =>
    name === "storage"
      ? toml(`plugins.${onS3 ? "storage-s3" : "storage-fs"}`, { ...storage, ...table })
      : toml(`plugins.${name}`, table),
  );
  const server = { bind: "127.0.0.1:0", scratch_path: join(folder, "scratch"), ...options.server };
  await writeFile(
    config_path,
    [
      toml("server", server),
      toml("log", { level: "debug" }),
      toml("limits", options.limits ?? {}),
      ...plugins,
    ].join("\n"),
  );
  const handle = new ServerProcess(
    folder,
    config_path,
    options.env ?? {},
    onS3 ? undefined : join(folder, "data"),
  );
  try {
    await handle.restart();
  } catch (error) {
    await handle[Symbol.asyncDispose]();
    throw error;
  }
  return handle;
}

async function s3Table(): Promise<Table> {
  const { endpoint, region, access_key_id, secret_access_key, bucket } = await createBucket();
  return { bucket, endpoint, region, force_path_style: true, access_key_id, secret_access_key };
}

function toml(name: string, table: Table): string {
  const lines = Object.entries(table).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return `[${name}]\n${lines.join("\n")}\n`;
}

class ServerProcess implements TestServer {
  readonly config_path: string;
  readonly data_path: string | undefined;
  readonly log: string[] = [];
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  #process: Bun.Subprocess<"ignore", "ignore", "pipe"> | undefined;
  #url = "";

  constructor(
    folder: string,
    config_path: string,
    env: Readonly<Record<string, string>>,
    data_path: string | undefined,
  ) {
    this.#folder = folder;
    this.#env = env;
    this.config_path = config_path;
    this.data_path = data_path;
  }

  get url(): string {
    return this.#url;
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error("the server is not running");
    return this.#process.pid;
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.#url}${path}`, init);
  }

  post(path: string, body: unknown): Promise<Response> {
    return this.fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  async restart(): Promise<void> {
    if (this.#process !== undefined) throw new Error("the server is still running");
    const child = Bun.spawn([...programCommand(), "serve", "--config", this.config_path], {
      cwd: this.#folder,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: process.env["HOME"] ?? this.#folder,
        TMPDIR: tmpdir(),
        ...this.#env,
      },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    this.#process = child;
    const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
    void this.#failWhenEnded(child, resolve, reject);
    const timer = setTimeout(
      () => reject(new Error(`${didNotStart(child.pid)}\n${this.log.join("\n")}`)),
      START_TIMEOUT_MS,
    );
    try {
      this.#url = await listening;
    } finally {
      clearTimeout(timer);
    }
  }

  /** After the server is ready its end rejects nothing: the promise is settled by then. */
  async #failWhenEnded(
    child: Bun.Subprocess<"ignore", "ignore", "pipe">,
    onListening: (url: string) => void,
    reject: (error: Error) => void,
  ): Promise<void> {
    await this.#follow(child.stderr, onListening);
    const code = await child.exited;
    reject(new Error(`the server ended with code ${code}:\n${this.log.slice(-20).join("\n")}`));
  }

  async #follow(
    stderr: ReadableStream<Uint8Array>,
    onListening: (url: string) => void,
  ): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stderr) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        this.log.push(line);
        const url = listeningUrl(line);
        if (url !== undefined) onListening(url);
      }
    }
    if (rest !== "") this.log.push(rest);
  }

  async stop(): Promise<number> {
    return this.#end("SIGTERM");
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<number> {
    const child = this.#process;
    if (child === undefined) return 0;
    child.kill(signal);
    const code = await child.exited;
    this.#process = undefined;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Whether it waited for something or for the processor, where /proc tells (proc_pid_stat(5)). */
function didNotStart(pid: number): string {
  const words = `the server did not start within ${START_TIMEOUT_MS} ms`;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return `${words}; it is in state ${fields[0]} and used the processor for ${ticks} ticks:`;
  } catch {
    return `${words}:`;
  }
}

/** The address from the log line that says the server is ready. */
function listeningUrl(line: string): string | undefined {
  if (!line.includes('"listening"')) return undefined;
  const entry: unknown = JSON.parse(line);
  return isRecord(entry) && typeof entry["url"] === "string" ? entry["url"] : undefined;
}

/** Asserts the one canonical error answer (RFC 9457) and returns its body. */
export async function assertProblem(
  response: Response,
  expected: { readonly status: number; readonly code: ErrorCode },
): Promise<Record<string, unknown>> {
  const text = await response.text();
  expect(`${response.status} ${text}`).toStartWith(`${expected.status} `);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const body: unknown = JSON.parse(text);
  if (!isRecord(body)) throw new Error(`not a problem: ${text}`);
  expect(body).toMatchObject({
    status: expected.status,
    code: expected.code,
    type: `urn:lakehouse:error:${expected.code}`,
  });
  expect(body["title"]).toBeString();
  expect(body["detail"]).toBeString();
  expect(body["request_id"]).toBe(response.headers.get("x-request-id"));
  expect(text).not.toContain(" at /");
  return body;
}

/** The body of a 2xx answer, as JSON of unknown shape; shows the problem otherwise. */
export async function okJson(response: Response): Promise<Record<string, unknown>> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  const body: unknown = JSON.parse(text);
  if (!isRecord(body)) throw new Error(`not an object: ${text}`);
  return body;
}
