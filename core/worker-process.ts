import { cacheDirs } from "./cache-dir.ts";
import { errorFromJson, LakehouseError } from "./error.ts";
import { isRecord, type Json } from "./json.ts";
import type { Logger } from "./log.ts";
import { abortedError, startDeadline, WorkerCall } from "./worker-call.ts";
import {
  decodeJson,
  encodeFrame,
  encodeJson,
  type Frame,
  FrameDecoder,
  FrameError,
} from "./worker-frames.ts";
import { forwardStderr } from "./worker-stderr.ts";
import type { CallOptions } from "./workers.ts";

export interface StartOptions {
  readonly role: string;
  readonly argv: readonly string[];
  readonly init: Json;
  readonly memory_limit_bytes: number;
  readonly start_timeout_ms: number;
  readonly log: Logger;
}

/** What is used of a stream's reader; its type differs between Bun's and Node's declarations. */
interface ChunkReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** The parent's side of one worker process. */
export class WorkerProcess {
  /** Resolves with the safeguards the platform lacks; rejects if the role did not start. */
  readonly ready: Promise<readonly string[]>;
  /** Resolves when the worker is of no more use, killed or dead, with the reason. */
  readonly ended: Promise<LakehouseError>;
  /** Resolves when the process is gone and reaped. */
  readonly exited: Promise<void>;
  readonly pid: number;
  readonly #options: StartOptions;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #reader: ChunkReader;
  readonly #decoder = new FrameDecoder();
  readonly #end: PromiseWithResolvers<LakehouseError> = Promise.withResolvers();
  #frames: Frame[] = [];
  /** Why we killed it; a process that ends by itself is read to its last byte instead. */
  #killed: LakehouseError | undefined;
  #call: WorkerCall | undefined;
  #used = false;

