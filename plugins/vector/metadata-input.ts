import { LakehouseError } from "../../core/error.ts";
import { isRecord } from "../../core/json.ts";
import type { Limits } from "../../core/limits.ts";

interface Place {
  readonly item: number;
  readonly id: string;
}

/** Deeper than any real metadata, and shallow enough for every JSON reader's stack. */
const DEPTH_LIMIT = 64;

/**
 * The metadata of one vector as JSON text, or null if there is none. Numbers are IEEE doubles, as
 * JSON readers take them (RFC 8259 §6); one that would come back with other digits is refused
 * rather than rounded. Throws `invalid_request` or `limit_exceeded`.
 */
export function readMetadata(value: unknown, limits: Limits, place: Place): string | null {
  if (value === undefined) return null;
  if (!isRecord(value)) throw refuse(place, "must be a JSON object", "invalid_request");
  check(value, place, 1);
  const text = JSON.stringify(value);
  // At most three bytes of UTF-8 per UTF-16 unit: only count what may be too long.
  if (
    text.length * 3 > limits.vector_metadata_bytes &&
    Buffer.byteLength(text) > limits.vector_metadata_bytes
  ) {
    const why = `is larger than ${limits.vector_metadata_bytes} bytes as JSON`;
    throw refuse(place, why, "limit_exceeded");
  }
  return text;
}

function check(value: unknown, place: Place, depth: number): void {
  if (typeof value === "number") checkNumber(value, place);
  if (typeof value !== "object" || value === null) return;
  if (depth > DEPTH_LIMIT) {
    throw refuse(place, `is nested deeper than ${DEPTH_LIMIT} levels`, "invalid_request");
  }
  for (const member of Object.values(value)) check(member, place, depth + 1);
}

function checkNumber(value: number, place: Place): void {
  if (!Number.isFinite(value)) {
    throw refuse(place, "has a number beyond the range of a double", "invalid_request");
  }
  if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21) {
    throw refuse(place, "has an integer beyond ±(2^53 − 1)", "invalid_request");
  }
}

function refuse(
  place: Place,
  why: string,
  code: "invalid_request" | "limit_exceeded",
): LakehouseError {
  const { item } = place;
  return new LakehouseError(code, `The metadata of item ${item} ${why}.`, {
    hint: "Nothing was stored. Write large integers as strings.",
    extra: { ...place, pointer: `/items/${item}/metadata` },
  });
}
