import { LakehouseError } from "../../core/error.ts";
import { isRecord } from "../../core/json.ts";
import type { Limits } from "../../core/limits.ts";
import { type Batch, encodeBatch } from "./batch.ts";
import { readMetadata } from "./metadata-input.ts";
import type { IndexParameters } from "./parameters.ts";
import { bytesPerScalar, encodeScalars } from "./scalars.ts";
import { readVector } from "./vector-input.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The body of a request as a JSON object with no members but these. */
export function parseBody(
  body: Uint8Array,
  members: readonly string[],
): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(body));
  } catch (error) {
    const why = error instanceof Error ? error.message : "the body is not JSON";
    throw new LakehouseError("invalid_json", `${why}.`, { hint: "Send a JSON body in UTF-8." });
  }
  if (!isRecord(value)) throw malformed("", "The body must be a JSON object");
  refuseUnknown(value, members, "");
  return value;
}

/**
 * The body of POST …/add as an encoded batch. Every item is checked before anything is stored: the
 * first that does not fit fails the request. Throws 4xx errors that name item, id and component.
 */
export function prepareAdd(
  body: Uint8Array,
  parameters: IndexParameters,
  limits: Limits,
): Uint8Array<ArrayBuffer> {
  const items = checkedList(parseBody(body, ["items"])["items"], "items", limits);
  const { dimension, quantization } = parameters;
  const put: string[] = [];
  const metadata: (string | null)[] = [];
  const rows = new Uint8Array(items.length * dimension * bytesPerScalar(quantization));
  const row = new Float32Array(dimension);
  const seen = new Map<string, number>();
  for (const [item, value] of items.entries()) {
    const pointer = `/items/${item}`;
    if (!isRecord(value)) throw malformed(pointer, `Item ${item} must be an object`, { item });
    const id = checkedId(value["id"], `${pointer}/id`, { item }, limits);
    refuseUnknown(value, ["id", "vector", "metadata"], pointer, { item, id });
    refuseRepeated(seen, id, item, pointer);
    readVector(value["vector"], parameters, { item, id }, row);
    rows.set(encodeScalars(row, quantization), item * dimension * bytesPerScalar(quantization));
    put.push(id);
    metadata.push(readMetadata(value["metadata"], limits, { item, id }));
  }
  return encodeBatch({ put, metadata, deleted: [], rows });
}

/** The body of POST …/delete as an encoded batch. */
export function prepareDelete(body: Uint8Array, limits: Limits): Uint8Array<ArrayBuffer> {
  const ids = checkedList(parseBody(body, ["ids"])["ids"], "ids", limits);
  const deleted = ids.map((id, item) => checkedId(id, `/ids/${item}`, { item }, limits));
  const batch: Batch = { put: [], metadata: [], deleted, rows: new Uint8Array() };
  return encodeBatch(batch);
}

function checkedList(value: unknown, member: string, limits: Limits): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw malformed(`/${member}`, `${member} must be an array with at least one element`);
  }
  if (value.length > limits.vector_batch) {
    throw new LakehouseError(
      "limit_exceeded",
      `A batch of ${value.length} is more than ${limits.vector_batch}.`,
      { hint: "Send smaller batches, or raise vector_batch under [limits]." },
    );
  }
  return value;
}

type Extra = Readonly<Record<string, string | number>>;

function checkedId(value: unknown, pointer: string, extra: Extra, limits: Limits): string {
  if (typeof value !== "string" || value === "") {
    throw malformed(pointer, `The id at ${pointer} must be a string that is not empty`, extra);
  }
  if (!value.isWellFormed()) {
    throw malformed(pointer, `The id at ${pointer} is not well-formed Unicode`, extra);
  }
  if (Buffer.byteLength(value) > limits.vector_id_bytes) {
    throw new LakehouseError(
      "limit_exceeded",
      `The id at ${pointer} is longer than ${limits.vector_id_bytes} bytes.`,
      {
        hint: "Shorten it, or raise vector_id_bytes under [limits].",
        extra: { ...extra, pointer },
      },
    );
  }
  return value;
}

/** Which of the two would win is nobody's guess to make. */
function refuseRepeated(
  seen: Map<string, number>,
  id: string,
  item: number,
  pointer: string,
): void {
  const earlier = seen.get(id);
  if (earlier !== undefined) {
    const why = `Items ${earlier} and ${item} have the same id`;
    throw malformed(`${pointer}/id`, why, { item, id });
  }
  seen.set(id, item);
}

function refuseUnknown(
  value: Readonly<Record<string, unknown>>,
  members: readonly string[],
  pointer: string,
  extra: Extra = {},
): void {
  for (const name of Object.keys(value)) {
    if (!members.includes(name)) {
      const where = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      throw malformed(where.slice(0, 256), "There is a member that is not known here", extra);
    }
  }
}

export function malformed(pointer: string, why: string, extra: Extra = {}): LakehouseError {
  return new LakehouseError("invalid_request", `${why}.`, {
    hint: "docs/vector.md shows the body of every request.",
    extra: { ...extra, pointer },
  });
}
