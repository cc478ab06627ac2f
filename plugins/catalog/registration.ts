import { Type } from "@sinclair/typebox";
import { checkBody } from "../../core/body.ts";
import { LakehouseError } from "../../core/error.ts";
import { isRecord } from "../../core/json.ts";
import type { Limits } from "../../core/limits.ts";
import {
  checkName,
  type DataObject,
  type PhysicalColumn,
  type Registration,
} from "../../core/services.ts";
import { checkKey } from "../../core/storage.ts";
import { copyColumn } from "./columns.ts";
import { copyObject } from "./manifest.ts";

/** Integers beyond 2^53 - 1 have lost digits before anyone could look at them. */
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const physicalColumn = {
  /** A Parquet field id, which is an int32. */
  id: Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 }),
  name: Type.String({ minLength: 1 }),
  type: Type.String({ minLength: 1, maxLength: 4096 }),
};

export const dataObjectSchema = Type.Object(
  {
    key: Type.String(),
    size: count,
    sha256: Type.Optional(Type.String({ pattern: "^[0-9a-f]{64}$" })),
    row_count: Type.Optional(count),
    columns: Type.Optional(
      Type.Array(Type.Object(physicalColumn, { additionalProperties: false })),
    ),
  },
  { additionalProperties: false },
);

export const columnSchema = Type.Object(
  {
    ...physicalColumn,
    nullable: Type.Boolean(),
    integer_digits: Type.Optional(count),
    fraction_digits: Type.Optional(count),
  },
  { additionalProperties: false },
);

const registration = {
  name: Type.String(),
  schema_fingerprint: Type.String({ minLength: 1, maxLength: 1024 }),
  objects: Type.Array(dataObjectSchema),
  row_count: Type.Optional(count),
  columns: Type.Optional(Type.Array(columnSchema)),
};

/** The body of `POST /catalog/register`, which never changes a schema. */
export const registerSchema = Type.Object(registration, { additionalProperties: false });

/** What a plugin commits. */
export const commitSchema = Type.Object(
  {
    ...registration,
    schema_change: Type.Optional(Type.Union([Type.Literal("refuse"), Type.Literal("allow")])),
  },
  { additionalProperties: false },
);

/**
 * Checks a registration whole, before anything is stored: `invalid_name`, `invalid_fingerprint`,
 * `invalid_key`, `invalid_request`, `limit_exceeded`; each carries the JSON pointer (RFC 6901) of
 * the member. The result is a copy.
 */
export function checkRegistration(
  value: unknown,
  limits: Limits,
  schema: typeof registerSchema | typeof commitSchema,
): Registration {
  if (isRecord(value)) {
    checkNameMember(value["name"]);
    checkFingerprintMember(value["schema_fingerprint"]);
  }
  const body: Registration = checkBody(schema, value);
  checkObjects(body.objects, limits.dataset_columns);
  if (body.columns !== undefined) checkColumns(body.columns, limits.dataset_columns, "");
  return {
    name: body.name,
    schema_fingerprint: body.schema_fingerprint,
    objects: body.objects.map(copyObject),
    ...(body.row_count === undefined ? {} : { row_count: body.row_count }),
    ...(body.columns === undefined
      ? {}
      : { columns: body.columns.map((each) => copyColumn(each)) }),
    ...(body.schema_change === undefined ? {} : { schema_change: body.schema_change }),
  };
}

function checkNameMember(name: unknown): void {
  at("/name", () => checkName(typeof name === "string" ? name : ""));
}

function checkFingerprintMember(fingerprint: unknown): void {
  const pointer = "/schema_fingerprint";
  if (typeof fingerprint !== "string" || fingerprint.trim() === "") {
    throw new LakehouseError("invalid_fingerprint", "The schema fingerprint is empty.", {
      hint: "Send a text that stands for the names and types of the columns, for example `sha256:…`.",
      extra: { pointer },
    });
  }
  checkText(fingerprint, pointer);
}

function checkObjects(objects: readonly DataObject[], column_limit: number): void {
  const seen = new Set<string>();
  for (const [i, { key, columns }] of objects.entries()) {
    if (columns !== undefined) checkColumns(columns, column_limit, `/objects/${i}`);
    const pointer = `/objects/${i}/key`;
    at(pointer, () => checkKey(key));
    if (seen.has(key)) throw refused(pointer, "names an object that is listed before");
    seen.add(key);
  }
}

function checkColumns(columns: readonly PhysicalColumn[], limit: number, of: string): void {
  if (columns.length > limit) {
    throw new LakehouseError("limit_exceeded", `A dataset has at most ${limit} columns.`, {
      hint: "Split the dataset, or raise limits.dataset_columns.",
      extra: { pointer: `${of}/columns`, limit },
    });
  }
  const ids = new Set<number>();
  const names = new Set<string>();
  for (const [i, { id, name, type }] of columns.entries()) {
    checkText(name, `${of}/columns/${i}/name`);
    checkText(type, `${of}/columns/${i}/type`);
    if (ids.has(id)) throw refused(`${of}/columns/${i}/id`, "repeats a column id");
    if (names.has(name)) throw refused(`${of}/columns/${i}/name`, "repeats a column name");
    ids.add(id);
    names.add(name);
  }
}

/** UTF-8 cannot hold a lone surrogate: an encoder would quietly store U+FFFD in its place. */
function checkText(text: string, pointer: string): void {
  if (!text.isWellFormed()) throw refused(pointer, "is not well-formed Unicode");
}

function refused(pointer: string, why: string): LakehouseError {
  return new LakehouseError("invalid_request", `The member ${pointer} ${why}.`, {
    extra: { pointer },
  });
}

/** Runs a check of `core` and adds to its error where in the body it failed. */
function at(pointer: string, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof LakehouseError)) throw error;
    throw new LakehouseError(error.code, error.message, {
      hint: error.hint,
      extra: { ...error.extra, pointer },
    });
  }
}
