import { describe, expect, test } from "bun:test";
import { LakehouseError } from "../core/error.ts";
import type { Limits } from "../core/limits.ts";
import { decodeBatch } from "../plugins/vector/batch.ts";
import { prepareAdd, prepareDelete } from "../plugins/vector/intake.ts";
import { type IndexParameters, parametersOf as create } from "../plugins/vector/parameters.ts";
import { roundToBf16 } from "../plugins/vector/scalars.ts";
import { parametersOf } from "./support/vector-data.ts";
import { jsonBytes, standardLimits } from "./support/vector-engine.ts";

const good = { id: "good", vector: [1, 2] };

/** The error of a batch, from its body as text or as a value. */
function refusal(
  body: unknown,
  parameters: IndexParameters = parametersOf(2),
  limits: Partial<Limits> = {},
): LakehouseError {
  const bytes = typeof body === "string" ? Buffer.from(body) : jsonBytes(body);
  try {
    prepareAdd(bytes, parameters, { ...standardLimits, ...limits });
  } catch (error) {
    if (error instanceof LakehouseError) return error;
    throw error;
  }
  throw new Error("the batch was accepted");
}

/** The error of one bad item after a good one. */
const itemRefusal = (
  item: unknown,
  parameters?: IndexParameters,
  limits?: Partial<Limits>,
): LakehouseError => refusal({ items: [good, item] }, parameters, limits);

const base64 = (...numbers: number[]): string =>
  Buffer.from(Float32Array.from(numbers).buffer).toString("base64");

describe("a vector that does not fit", () => {
  const cases: readonly (readonly [string, unknown, object])[] = [
    ["too few components", [1], {}],
    ["too many components", [1, 2, 3], {}],
    ["a component that is null", [1, null], { component: 1 }],
    ["a component that is text", ["1", 2], { component: 0 }],
    ["a number no float32 can hold", [1, 1e39], { component: 1, value: "1e+39" }],
    ["only zeros under cosine", [0, 0], {}],
    ["bytes of another length", base64(1), {}],
    ["text that is not base64", "!!", {}],
    ["a NaN in base64", base64(1, Number.NaN), { component: 1, value: "NaN" }],
    ["an infinity in base64", base64(-Infinity, 1), { component: 0, value: "-Infinity" }],
  ];
  for (const [what, vector, extra] of cases) {
    test(`is refused with its item and id: ${what}`, () => {
      const { code, extra: told } = itemRefusal({ id: "bad", vector });
      expect(code).toBe("invalid_vector");
      expect(told).toEqual({ item: 1, id: "bad", ...extra });
    });
  }

  test("is refused when a JSON number overflows", () => {
    const { code, extra } = refusal('{"items":[{"id":"x","vector":[1,1e999]}]}');
    expect([code, extra["component"], extra["value"]]).toEqual(["invalid_vector", 1, "Infinity"]);
  });

  test("is refused when its distances could overflow", () => {
    const parameters = parametersOf(2, { metric: "l2", quantization: "f32" });
    expect(itemRefusal({ id: "long", vector: [1e19, 1] }, parameters).code).toBe("invalid_vector");
  });

  test("may be zero under l2 and ip, and tiny under cosine", () => {
    for (const metric of ["l2", "ip"] as const) {
      const body = jsonBytes({ items: [{ id: "zero", vector: [0, 0] }] });
      expect(prepareAdd(body, parametersOf(2, { metric }), standardLimits).length).toBePositive();
    }
    const parameters = parametersOf(2, { quantization: "f32" });
    const body = jsonBytes({ items: [{ id: "tiny", vector: [3e-60, 4e-60] }] });
    const { rows } = decodeBatch(prepareAdd(body, parameters, standardLimits), parameters);
    expect([...new Float32Array(rows.slice().buffer)]).toEqual([
      Math.fround(0.6),
      Math.fround(0.8),
    ]);
  });
});

