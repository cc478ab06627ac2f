import { LakehouseError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import type { IndexParameters } from "./parameters.ts";
import { roundToStorage } from "./scalars.ts";

/** Where a vector stands, for error answers: in a batch, or nothing in a search. */
export type Place =
  | { readonly item: number; readonly id: string }
  | Readonly<Record<string, never>>;

/**
 * Squared lengths stay below a quarter of the float32 range, so that no distance between two stored
 * vectors overflows in the kernels: |a − b|² ≤ 2|a|² + 2|b|².
 */
const SQUARED_LENGTH_LIMIT = 3.4028234663852886e38 / 4;

/**
 * Reads a vector as it came in (an array of numbers, or base64 of little-endian float32) into
 * `target`, in the form the index stores: rounded, and of length 1 under cosine. Throws
 * `invalid_vector` or `invalid_request`; `target` is then garbage.
 */
export function readVector(
  value: unknown,
  parameters: IndexParameters,
  place: Place,
  target: Float32Array,
): void {
  const { dimension, metric, quantization } = parameters;
  const numbers = typeof value === "string" ? decodeBase64(value, dimension, place) : value;
  if (!Array.isArray(numbers) && !(numbers instanceof Float32Array)) {
    throw new LakehouseError(
      "invalid_request",
      `${subject(place)} must be an array of numbers, or base64 of little-endian float32.`,
      { extra: { ...place, pointer: pointerOf(place) } },
    );
  }
  if (numbers.length !== dimension) {
    throw invalid(place, `has ${numbers.length} components; the index has ${dimension}`);
  }
  const squared_length = readComponents(numbers, place, target);
  if (metric === "cos") {
    if (squared_length === 0) {
      throw invalid(place, "is all zero, which has no direction to compare under cosine");
    }
    normalise(target, numbers, squared_length);
  } else if (squared_length > SQUARED_LENGTH_LIMIT) {
    throw invalid(place, "is too long: its squared length must stay below 8.5e37");
  }
  roundToStorage(target, quantization);
}

/** Copies into `target`, checks every component, and returns the sum of squares in float64. */
function readComponents(
  numbers: readonly unknown[] | Float32Array,
  place: Place,
  target: Float32Array,
): number {
  let squared_length = 0;
  for (let component = 0; component < numbers.length; component++) {
    const number = numbers[component];
    if (typeof number !== "number") {
      throw invalid(place, `has a component ${component} that is not a number`, { component });
    }
    target[component] = number;
    // A finite number that a float32 cannot hold becomes infinite here.
    if (!Number.isFinite(target[component])) {
      throw invalid(
        place,
        `has a component ${component} that is not a finite float32 number: ${String(number)}`,
        { component, value: String(number) },
      );
    }
    squared_length += number * number;
  }
  return squared_length;
}

/** Scales in float64, from the numbers as given: tiny vectors would lose their digits in float32. */
function normalise(
  target: Float32Array,
  numbers: readonly unknown[] | Float32Array,
  squared_length: number,
): void {
  const scale = 1 / Math.sqrt(squared_length);
  for (let component = 0; component < target.length; component++) {
    const number = numbers[component];
    if (typeof number === "number") target[component] = number * scale;
  }
}

function decodeBase64(text: string, dimension: number, place: Place): Float32Array {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    throw invalid(place, "is a string that is not base64");
  }
  if (bytes.length !== dimension * 4) {
    throw invalid(
      place,
      `has ${bytes.length} bytes in base64; ${dimension} float32 components have ${dimension * 4}`,
    );
  }
  return new Float32Array(bytes.slice().buffer);
}

const subject = ({ item }: Place): string =>
  typeof item === "number" ? `The vector of item ${item}` : "The vector";

const pointerOf = ({ item }: Place): string =>
  typeof item === "number" ? `/items/${item}/vector` : "/vector";

function invalid(
  place: Place,
  why: string,
  extra: Readonly<Record<string, Json>> = {},
): LakehouseError {
  return new LakehouseError("invalid_vector", `${subject(place)} ${why}.`, {
    hint: "Nothing was stored. Correct the vector and send the batch again.",
    extra: { ...place, ...extra },
  });
}