  /** Throws if the program cannot be run at all. The environment is empty: `init` says it all. */
  constructor(options: StartOptions) {
    this.#options = options;
    this.#process = Bun.spawn({
      cmd: [...options.argv],
      env: {},
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.pid = this.#process.pid;
    this.#reader = this.#process.stdout.getReader();
    this.ended = this.#end.promise;
    const bindings = { role: options.role, worker_pid: this.pid };
    const stderr_read = forwardStderr(this.#process.stderr, options.log, bindings);
    this.exited = this.#exit(stderr_read);
    this.ready = this.#start();
    this.ready.catch(() => {
      // `ended` has the reason too.
    });
  }

  get alive(): boolean {
    return (
      this.#killed === undefined &&
      this.#process.exitCode === null &&
      this.#process.signalCode === null
    );
  }

  /** True if it ended without our doing. */
  get crashed(): boolean {
    return this.#killed === undefined && !this.alive;
  }

  /** True once it was given a call. */
  get used(): boolean {
    return this.#used;
  }

  /** Hands over a request (an encoded `call` frame) and starts its clock. */
  begin(call_frame: Uint8Array, options: CallOptions): WorkerCall {
    const call = new WorkerCall(this, options.onProgress);
    this.#call = call;
    this.#used = true;
    const deadline = startDeadline(options.deadline_ms, (reason) => this.kill(reason));
    const abort = (): void => this.kill(abortedError());
    options.signal?.addEventListener("abort", abort, { once: true });
    const end = (): void => {
      clearTimeout(deadline);
      options.signal?.removeEventListener("abort", abort);
      this.#call = undefined;
    };
    call.result.then(end, end);
    if (options.signal?.aborted === true) abort();
    this.#send(call_frame);
    return call;
  }

  /** SIGKILL: the only signal that no engine can ignore. The call under way fails with `reason`. */
  kill(reason: LakehouseError): void {
    if (this.#killed !== undefined) return;
    this.#killed = reason;
    this.#process.kill("SIGKILL");
    this.#call?.fail(reason);
    this.#end.resolve(reason);
    // Wakes a read that is under way; the pipe may stay open a while longer than our patience.
    this.#reader.cancel().catch(() => {});
  }

  /** The worker's next frame, read from the pipe only now. Throws once there will be none. */
  async nextFrame(): Promise<Frame> {
    for (;;) {
      if (this.#killed !== undefined) throw this.#killed;
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      const { done, value } = await this.#reader.read();
      if (done || value === undefined) throw await this.#endOfOutput();
      try {
        this.#frames = this.#decoder.push(value);
      } catch (error) {
        throw this.violation(error instanceof FrameError ? error.message : "its output is garbled");
      }
    }
  }

  /** Kills a worker that broke the protocol; returns the error its call fails with. */
  violation(what: string): LakehouseError {
    const error = new LakehouseError(
      "worker_died",
      `The ${this.#options.role} worker was stopped because ${what}.`,
      { hint: "This is a bug in the worker or damage to its memory; the log may say more." },
    );
    this.#options.log.error({ role: this.#options.role, worker_pid: this.pid }, error.message);
    this.kill(error);
    return error;
  }

  /** What an `error` frame says. Untagged errors are logged whole here and become `internal`. */
  errorOf(frame: Frame): LakehouseError {
    const payload = decodeJson(frame.payload);
    const { tagged, cause } = isRecord(payload) ? payload : {};
    const error =
      errorFromJson(tagged) ??
      new LakehouseError("internal", `The ${this.#options.role} worker failed to do this.`, {
        hint: "The log has the whole error.",
        cause,
      });
    if (cause !== undefined && error.status >= 500) {
      const { role } = this.#options;
      this.#options.log.error({ role, worker_pid: this.pid, cause }, "a worker's handler failed");
    }
    return error;
  }

  async #exit(stderr_read: Promise<void>): Promise<void> {
    await this.#process.exited;
    this.#end.resolve(this.#death());
    await stderr_read;
  }

  async #start(): Promise<readonly string[]> {
    const { role, init, memory_limit_bytes, start_timeout_ms } = this.#options;
    const timer = setTimeout(() => {
      this.kill(startError(role, `was not ready within ${start_timeout_ms} ms`));
    }, start_timeout_ms);
    try {
      const parent_pid = process.pid;
      const start = { init, memory_limit_bytes, parent_pid, cache_dirs: cacheDirs() };
      this.#send(encodeFrame("init", encodeJson(start)));
      const frame = await this.nextFrame();
      if (frame.type === "error") throw this.errorOf(frame);
      if (frame.type !== "ready") throw this.violation(`it sent a ${frame.type} frame at start`);
      const payload = decodeJson(frame.payload);
      const missing = isRecord(payload) ? payload["missing"] : undefined;
      return Array.isArray(missing) ? missing.map(String) : [];
    } catch (error) {
      const reason = error instanceof LakehouseError ? error : startError(role, String(error));
      this.kill(reason);
      throw reason;
    } finally {
      clearTimeout(timer);
    }
  }

  /** A broken pipe is not reported here: the worker's end is. */
  #send(frame: Uint8Array): void {
    const { stdin } = this.#process;
    try {
      Promise.resolve(stdin.write(frame)).catch(() => {});
      Promise.resolve(stdin.flush()).catch(() => {});
    } catch {
      // As above.
    }
  }

  /** Without standard output a worker is of no use, whether or not it lives. */
  async #endOfOutput(): Promise<LakehouseError> {
    if (this.#killed !== undefined) return this.#killed;
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    return this.#killed ?? this.#death();
  }

  #death(): LakehouseError {
    const { role } = this.#options;
    const { signalCode, exitCode } = this.#process;
    const how = signalCode === null ? `exit code ${exitCode ?? "unknown"}` : `signal ${signalCode}`;
    return new LakehouseError("worker_died", `The ${role} worker ended with ${how}.`, {
      hint:
        signalCode === "SIGKILL"
          ? "The system may be out of memory. Ask for less at once, or lower the worker's memory limit."
          : "Something in this request may be more than the engine can take. Change it before you try again; the log has the worker's last words.",
      extra: signalCode === null ? { exit_code: exitCode } : { signal: signalCode },
    });
  }
}

export function startError(role: string, how: string): LakehouseError {
  return new LakehouseError("worker_died", `The ${role} worker ${how}.`, {
    hint: "The log has what the worker wrote to standard error.",
  });
}
