import { LakehouseError } from "../../core/error.ts";
import type { Format } from "./render/layout.ts";

/** What a result can be sent as, the preferred first. */
const MEDIA_TYPES: readonly { readonly type: string; readonly format: Format }[] = [
  { type: "application/json", format: "json" },
  { type: "text/csv", format: "csv" },
  { type: "application/x-ndjson", format: "ndjson" },
  { type: "application/ndjson", format: "ndjson" },
];

/** `Content-Type` per format. */
export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  json: "application/json",
  csv: "text/csv; charset=utf-8; header=present",
  ndjson: "application/x-ndjson",
};

interface Range {
  readonly type: string;
  readonly quality: number;
}

/**
 * The format an `Accept` header asks for (RFC 9110 §12.5.1): the highest quality wins, and of
 * equal ones the first of ours. Throws `not_acceptable`.
 */
export function negotiate(header: string | null): Format {
  if (header === null || header.trim() === "") return "json";
  const ranges = header.split(",").map(parseRange);
  let best: { format: Format; quality: number } | undefined;
  for (const { type, format } of MEDIA_TYPES) {
    const quality = qualityOf(type, ranges);
    if (quality > (best?.quality ?? 0)) best = { format, quality };
  }
  if (best !== undefined) return best.format;
  throw new LakehouseError("not_acceptable", "No accepted format can be produced.", {
    hint: `Accept one of ${MEDIA_TYPES.map(({ type }) => type).join(", ")}.`,
  });
}

function parseRange(text: string): Range {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith("q="));
  const quality = weight === undefined ? 1 : Number(weight.slice(2));
  return { type, quality: Number.isFinite(quality) ? quality : 0 };
}

/** The most specific range that matches decides: a refused type is not let in by a wildcard. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  const [family = ""] = type.split("/");
  for (const candidate of [type, `${family}/*`, "*/*"]) {
    const range = ranges.find((each) => each.type === candidate);
    if (range !== undefined) return range.quality;
  }
  return 0;
}
