import { type Static, Type } from "@sinclair/typebox";
import { LakehouseError } from "../../core/error.ts";
import type { Limits } from "../../core/limits.ts";

/** `cos`: 1 − cosine similarity; `l2`: squared Euclidean distance; `ip`: 1 − inner product. */
export type Metric = "cos" | "l2" | "ip";
/** How a component is stored; both keep the full exponent range of a float32. */
export type Quantization = "bf16" | "f32";

/** What an index is for life. */
export interface IndexParameters {
  readonly dimension: number;
  readonly metric: Metric;
  readonly quantization: Quantization;
  /** Edges per node of the graph, M in the HNSW paper (arXiv:1603.09320). */
  readonly connectivity: number;
  readonly ef_construction: number;
  /** Candidates looked at per search, unless the search says otherwise. */
  readonly ef_search: number;
}

/** The names other systems use, so that a client can move here without a rename. */
const METRIC_NAMES: Readonly<Record<string, Metric>> = {
  cos: "cos",
  cosine: "cos",
  l2: "l2",
  l2sq: "l2",
  euclidean: "l2",
  ip: "ip",
  dot: "ip",
  inner_product: "ip",
};

/** The body of POST /vectors/index. */
export const createSchema = Type.Object(
  {
    name: Type.String(),
    dimension: Type.Integer({ minimum: 1 }),
    metric: Type.Optional(Type.String()),
    quantization: Type.Optional(Type.Union([Type.Literal("bf16"), Type.Literal("f32")])),
    connectivity: Type.Optional(Type.Integer({ minimum: 2, maximum: 128 })),
    ef_construction: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
    ef_search: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
    persist: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

/**
 * Fills in the defaults. Metric and quantisation are matched against closed lists: an unknown one
 * that reached usearch would abort the process.
 */
export function parametersOf(body: Static<typeof createSchema>, limits: Limits): IndexParameters {
  if (body.dimension > limits.vector_dimension) {
    throw new LakehouseError(
      "limit_exceeded",
      `An index of ${body.dimension} dimensions is more than ${limits.vector_dimension}.`,
      { hint: "Raise vector_dimension under [limits].", extra: { pointer: "/dimension" } },
    );
  }
  const metric = Object.hasOwn(METRIC_NAMES, body.metric ?? "cos")
    ? METRIC_NAMES[body.metric ?? "cos"]
    : undefined;
  if (metric === undefined) {
    throw new LakehouseError("invalid_request", "The metric is none that is served.", {
      hint: `Use one of ${Object.keys(METRIC_NAMES).join(", ")}.`,
      extra: { pointer: "/metric" },
    });
  }
  return {
    dimension: body.dimension,
    metric,
    quantization: body.quantization ?? "bf16",
    connectivity: body.connectivity ?? 16,
    ef_construction: body.ef_construction ?? 128,
    // The inner product of vectors of any length is no metric: graphs need to look further for it.
    ef_search: body.ef_search ?? (metric === "ip" ? 256 : 128),
  };
}

/** The shape of the parameters as they are stored. */
export const parametersSchema = Type.Object(
  {
    dimension: Type.Integer({ minimum: 1 }),
    metric: Type.Union([Type.Literal("cos"), Type.Literal("l2"), Type.Literal("ip")]),
    quantization: Type.Union([Type.Literal("bf16"), Type.Literal("f32")]),
    connectivity: Type.Integer({ minimum: 2 }),
    ef_construction: Type.Integer({ minimum: 1 }),
    ef_search: Type.Integer({ minimum: 1 }),
  },
  { additionalProperties: false },
);
