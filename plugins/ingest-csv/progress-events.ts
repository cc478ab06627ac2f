import { setTimeout as pause } from "node:timers/promises";
import type { WatchedIngest } from "./progress.ts";

/** Between two events, at least. */
const PAUSE_MS = 250;
/** Silence after which a comment is sent, so that nothing on the way takes the stream for dead. */
const KEEP_ALIVE_MS = 10_000;
/** The id of the last event. */
const LAST_ID = "end";

const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Proxies that gather answers before passing them on can be told not to.
  "x-accel-buffering": "no",
};

/** Whether the client asks for events: no ranking, it names the type or it does not. */
export function acceptsEvents(request: Request): boolean {
  const accepted = (request.headers.get("accept") ?? "").split(",");
  return accepted.some((type) => type.split(";", 1)[0]?.trim() === "text/event-stream");
}

/**
 * An ingest as server-sent events (WHATWG HTML §9.2), one `progress` event per change and a few a
 * second at most, until it ends or the client goes away. A client that comes back after the end is
 * told to stay away: browsers reconnect for ever otherwise (§9.2.3, 204).
 */
export function progressEvents(request: Request, ingest: WatchedIngest): Response {
  if (request.headers.get("last-event-id") === LAST_ID) return new Response(null, { status: 204 });
  return new Response(events(ingest, request.signal), { headers: HEADERS });
}

async function* events(ingest: WatchedIngest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const wake = AbortSignal.any([signal, ingest.ended]);
  let shown = -1;
  let written_ms = performance.now();
  while (!signal.aborted) {
    // Asked before looking: the view of an ended ingest is its last.
    const ended = ingest.ended.aborted;
    const now_ms = performance.now();
    if (ingest.revision !== shown) {
      shown = ingest.revision;
      written_ms = now_ms;
      const data = JSON.stringify(ingest.view());
      yield Buffer.from(`${ended ? `id: ${LAST_ID}\n` : ""}event: progress\ndata: ${data}\n\n`);
    } else if (now_ms - written_ms >= KEEP_ALIVE_MS) {
      written_ms = now_ms;
      yield Buffer.from(": still there\n\n");
    }
    if (ended) return;
    // Ends early by an abort, which the loop looks at.
    await pause(PAUSE_MS, undefined, { signal: wake }).catch(() => {});
  }
}
