import { createServer, type Server, Socket } from "node:net";

/**
 * A TCP proxy in front of a real HTTP server that fails on command: the network faults a client
 * must survive, without a stand-in for the server itself. It looks at the first line of each
 * request and touches nothing else, so signatures stay valid.
 */
export interface Fault {
  /** Tested against the request line, for example `/^PUT .*manifest/`. */
  readonly match: RegExp;
  readonly kind: FaultKind;
  /** How many matching requests it hits; by default one. */
  readonly times?: number;
  /** Bytes, headers included, of the request or the answer that pass first; by default none. */
  readonly after_bytes?: number;
  /** What else happens in the world before the client sees the reset. */
  readonly meanwhile?: () => Promise<unknown>;
}

/**
 * - `lose_response`: the server handles the request, its answer is dropped, the connection reset.
 * - `reset_request`: reset while the request is on its way; the server never has all of it.
 * - `cut_response`: part of the answer passes, then the connection is reset.
 * - `stall_response`: part of the answer passes, then nothing, for ever.
 * - `stall_request`: the request stops on its way, for ever.
 * - `corrupt_request`: one bit of the byte at `after_bytes` is flipped.
 */
export type FaultKind =
  | "lose_response"
  | "reset_request"
  | "cut_response"
  | "stall_response"
  | "stall_request"
  | "corrupt_request";

interface ActiveFault {
  readonly fault: Fault;
  request_bytes: number;
  response_bytes: number;
}

const REQUEST_LINE = /^(?:GET|HEAD|PUT|POST|DELETE) \S+ HTTP\/1\.1\r\n/;

export class FlakyProxy implements AsyncDisposable {
  /** Request lines in the order they passed, without ` HTTP/1.1`. */
  readonly requests: string[] = [];
  readonly #target: URL;
  #endpoint = "";
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #faults: { readonly fault: Fault; left: number }[] = [];

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((client) => this.#connect(client));
  }

  static async start(target: string): Promise<FlakyProxy> {
    const proxy = new FlakyProxy(new URL(target));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    proxy.#server.once("error", reject).listen(0, "127.0.0.1", resolve);
    await promise;
    const address = proxy.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy has no port");
    proxy.#endpoint = `http://127.0.0.1:${address.port}`;
    return proxy;
  }

  /** Stays the same when the proxy is stopped, and nobody listens there. */
  get endpoint(): string {
    return this.#endpoint;
  }

  inject(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 });
  }

  /** How many requests passed whose line matches. */
  count(match: RegExp): number {
    return this.requests.filter((line) => match.test(line)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }

  #connect(client: Socket): void {
    const server = new Socket().connect(Number(this.#target.port), this.#target.hostname);
    let active: ActiveFault | undefined;
    let struck = false;
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    const reset = (): void => {
      struck = true;
      server.destroy();
      const meanwhile = active?.fault.meanwhile?.() ?? Promise.resolve();
      void meanwhile.finally(() => client.resetAndDestroy());
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        if (!struck) end();
      });
    }

    client.on("data", (chunk: Buffer) => {
      const line = REQUEST_LINE.exec(chunk.toString("latin1", 0, 8192))?.[0];
      if (line !== undefined) {
        this.requests.push(line.slice(0, -" HTTP/1.1\r\n".length));
        active = this.#take(line);
      }
      const verdict = active === undefined ? { bytes: chunk } : onRequest(active, chunk);
      deliver(client, server, verdict, reset);
    });
    server.on("data", (chunk: Buffer) => {
      const verdict = active === undefined ? { bytes: chunk } : onResponse(active, chunk);
      deliver(server, client, verdict, reset);
    });
  }

  #take(line: string): ActiveFault | undefined {
    const found = this.#faults.find(({ fault, left }) => left > 0 && fault.match.test(line));
    if (found === undefined) return undefined;
    found.left -= 1;
    return { fault: found.fault, request_bytes: 0, response_bytes: 0 };
  }
}

/** What becomes of one chunk: these of its bytes go on, and after them perhaps a reset. */
interface Verdict {
  readonly bytes: Buffer;
  readonly reset?: boolean;
}

function onRequest(active: ActiveFault, chunk: Buffer): Verdict {
  const { kind, after_bytes = 0 } = active.fault;
  const before_bytes = active.request_bytes;
  active.request_bytes += chunk.length;
  const struck = active.request_bytes > after_bytes;
  const rest = chunk.subarray(0, Math.max(0, after_bytes - before_bytes));
  if (kind === "reset_request" && struck) return { bytes: rest, reset: true };
  if (kind === "stall_request" && struck) return { bytes: rest };
  if (kind === "corrupt_request" && struck && before_bytes <= after_bytes) {
    const corrupt = Buffer.from(chunk);
    const at = after_bytes - before_bytes;
    corrupt.writeUInt8(corrupt.readUInt8(at) ^ 1, at);
    return { bytes: corrupt };
  }
  return { bytes: chunk };
}

function onResponse(active: ActiveFault, chunk: Buffer): Verdict {
  const { kind, after_bytes = 0 } = active.fault;
  // An interim answer only asks for the body (RFC 9110 §15.2.1).
  if (chunk.subarray(0, 12).toString("latin1") === "HTTP/1.1 100") return { bytes: chunk };
  const before_bytes = active.response_bytes;
  active.response_bytes += chunk.length;
  if (kind === "lose_response") return { bytes: chunk.subarray(0, 0), reset: true };
  if (active.response_bytes <= after_bytes) return { bytes: chunk };
  const rest = chunk.subarray(0, Math.max(0, after_bytes - before_bytes));
  if (kind === "cut_response") return { bytes: rest, reset: true };
  if (kind === "stall_response") return { bytes: rest };
  return { bytes: chunk };
}

/** Writes with backpressure, so that the proxy holds no more than a chunk or two. */
function deliver(from: Socket, to: Socket, verdict: Verdict, reset: () => void): void {
  if (verdict.reset === true) {
    if (verdict.bytes.length === 0) reset();
    else to.write(verdict.bytes, reset);
    return;
  }
  if (verdict.bytes.length > 0 && !to.write(verdict.bytes)) {
    from.pause();
    to.once("drain", () => from.resume());
  }
}
