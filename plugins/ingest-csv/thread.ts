/** The program of a thread that converts ranges of a text: see `range-threads.ts`. */
import { convertRange, type RangeJob, type RangeResult } from "./range-convert.ts";

declare const self: Worker;

export type ThreadReply =
  | { readonly ok: true; readonly result: RangeResult }
  /** With the code of an error of the system. */
  | { readonly ok: false; readonly stack: string; readonly code?: string | undefined };

self.addEventListener("message", ({ data }: MessageEvent<RangeJob>) => void convert(data));

async function convert(job: RangeJob): Promise<void> {
  let reply: ThreadReply;
  try {
    reply = { ok: true, result: await convertRange(job) };
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    reply = { ok: false, stack, code: systemCode(error) };
  }
  const moved = reply.ok ? [reply.result.bad.numbers.buffer, reply.result.bad.bytes.buffer] : [];
  self.postMessage(reply, moved);
}

function systemCode(error: unknown): string | undefined {
  const has_code = error instanceof Error && "code" in error && typeof error.code === "string";
  return has_code ? String(error.code) : undefined;
}
