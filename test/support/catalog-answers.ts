import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { okJson } from "./server.ts";

const instant = Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$" });
const exactly = { additionalProperties: false } as const;

const physical = { id: Type.Integer(), name: Type.String(), type: Type.String() };

/** A manifest as the wire contract has it: no member more. */
const manifest = Type.Object(
  {
    dataset_id: Type.String({
      pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    }),
    name: Type.String(),
    schema_fingerprint: Type.String(),
    objects: Type.Array(
      Type.Object(
        {
          key: Type.String(),
          size: Type.Integer(),
          sha256: Type.Optional(Type.String()),
          row_count: Type.Optional(Type.Integer()),
          columns: Type.Optional(Type.Array(Type.Object(physical, exactly))),
        },
        exactly,
      ),
    ),
    created_at: instant,
    updated_at: instant,
    row_count: Type.Optional(Type.Integer()),
    version: Type.Integer({ minimum: 1 }),
    columns: Type.Optional(
      Type.Array(
        Type.Object(
          {
            ...physical,
            nullable: Type.Boolean(),
            integer_digits: Type.Optional(Type.Integer()),
            fraction_digits: Type.Optional(Type.Integer()),
          },
          exactly,
        ),
      ),
    ),
    last_column_id: Type.Optional(Type.Integer()),
  },
  exactly,
);
const committed = Type.Object({ manifest, existing: Type.Boolean() }, exactly);
const listed = Type.Object({ manifests: Type.Array(manifest), count: Type.Integer() }, exactly);

export type ManifestAnswer = Static<typeof manifest>;
export type CommittedAnswer = Static<typeof committed>;

async function parse<S extends TSchema>(schema: S, response: Response): Promise<Static<S>> {
  const body = await okJson(response);
  if (Value.Check(schema, body)) return body;
  const { path, message } = Value.Errors(schema, body).First() ?? {};
  throw new Error(`${path}: ${message} in ${JSON.stringify(body)}`);
}

/** The answer of `GET /catalog/manifest/<name>`, checked against the wire contract. */
export const manifestOf = (response: Response): Promise<ManifestAnswer> =>
  parse(manifest, response);

/** The answer of `POST /catalog/register`. */
export const committedOf = (response: Response): Promise<CommittedAnswer> =>
  parse(committed, response);

/** The manifests of `GET /catalog/list`, whose count must be theirs. */
export async function listOf(response: Response): Promise<readonly ManifestAnswer[]> {
  const { manifests, count } = await parse(listed, response);
  if (count !== manifests.length) throw new Error(`count is ${count}, not ${manifests.length}`);
  return manifests;
}
