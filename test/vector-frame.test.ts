import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hasCode } from "../core/error.ts";
import { unpackFrame } from "../plugins/vector/base-files.ts";
import { decodeFrame, encodeFrame } from "../plugins/vector/frame.ts";
import { prepareAdd } from "../plugins/vector/intake.ts";
import {
  decodeSegment,
  encodeSegment,
  parseSegmentKey,
  segmentKey,
} from "../plugins/vector/segment.ts";
import { propertySeed } from "./conformance/storage-bytes.ts";
import { parametersOf } from "./support/vector-data.ts";
import { Engine, jsonBytes, standardLimits } from "./support/vector-engine.ts";

/** What a call throws, or undefined. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

const isRefused = (call: () => unknown): boolean => hasCode(thrownBy(call), "data_corrupt");

const envelope = fc.dictionary(fc.string(), fc.jsonValue());

describe("a frame", () => {
  test("gives back the envelope and the payload it was made of", () => {
    fc.assert(
      fc.property(envelope, fc.uint8Array(), (given, payload) => {
        const normal: unknown = JSON.parse(JSON.stringify(given));
        const frame = decodeFrame("LHV1", encodeFrame("LHV1", given, [payload]));
        expect(normal).toEqual(frame.envelope);
        expect(Buffer.from(frame.payload).equals(payload)).toBeTrue();
      }),
      propertySeed(),
    );
  });

  test("starts with its magic and the length of its envelope, big-endian", () => {
    const frame = encodeFrame("LHV1", { a: 1 }, [Uint8Array.of(9)]);
    expect(Buffer.from(frame.subarray(0, 15)).toString("latin1")).toBe('LHV1\0\0\0\x07{"a":1}');
  });

  test("is refused after any flipped bit and any truncation", () => {
    fc.assert(
      fc.property(
        envelope,
        fc.uint8Array(),
        fc.nat(),
        fc.nat({ max: 7 }),
        (given, payload, place, bit) => {
          const frame = encodeFrame("LHV1", given, [payload]);
          const at = place % frame.length;
          expect(isRefused(() => decodeFrame("LHV1", frame.subarray(0, at)))).toBeTrue();
          frame[at] = (frame[at] ?? 0) ^ (1 << bit);
          expect(isRefused(() => decodeFrame("LHV1", frame))).toBeTrue();
        },
      ),
      propertySeed(),
    );
  });

  test("of one kind is not taken for one of the other", () => {
    expect(isRefused(() => decodeFrame("LHV1", encodeFrame("LHVL", {}, [])))).toBeTrue();
  });
});

describe("a log piece", () => {
  const parameters = parametersOf(3);
  const head = { index_id: "id", seq: 7, committed_at: "2030-01-01T00:00:00.000Z" };

  test("gives back its batches in order", () => {
    const batch = (id: string): Uint8Array =>
      prepareAdd(jsonBytes({ items: [{ id, vector: [1, 2, 3] }] }), parameters, standardLimits);
    const bytes = encodeSegment({ ...head, batches: [batch("a"), batch("b")] });
    const { batches, ...rest } = decodeSegment(bytes, parameters);
    expect(rest).toEqual(head);
    expect(batches.map(({ put }) => put)).toEqual([["a"], ["b"]]);
    expect(isRefused(() => decodeSegment(bytes, parametersOf(4)))).toBeTrue();
  });

  test("has a key that says what it belongs to, and sorts by its number", () => {
    const index_id = "01890000-0000-7000-8000-000000000000";
    const key = segmentKey("my.log", index_id, 12);
    expect(parseSegmentKey(key)).toEqual({ key, name: "my.log", index_id, seq: 12 });
    expect(segmentKey("x", index_id, 9) < segmentKey("x", index_id, 10)).toBeTrue();
    expect(parseSegmentKey("_vectors/my.log.lhv1")).toBeUndefined();
  });
});

describe("a stored index", () => {
  test("is refused after any flipped bit and any truncation, before the engine reads it", async () => {
    await using engine = await Engine.open(parametersOf(3));
    engine.put(Array.from({ length: 40 }, (_, at) => ({ id: `v${at}`, vector: [1, at, 2] })));
    await engine.fold();
    const whole = await Bun.file(engine.framePath).bytes();
    const folder = await mkdtemp(join(tmpdir(), "lakehouse-frame-"));
    const path = join(folder, "damaged.lhv1");
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.nat({ max: whole.length - 1 }),
          fc.nat({ max: 7 }),
          fc.boolean(),
          async (at, bit, cut) => {
            const damaged = cut ? whole.slice(0, at) : whole.slice();
            if (!cut) damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
            await Bun.write(path, damaged);
            expect(isRefused(() => unpackFrame(path, join(folder, "out")))).toBeTrue();
          },
        ),
        propertySeed(),
      );
      await Bun.write(path, whole);
      expect(unpackFrame(path, join(folder, "out")).ids).toHaveLength(40);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
