import { LakehouseError } from "../../core/error.ts";
import { type CatalogService, DATASET_NAME, type Manifest } from "../../core/services.ts";
import { suggest } from "../../core/suggest.ts";
import type { TableReference } from "./gate.ts";

const SUGGESTIONS_LIMIT = 10;

/**
 * The datasets a statement names. SQL identifiers ignore case, dataset names do not: the exact
 * name wins, else the only one that differs by case alone.
 *
 * Throws `invalid_sql` with the position of the name, or `dataset_quarantined`.
 */
export function findDatasets(
  references: readonly TableReference[],
  catalog: CatalogService,
): Manifest[] {
  const found = new Map<string, Manifest>();
  for (const reference of references) {
    // The catalog would refuse to look up what can be no name.
    const exact = DATASET_NAME.test(reference.name) ? catalog.get(reference.name) : undefined;
    const manifest = exact ?? findIgnoringCase(reference, catalog);
    const key = manifest.name.toLowerCase();
    const other = found.get(key);
    if (other !== undefined && other.name !== manifest.name) {
      throw problem(
        reference,
        `The statement names both ${other.name} and ${manifest.name}, which SQL cannot tell apart.`,
        "Read them in two statements.",
      );
    }
    found.set(key, manifest);
  }
  return [...found.values()];
}

function findIgnoringCase(reference: TableReference, catalog: CatalogService): Manifest {
  const names = catalog.list().map(({ name }) => name);
  const wanted = reference.name.toLowerCase();
  const same = names.filter((name) => name.toLowerCase() === wanted);
  const [only] = same;
  if (same.length === 1 && only !== undefined) {
    const manifest = catalog.get(only);
    if (manifest !== undefined) return manifest;
  }
  if (same.length > 1) {
    throw problem(
      reference,
      `The name ${reference.name} fits ${same.length} datasets.`,
      `Write it as one of ${same.slice(0, SUGGESTIONS_LIMIT).join(", ")}.`,
      same.slice(0, SUGGESTIONS_LIMIT),
    );
  }
  const near = suggest(reference.name, names);
  throw problem(
    reference,
    `There is no dataset named ${JSON.stringify(reference.name)}.`,
    near === undefined
      ? "GET /catalog/list has the names. A file is ingested before it is queried."
      : `Did you mean ${near}?`,
    near === undefined ? [] : [near],
  );
}

function problem(
  { name, position }: TableReference,
  detail: string,
  hint: string,
  candidates: readonly string[] = [],
): LakehouseError {
  return new LakehouseError("invalid_sql", detail, {
    hint,
    extra: {
      dataset: name,
      ...(position === undefined ? {} : { position: { ...position } }),
      ...(candidates.length === 0 ? {} : { candidates }),
    },
  });
}
