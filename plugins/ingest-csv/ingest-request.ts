import { LakehouseError } from "../../core/error.ts";
import { checkName } from "../../core/services.ts";

export interface IngestRequest {
  readonly name: string;
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
  const name = given.get("name");
  if (name === undefined || name === "") {
    throw new LakehouseError("invalid_name", "The parameter name is missing.", {
      hint: "Name the dataset: POST /ingest?name=sales.",
    });
  }
  const report = given.get("report") ?? "false";
  if (report !== "true" && report !== "false") {
    throw invalid("The parameter report must be true or false.", "report");
  }
  given.delete("name");
  given.delete("report");
  return { name: checkName(name), report: report === "true", options: Object.fromEntries(given) };
}

function invalid(detail: string, parameter: string): LakehouseError {
  return new LakehouseError("invalid_request", detail, {
    hint: "The documentation of ingest lists its parameters.",
    extra: { parameter: parameter.slice(0, 40) },
  });
}
