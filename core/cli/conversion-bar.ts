import { setTimeout as pause } from "node:timers/promises";
import { isRecord } from "../json.ts";
import type { Client } from "./client.ts";
import { barOf, bytesText, type Progress } from "./progress.ts";
import { serverEvents } from "./server-events.ts";
import { counted } from "./table.ts";

/** The server may not have taken the upload in yet, or a proxy may have closed the stream. */
const RETRY_MS = 250;

/**
 * Follows an upload on the server until it ends there or the signal is aborted, and shows how far
 * it is. Never rejects: whatever goes wrong here, only the bar suffers.
 */
export async function followConversion(
  client: Client,
  request_id: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const headers = { accept: "text/event-stream" };
      const response = await client.request(`/v1/ingest/${request_id}`, { headers, signal });
      for await (const data of serverEvents(response)) {
        const view: unknown = JSON.parse(data);
        // What an ended one has to show is its answer.
        if (isRecord(view) && view["finished_at"] === undefined) {
          progress.phase(conversionLine(view));
        }
      }
      return;
    } catch {
      await pause(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}

/**
 * `converting ━━━━━━━━━━──────────  50%  1,234,567 rows  105.0 MiB judged`; pure. Judging a byte and
 * writing it as Parquet count half each.
 */
export function conversionLine(view: Readonly<Record<string, unknown>>): string {
  if (view["state"] === "committing") return "storing …";
  const file_bytes = numberOf(view["file_bytes"]);
  const judged_bytes = numberOf(view["judged_bytes"]);
  const judged = file_bytes === 0 ? 0 : Math.min(1, judged_bytes / file_bytes);
  const parts_total = numberOf(view["parts_total"]);
  const written = parts_total === 0 ? 0 : (judged * numberOf(view["parts_done"])) / parts_total;
  const rows = counted(numberOf(view["row_count"]), "row");
  return `converting ${barOf((judged + written) / 2)}  ${rows}  ${bytesText(judged_bytes)} judged`;
}

const numberOf = (value: unknown): number => (typeof value === "number" ? value : 0);