describe("an item that is not well formed", () => {
  const cases: readonly (readonly [string, unknown, string])[] = [
    ["no object", 7, "/items/1"],
    ["no id", { vector: [1, 2] }, "/items/1/id"],
    ["an empty id", { id: "", vector: [1, 2] }, "/items/1/id"],
    ["an id that is a number", { id: 1, vector: [1, 2] }, "/items/1/id"],
    ["an id with half a surrogate pair", { id: "\ud800", vector: [1, 2] }, "/items/1/id"],
    ["the id of another item", { ...good }, "/items/1/id"],
    ["no vector", { id: "x" }, "/items/1/vector"],
    ["a member nobody knows", { id: "x", vector: [1, 2], metdata: {} }, "/items/1/metdata"],
    ["metadata that is a list", { id: "x", vector: [1, 2], metadata: [] }, "/items/1/metadata"],
    ["metadata that is null", { id: "x", vector: [1, 2], metadata: null }, "/items/1/metadata"],
  ];
  for (const [what, item, pointer] of cases) {
    test(`is refused with its place: ${what}`, () => {
      const { code, extra } = itemRefusal(item);
      expect([code, extra["pointer"]]).toEqual(["invalid_request", pointer]);
    });
  }

  test("is refused beyond a limit", () => {
    const long = { id: "é".repeat(5), vector: [1, 2] };
    expect(itemRefusal(long, undefined, { vector_id_bytes: 9 }).code).toBe("limit_exceeded");
    const large = { id: "x", vector: [1, 2], metadata: { text: "é".repeat(10) } };
    expect(itemRefusal(large, undefined, { vector_metadata_bytes: 30 }).code).toBe(
      "limit_exceeded",
    );
    expect(refusal({ items: [good, long] }, undefined, { vector_batch: 1 }).code).toBe(
      "limit_exceeded",
    );
  });
});

const withMetadata = (json: string): string =>
  `{"items":[{"id":"x","vector":[1,2],"metadata":${json}}]}`;

describe("metadata", () => {
  test("is refused where a number would come back as another", () => {
    for (const json of ['{"n":9007199254740993}', '{"n":[1,{"m":1e999}]}', '{"n":-1e17}']) {
      expect(refusal(withMetadata(json)).code).toBe("invalid_request");
    }
  });

  test("is refused when nested too deep to read back", () => {
    const json = `${'{"a":'.repeat(100)}1${"}".repeat(100)}`;
    expect(refusal(withMetadata(json)).code).toBe("invalid_request");
  });

  test("comes back as it was written", () => {
    const metadata = { text: "é\u0000\ud800", n: 0.1, big: 1e300, list: [true, null, {}] };
    const parameters = parametersOf(2);
    const body = jsonBytes({ items: [{ ...good, metadata }] });
    const batch = decodeBatch(prepareAdd(body, parameters, standardLimits), parameters);
    expect(JSON.parse(batch.metadata[0] ?? "")).toEqual(metadata);
  });
});

describe("a body", () => {
  test("must be JSON in UTF-8 with a list that is not empty", () => {
    expect(refusal("{").code).toBe("invalid_json");
    expect(refusal("[]").code).toBe("invalid_request");
    expect(refusal({ items: [] }).code).toBe("invalid_request");
    expect(refusal({ items: [good], more: 1 }).code).toBe("invalid_request");
    const latin1 = Buffer.from('{"items":[{"id":"é","vector":[1,2]}]}', "latin1");
    expect(() => prepareAdd(latin1, parametersOf(2), standardLimits)).toThrow();
    expect(() => prepareDelete(jsonBytes({ ids: [""] }), standardLimits)).toThrow();
  });
});

describe("a stored component", () => {
  test("is the nearest bfloat16, ties to even", () => {
    expect(roundToBf16(1)).toBe(1);
    expect(roundToBf16(1 + 1 / 256)).toBe(1);
    expect(roundToBf16(1 + 3 / 256)).toBe(1 + 4 / 256);
    expect(roundToBf16(1 + 1.001 / 256)).toBe(1 + 2 / 256);
    expect(roundToBf16(-0.1)).toBeCloseTo(-0.1, 3);
    expect(roundToBf16(3.4e38)).toBe(Infinity);
  });
});

describe("the parameters of an index", () => {
  test("take the metric names of other systems", () => {
    const names = ["cosine", "l2sq", "euclidean", "dot", "inner_product"];
    const metrics = names.map(
      (metric) => create({ name: "x", dimension: 2, metric }, standardLimits).metric,
    );
    expect(metrics).toEqual(["cos", "l2", "l2", "ip", "ip"]);
  });

  test("are refused where the engine would abort the process", () => {
    for (const metric of ["unknown", "jaccard", "toString", ""]) {
      expect(() => create({ name: "x", dimension: 2, metric }, standardLimits)).toThrow();
    }
    expect(() => create({ name: "x", dimension: 16_385 }, standardLimits)).toThrow();
  });
});
