import type { Quantization } from "./parameters.ts";

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * The nearest bfloat16 (8 bits of precision, the exponent of a float32), ties to even, as a
 * float32. A value above 3.39e38 becomes infinite: validate after rounding.
 */
export function roundToBf16(value: number): number {
  float[0] = value;
  const raw = bits[0] ?? 0;
  bits[0] = (raw + 0x7fff + ((raw >>> 16) & 1)) & 0xffff0000;
  return float[0];
}

/** Rounds in place to what the index will store; float32 values already are. */
export function roundToStorage(values: Float32Array, quantization: Quantization): void {
  if (quantization === "f32") return;
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let at = 0; at < words.length; at++) {
    const raw = words[at] ?? 0;
    words[at] = raw + 0x7fff + ((raw >>> 16) & 1);
    words[at] = (words[at] ?? 0) & 0xffff0000;
  }
}

export const bytesPerScalar = (quantization: Quantization): number =>
  quantization === "bf16" ? 2 : 4;

/** Little-endian bytes of values that `roundToStorage` has rounded. */
export function encodeScalars(values: Float32Array, quantization: Quantization): Uint8Array {
  if (quantization === "f32") {
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
  }
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(words.length);
  for (let at = 0; at < words.length; at++) halves[at] = (words[at] ?? 0) >>> 16;
  return new Uint8Array(halves.buffer);
}

/** Decodes little-endian scalars into `target` from its start. `bytes` may be at any offset. */
export function decodeScalars(
  bytes: Uint8Array,
  quantization: Quantization,
  target: Float32Array,
): void {
  const aligned = bytes.byteOffset % bytesPerScalar(quantization) === 0 ? bytes : bytes.slice();
  if (quantization === "f32") {
    target.set(new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4));
    return;
  }
  const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
  const words = new Uint32Array(target.buffer, target.byteOffset, halves.length);
  for (let at = 0; at < halves.length; at++) words[at] = (halves[at] ?? 0) << 16;
}
