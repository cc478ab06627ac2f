import type { Json } from "./json.ts";

/**
 * What parent and worker say to each other over the worker's standard input and output: frames of
 * a big-endian u32 payload length, a u8 type and the payload. `bytes` payloads are raw, all others
 * are UTF-8 JSON. Pure; no I/O.
 */
export const frameTypes = {
  /** Parent → worker, once, first: `{init, memory_limit_bytes, parent_pid, cache_dirs}`. */
  init: 1,
  /** Parent → worker: the request. The next one comes only after `result` or `error`. */
  call: 2,
  /** Worker → parent, once: `{missing: [...]}`, the safeguards this platform does not have. */
  ready: 16,
  /** Worker → parent: a piece of the answer. */
  bytes: 17,
  /** Worker → parent: whatever the role reports about a running call. */
  progress: 18,
  /** Worker → parent: what the handler returned; ends the call. */
  result: 19,
  /** Worker → parent: what the handler (or the role's start) threw; ends the call. */
  error: 20,
} as const;

export type FrameType = keyof typeof frameTypes;

export interface Frame {
  readonly type: FrameType;
  readonly payload: Uint8Array;
}

/** Longest payload: bounds what a worker gone wrong can make its parent allocate. */
export const FRAME_LIMIT_BYTES = 64 * 1024 * 1024;
export const FRAME_HEADER_BYTES = 5;

/** The peer broke the protocol; whoever reads this kills the process behind it. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const typeNames = new Map<number, FrameType>();
for (const type of Object.keys(frameTypes)) {
  if (isFrameType(type)) typeNames.set(frameTypes[type], type);
}

function isFrameType(name: string): name is FrameType {
  return Object.hasOwn(frameTypes, name);
}

export function frameHeader(type: FrameType, payload_bytes: number): Uint8Array {
  if (payload_bytes > FRAME_LIMIT_BYTES) {
    throw new FrameError(`a ${type} frame of ${payload_bytes} bytes is over the limit`);
  }
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  new DataView(header.buffer).setUint32(0, payload_bytes);
  header[4] = frameTypes[type];
  return header;
}

/** Header and payload in one buffer. Throws `FrameError` over `FRAME_LIMIT_BYTES`. */
export function encodeFrame(type: FrameType, payload: Uint8Array): Uint8Array {
  const header = frameHeader(type, payload.length);
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  frame.set(header);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/**
 * Cuts a stream back into frames, however it was split on its way. A payload that lies within one
 * chunk is a view of that chunk; only payloads split over several are copied.
 */
export class FrameDecoder {
  readonly #limit_bytes: number;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  readonly #header_view = new DataView(this.#header.buffer);
  #header_filled = 0;
  /** Set while a payload is incomplete. */
  #partial: { readonly type: FrameType; readonly payload: Uint8Array; filled: number } | undefined;

  constructor(limit_bytes: number = FRAME_LIMIT_BYTES) {
    this.#limit_bytes = limit_bytes;
  }

  /** True if the stream may end here: no frame is half read. */
  get complete(): boolean {
    return this.#header_filled === 0 && this.#partial === undefined;
  }

  /** The frames this chunk completes, in order. Throws `FrameError`; not usable after that. */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let offset = 0;
    while (offset < chunk.length) {
      offset += this.#partial
        ? this.#fillPayload(chunk.subarray(offset), frames)
        : this.#fillHeader(chunk.subarray(offset), frames);
    }
    return frames;
  }

  /** Reads into the header and, once that is whole, takes the payload if it is all there. */
  #fillHeader(rest: Uint8Array, frames: Frame[]): number {
    const part = rest.subarray(0, FRAME_HEADER_BYTES - this.#header_filled);
    this.#header.set(part, this.#header_filled);
    this.#header_filled += part.length;
    if (this.#header_filled < FRAME_HEADER_BYTES) return part.length;

    this.#header_filled = 0;
    const length = this.#header_view.getUint32(0);
    const code = this.#header_view.getUint8(4);
    const type = typeNames.get(code);
    if (type === undefined) throw new FrameError(`there is no frame type ${code}`);
    if (length > this.#limit_bytes) {
      throw new FrameError(`a ${type} frame of ${length} bytes is over the limit`);
    }
    const end = part.length + length;
    if (end <= rest.length) {
      frames.push({ type, payload: rest.subarray(part.length, end) });
      return end;
    }
    this.#partial = { type, payload: new Uint8Array(length), filled: 0 };
    return part.length;
  }

  #fillPayload(rest: Uint8Array, frames: Frame[]): number {
    const partial = this.#partial;
    if (partial === undefined) return 0;
    const part = rest.subarray(0, partial.payload.length - partial.filled);
    partial.payload.set(part, partial.filled);
    partial.filled += part.length;
    if (partial.filled === partial.payload.length) {
      this.#partial = undefined;
      frames.push({ type: partial.type, payload: partial.payload });
    }
    return part.length;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

declare global {
  interface JSON {
    /** ECMAScript proposal `JSON.parse source text access`; in JavaScriptCore, not yet in lib. */
    rawJSON(text: string): unknown;
  }
}

/**
 * JSON that reads back as the same value. Throws `FrameError` for what JSON would change in
 * silence: NaN and infinities (which become null); keeps the sign of minus zero.
 */
export function encodeJson(value: Json): Uint8Array {
  const text: string | undefined = JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member !== "number") return member;
    if (!Number.isFinite(member)) throw new FrameError(`JSON has no way to write ${member}`);
    return Object.is(member, -0) ? JSON.rawJSON("-0") : member;
  });
  if (text === undefined) throw new FrameError("the value is not JSON");
  return encoder.encode(text);
}

/** Throws `FrameError` if the payload is not UTF-8 JSON. */
export function decodeJson(payload: Uint8Array): unknown {
  try {
    const value: unknown = JSON.parse(decoder.decode(payload));
    return value;
  } catch (cause) {
    throw new FrameError("a frame's payload is not JSON", { cause });
  }
}
