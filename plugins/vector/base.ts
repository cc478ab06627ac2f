import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { corrupt } from "./frame.ts";
import { parametersSchema } from "./parameters.ts";

/** What makes an index this one: the id is new at each creation, also under an old name. */
export const identitySchema = Type.Object({
  index_id: Type.String({ minLength: 36, maxLength: 36 }),
  name: Type.String(),
  /** RFC 3339, UTC. */
  created_at: Type.String(),
  parameters: parametersSchema,
});
export type Identity = Static<typeof identitySchema>;

const headSchema = Type.Composite([
  Type.Object({ format: Type.Literal(1) }),
  identitySchema,
  Type.Object({
    updated_at: Type.String(),
    /** Log pieces up to this number are in here; later ones are replayed over it. */
    folded_seq: Type.Integer({ minimum: 0 }),
    /** Bytes of the graph, which is the payload; 0 without rows. */
    graph_bytes: Type.Integer({ minimum: 0 }),
    engine: Type.String(),
  }),
]);

/** The envelope of a folded index, `_vectors/<name>.lhv1`. */
export interface BaseEnvelope extends Static<typeof headSchema> {
  /** By row, which is also the key in the graph; null for a row that is dead. */
  readonly ids: readonly (string | null)[];
  /** By row: JSON text, so that it comes back as it was written; null for none. */
  readonly metadata: readonly (string | null)[];
}

/** An index without rows, as it is created. */
export const emptyBase = (identity: Identity): BaseEnvelope => ({
  format: 1,
  ...identity,
  updated_at: identity.created_at,
  folded_seq: 0,
  graph_bytes: 0,
  engine: "usearch",
  ids: [],
  metadata: [],
});

/** Checks the shape by hand where it is long: a schema walks millions of rows ten times slower. */
export function checkBase(
  envelope: Readonly<Record<string, unknown>>,
  payload_bytes: number,
): BaseEnvelope {
  const { ids, metadata, ...head } = envelope;
  if (!Value.Check(headSchema, head)) throw corrupt("has an unknown index format");
  if (!isTexts(ids) || !isTexts(metadata) || ids.length !== metadata.length) {
    throw corrupt("has a damaged list of rows");
  }
  if (head.graph_bytes !== payload_bytes || (ids.length === 0) !== (payload_bytes === 0)) {
    throw corrupt("has a graph of another size than its envelope says");
  }
  return { ...head, ids, metadata };
}

function isTexts(value: unknown): value is (string | null)[] {
  return Array.isArray(value) && value.every((each) => each === null || typeof each === "string");
}

const KEY = /^_vectors\/([^/]+)\.lhv1$/;

export const baseKey = (name: string): string => `_vectors/${name}.lhv1`;

/** The index name in a key, or undefined if the key is none of a base object. */
export const parseBaseKey = (key: string): string | undefined => KEY.exec(key)?.[1];
