import { writeSync } from "node:fs";
import { inspect } from "node:util";
import { inheritCacheDirs } from "./cache-dir.ts";
import { errorToJson, LakehouseError } from "./error.ts";
import { isRecord, type Json } from "./json.ts";
import {
  claimStdout,
  dieWithParent,
  disableCoreDumps,
  hasParent,
  limitAddressSpace,
  volunteerForOomKiller,
} from "./rlimit.ts";
import {
  decodeJson,
  encodeFrame,
  encodeJson,
  FrameDecoder,
  FrameError,
  frameHeader,
  type FrameType,
} from "./worker-frames.ts";
import type { WorkerHandler, WorkerIo, WorkerRole } from "./workers.ts";

/** One `bytes` frame at most; larger writes are divided. */
const BYTES_FRAME_BYTES = 1024 * 1024;
/** Up to here a copy is cheaper than a second system call. */
const JOIN_LIMIT_BYTES = 4 * 1024;

/**
 * The life of a worker process: take over standard output, be told what to do, load and start the
 * role, limit the own memory, then serve one request after the other until standard input ends.
 * The role is loaded only after the init frame, which says where native libraries are unpacked.
 */
export async function runWorker(load: () => Promise<WorkerRole>): Promise<void> {
  const output = openOutput();
  surviveTerminalSignals();
  disableCoreDumps();
  volunteerForOomKiller();
  const dies_with_parent = dieWithParent();

  const decoder = new FrameDecoder();
  let worker: Promise<Worker> | undefined;
  for await (const chunk of Bun.stdin.stream()) {
    for (const frame of decoder.push(chunk)) {
      const payload = decodeJson(frame.payload);
      if (frame.type === "init" && worker === undefined) {
        worker = start(load, payload, output, dies_with_parent);
      } else if (frame.type === "call" && worker !== undefined) {
        serve(worker, payload);
      } else {
        throw new FrameError(`a ${frame.type} frame came out of turn`);
      }
    }
  }
  // The parent closed the pipe or is gone. Work under way has nobody to report to.
  vanish();
}

interface Init {
  readonly init: unknown;
  readonly memory_limit_bytes: number;
  readonly parent_pid: number;
  readonly cache_dirs: readonly string[];
}

function readInit(payload: unknown): Init {
  if (isRecord(payload)) {
    const { init, memory_limit_bytes, parent_pid, cache_dirs } = payload;
    if (
      typeof memory_limit_bytes === "number" &&
      typeof parent_pid === "number" &&
      Array.isArray(cache_dirs)
    ) {
      return { init, memory_limit_bytes, parent_pid, cache_dirs: cache_dirs.map(String) };
    }
  }
  throw new FrameError("the init frame is incomplete");
}

async function start(
  load: () => Promise<WorkerRole>,
  payload: unknown,
  output: Output,
  dies_with_parent: boolean,
): Promise<Worker> {
  const { init, memory_limit_bytes, parent_pid, cache_dirs } = readInit(payload);
  // It may have died before prctl was called: then no signal will come.
  if (!hasParent(parent_pid)) vanish();
  inheritCacheDirs(cache_dirs);
  try {
    const role = await load();
    const handler = await role.start(init);
    // After the start, so that engine and libraries are paid for and the limit is the request's.
    const memory_limited = limitAddressSpace(memory_limit_bytes);
    const missing = [
      ...(memory_limited ? [] : ["memory limit"]),
      ...(dies_with_parent ? [] : ["death with the parent"]),
    ];
    output.sendJson("ready", { missing });
    return new Worker(handler, output);
  } catch (error) {
    output.sendError(error);
    return process.exit(1);
  }
}

function serve(worker: Promise<Worker>, request: unknown): void {
  worker
    .then((ready) => ready.serve(request))
    .catch((error: unknown) => {
      // Not the handler's failure, which is answered, but ours: end loudly.
      console.error(error);
      process.exit(1);
    });
}

class Worker {
  readonly #handler: WorkerHandler;
  readonly #output: Output;
  #busy = false;

  constructor(handler: WorkerHandler, output: Output) {
    this.#handler = handler;
    this.#output = output;
  }

  async serve(request: unknown): Promise<void> {
    if (this.#busy) throw new FrameError("a call came while another was under way");
    this.#busy = true;
    const output = this.#output;
    let open = true;
    // A write that a handler left running must never end up in the next call's answer.
    const whileOpen = (): void => {
      if (!open) throw new Error("the handler returned before this was written");
    };
    const io: WorkerIo = {
      // Sending blocks until the pipe took it all; async so that failures reject.
      write: async (bytes) => {
        whileOpen();
        output.sendBytes(bytes);
      },
      progress: (value) => {
        whileOpen();
        output.sendJson("progress", value);
      },
    };
    try {
      const payload = encodeJson(await this.#handler(request, io));
      open = false;
      output.send("result", payload);
    } catch (error) {
      open = false;
      output.sendError(error);
    }
    this.#busy = false;
  }
}

/**
 * The way back to the parent. Synchronous on purpose: the pipe is ours alone and blocking, so a
 * frame is never torn by another, nothing is left in a buffer when the process dies, and the
 * engine's own threads go on working meanwhile. Measured as fast as Bun's FileSink.
 */
class Output {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  send(type: FrameType, payload: Uint8Array): void {
    if (payload.length <= JOIN_LIMIT_BYTES) {
      this.#write(encodeFrame(type, payload));
    } else {
      this.#write(frameHeader(type, payload.length));
      this.#write(payload);
    }
  }

  sendBytes(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length; offset += BYTES_FRAME_BYTES) {
      this.send("bytes", bytes.subarray(offset, offset + BYTES_FRAME_BYTES));
    }
  }

  sendJson(type: FrameType, value: Json): void {
    this.send(type, encodeJson(value));
  }

  /** Tagged errors whole; others with all there is, for the parent's log. */
  sendError(error: unknown): void {
    this.sendJson(
      "error",
      error instanceof LakehouseError
        ? { tagged: errorToJson(error), ...(error.cause ? { cause: describe(error.cause) } : {}) }
        : { cause: describe(error) },
    );
  }

  #write(bytes: Uint8Array): void {
    let offset = 0;
    while (offset < bytes.length) {
      try {
        offset += writeSync(this.#fd, bytes, offset, bytes.length - offset);
      } catch (error) {
        const code = isRecord(error) ? error["code"] : undefined;
        if (code === "EPIPE") vanish();
        // Only if somebody made the descriptor non-blocking: wait for room all the same.
        if (code !== "EAGAIN") throw error;
        Bun.sleepSync(1);
      }
    }
  }
}

function openOutput(): Output {
  const fd = claimStdout();
  if (fd !== undefined) return new Output(fd);
  console.log = console.error;
  console.info = console.error;
  console.debug = console.error;
  return new Output(1);
}

/**
 * Ctrl-C and service managers signal the whole group or cgroup. The parent drains its requests
 * first and ends its workers itself.
 */
function surviveTerminalSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
}

/** Not `process.exit`, whose exit handlers may wait for an engine that is busy. */
function vanish(): void {
  process.kill(process.pid, "SIGKILL");
}

function describe(error: unknown): string {
  return inspect(error, { colors: false, depth: 4 });
}
