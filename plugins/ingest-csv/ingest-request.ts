import { LakehouseError } from "../../core/error.ts";
import { checkName } from "../../core/services.ts";
import type { SchemaMode } from "./reconcile.ts";

export interface IngestRequest {
  readonly name: string;
  /** What to do where the upload does not fit the registered schema. */
  readonly schema: SchemaMode;
  /** Whether the upload becomes the dataset, or one more data object of it. */
  readonly mode: "replace" | "append";
  /** Judge and convert nothing, store nothing. */
  readonly dry_run: boolean;
  /** Put the codec's report into the answer. */
  readonly report: boolean;
  /** The other parameters: the codec knows what they mean. */
  readonly options: Readonly<Record<string, string>>;
}

/** Reads the query of `POST /ingest`. Throws `invalid_name` or `invalid_request`. */
export function readIngestRequest(url: string): IngestRequest {
  const given = new Map<string, string>();
  for (const [key, value] of new URL(url).searchParams) {
    if (given.has(key)) throw invalid(`The parameter ${key.slice(0, 40)} is given twice.`, key);
    given.set(key, value);
  }
  const take = <Value extends string>(
    key: string,
    allowed: readonly [Value, ...Value[]],
  ): Value => {
    const text = given.get(key);
    given.delete(key);
    if (text === undefined) return allowed[0];
    const value = allowed.find((each) => each === text);
    if (value === undefined)
      throw invalid(`The parameter ${key} must be ${allowed.join(" or ")}.`, key);
    return value;
  };
  const name = given.get("name");
  given.delete("name");
  if (name === undefined || name === "") {
    throw new LakehouseError("invalid_name", "The parameter name is missing.", {
      hint: "Name the dataset: POST /ingest?name=sales.",
    });
  }
  return {
    name: checkName(name),
    schema: take("schema", ["strict", "widen", "replace"]),
    mode: take("mode", ["replace", "append"]),
    dry_run: take("dry_run", ["false", "true"]) === "true",
    report: take("report", ["false", "true"]) === "true",
    options: Object.fromEntries(given),
  };
}

function invalid(detail: string, parameter: string): LakehouseError {
  return new LakehouseError("invalid_request", detail, {
    hint: "The documentation of ingest lists its parameters.",
    extra: { parameter: parameter.slice(0, 40) },
  });
}
