import { isUtf8 } from "node:buffer";

/** Where bytes stop being text: a NUL, or a sequence that is no UTF-8 (its chunk's first byte). */
export interface TextFault {
  readonly kind: "nul" | "utf8";
  readonly offset: number;
}

/** Checks bytes for UTF-8 (RFC 3629) and for NUL as they come, in chunks of any size. */
export class TextCheck {
  #offset: number;
  #carried: Uint8Array = new Uint8Array(0);

  /** `offset`: of the first byte in the file. */
  constructor(offset: number) {
    this.#offset = offset;
  }

  /** The first fault of this chunk, if any. */
  push(chunk: Uint8Array): TextFault | undefined {
    const nul = chunk.indexOf(0);
    if (nul >= 0) return { kind: "nul", offset: this.#offset + nul };
    const joined = this.#carried.length === 0 ? chunk : Buffer.concat([this.#carried, chunk]);
    const whole = joined.length - unfinishedTail(joined);
    const start = this.#offset - this.#carried.length;
    this.#offset += chunk.length;
    if (!isUtf8(joined.subarray(0, whole))) return { kind: "utf8", offset: start };
    this.#carried = joined.slice(whole);
    return undefined;
  }

  /** A character that was begun must have ended. */
  finish(): TextFault | undefined {
    if (this.#carried.length === 0) return undefined;
    return { kind: "utf8", offset: this.#offset - this.#carried.length };
  }
}

/** Bytes at the end that begin a character without finishing it (RFC 3629 §3). */
function unfinishedTail(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back ? back : 0;
    }
    if (byte < 0x80) return 0;
  }
  return 0;
}
