import { LakehouseError } from "../../core/error.ts";
import type { Limits } from "../../core/limits.ts";
import { malformed, parseBody } from "./intake.ts";
import { nearest, type Rows } from "./nearest.ts";
import { readVector } from "./vector-input.ts";

const encoder = new TextEncoder();
const DEFAULT_K = 10;

/** Answers the body of POST …/search with the body of the response, both as JSON in UTF-8. */
export function answerSearch(
  body: Uint8Array,
  rows: Rows,
  limits: Limits,
): Uint8Array<ArrayBuffer> {
  const request = parseBody(body, ["vector", "k", "ef", "include_metadata"]);
  const { parameters } = rows;
  const vector = new Float32Array(parameters.dimension);
  readVector(request["vector"], parameters, {}, vector);
  const k = positive(request["k"] ?? DEFAULT_K, "k", limits);
  const ef = positive(request["ef"] ?? parameters.ef_search, "ef", limits);
  const include_metadata = request["include_metadata"] ?? true;
  if (typeof include_metadata !== "boolean") {
    throw malformed("/include_metadata", "include_metadata must be true or false");
  }
  const results: string[] = [];
  let length = 0;
  for (const { row, id, distance } of nearest(rows, { vector, k, ef })) {
    const metadata = include_metadata ? rows.table.metadata(row) : null;
    const member = metadata === null ? "" : `,"metadata":${metadata}`;
    const result = `{"id":${JSON.stringify(id)},"distance":${distance}${member}}`;
    length += result.length;
    if (length > limits.result_bytes) {
      throw new LakehouseError(
        "result_too_large",
        `The results are larger than ${limits.result_bytes} bytes.`,
        { hint: "Ask for fewer neighbours, or send include_metadata: false." },
      );
    }
    results.push(result);
  }
  return encoder.encode(`{"results":[${results.join(",")}]}`);
}

function positive(value: unknown, member: "k" | "ef", limits: Limits): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1) {
    throw malformed(`/${member}`, `${member} must be an integer of at least 1`);
  }
  if (value > limits.vector_k) {
    throw new LakehouseError("limit_exceeded", `${member} is more than ${limits.vector_k}.`, {
      hint: "Ask for less, or raise vector_k under [limits].",
      extra: { pointer: `/${member}` },
    });
  }
  return value;
}
