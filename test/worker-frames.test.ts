import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isRecord, type Json } from "../core/json.ts";
import {
  decodeJson,
  encodeFrame,
  encodeJson,
  type Frame,
  FRAME_HEADER_BYTES,
  FRAME_LIMIT_BYTES,
  frameHeader,
  FrameDecoder,
  FrameError,
  frameTypes,
} from "../core/worker-frames.ts";

const seed = Number(process.env["LAKEHOUSE_TEST_SEED"] ?? Date.now());
fc.configureGlobal({ seed });

const types = ["init", "call", "ready", "bytes", "progress", "result", "error"] as const;
const anyFrame = fc.record({
  type: fc.constantFrom(...types),
  payload: fc.uint8Array({ maxLength: 300 }),
});

/** Divides bytes at the given places, which may repeat: empty chunks happen too. */
function split(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [0, ...cuts].map((start, i) => bytes.slice(start, cuts[i] ?? bytes.length));
}

function encodeAll(frames: readonly Frame[]): Uint8Array {
  return Buffer.concat(frames.map((frame) => encodeFrame(frame.type, frame.payload)));
}

describe("frames", () => {
  test("come out as they went in, however the stream is split", () => {
    fc.assert(
      fc.property(fc.array(anyFrame), fc.array(fc.nat()), (frames, places) => {
        const decoder = new FrameDecoder();
        const out = split(encodeAll(frames), places).flatMap((chunk) => decoder.push(chunk));
        expect(out.map(({ type, payload }) => ({ type, payload: [...payload] }))).toEqual(
          frames.map(({ type, payload }) => ({ type, payload: [...payload] })),
        );
        expect(decoder.complete).toBe(true);
      }),
    );
  });

  test("that are cut off at any place leave the decoder incomplete and lose nothing before", () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { minLength: 1 }), fc.nat(), (frames, place) => {
        const bytes = encodeAll(frames);
        const ends = frames.map((_, i) => encodeAll(frames.slice(0, i + 1)).length);
        const cut = place % bytes.length;
        const decoder = new FrameDecoder();
        const out = decoder.push(bytes.subarray(0, cut));
        expect(out.length).toBe(ends.filter((end) => end <= cut).length);
        expect(decoder.complete).toBe(cut === 0 || ends.includes(cut));
      }),
    );
  });

  test("of an unknown type are refused", () => {
    const known = new Set<number>(Object.values(frameTypes));
    for (let code = 0; code < 256; code++) {
      const push = () => new FrameDecoder().push(Uint8Array.of(0, 0, 0, 0, code));
      if (known.has(code)) expect(push()).toHaveLength(1);
      else expect(push).toThrow(FrameError);
    }
  });

  test("over the limit are refused by their header, before anything is allocated", () => {
    const header = frameHeader("bytes", 101);
    expect(() => new FrameDecoder(100).push(header)).toThrow("over the limit");
    expect(new FrameDecoder(101).push(header)).toEqual([]);
    expect(() => frameHeader("bytes", FRAME_LIMIT_BYTES + 1)).toThrow(FrameError);
  });

  test("within one chunk are views of it, not copies", () => {
    const bytes = encodeFrame("bytes", Uint8Array.of(1, 2, 3));
    const [frame] = new FrameDecoder().push(bytes);
    expect(frame?.payload.buffer).toBe(bytes.buffer);
    expect(frame?.payload.byteOffset).toBe(FRAME_HEADER_BYTES);
  });
});

describe("JSON in frames", () => {
  test("reads back as the same value, the sign of zero and lone surrogates included", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false, stringUnit: "binary" }), (value) => {
        // toStrictEqual tells -0 from 0.
        expect(decodeJson(encodeJson(asJson(value)))).toStrictEqual(value);
      }),
    );
    expect(Object.is(decodeJson(encodeJson(-0)), -0)).toBe(true);
    expect(decodeJson(encodeJson("\ud800 \ufeff"))).toBe("\ud800 \ufeff");
  });

  test("refuses numbers it would turn into null", () => {
    for (const number of [Number.NaN, Infinity, -Infinity]) {
      expect(() => encodeJson({ a: [number] })).toThrow(FrameError);
    }
  });

  test("that is damaged is a protocol error", () => {
    for (const text of ["", "{", "\u00ff"]) {
      expect(() => decodeJson(Buffer.from(text, "latin1"))).toThrow(FrameError);
    }
  });
});

/** fast-check's type of the same name differs in readonly. */
function asJson(value: unknown): Json {
  if (Array.isArray(value)) return value.map(asJson);
  if (isRecord(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, asJson(member)]));
  }
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  return Number(value);
}
