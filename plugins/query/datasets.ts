import { LakehouseError } from "../../core/error.ts";
import { type CatalogService, DATASET_NAME, type Manifest } from "../../core/services.ts";
import { suggest } from "../../core/suggest.ts";
import type { TableReference } from "./gate.ts";

const SUGGESTIONS_LIMIT = 10;

/** An older version of a dataset. No name holds an `@`, so this can be nothing else. */
const VERSIONED = /^([^@]*)@([1-9]\d{0,14})$/;

/** A dataset under the name that the statement has for it: `name`, or `name@version`. */
export interface Dataset {
  readonly name: string;
  readonly manifest: Manifest;
}

/** A table of the statement, taken apart. */
interface Wanted extends TableReference {
  /** Of the dataset, without the version. */
  readonly base: string;
  readonly version: number | undefined;
}

/**
 * The datasets a statement names. SQL identifiers ignore case, dataset names do not: the exact
 * name wins, else the only one that differs by case alone.
 *
 * Throws `invalid_sql` with the position of the name, `dataset_quarantined`, or `data_corrupt` if
 * the manifest of an older version is damaged.
 */
export async function findDatasets(
  references: readonly TableReference[],
  catalog: CatalogService,
): Promise<Dataset[]> {
  const found = new Map<string, Dataset>();
  for (const reference of references) {
    const dataset = await findDataset(reference, catalog);
    const key = dataset.name.toLowerCase();
    const other = found.get(key);
    if (other !== undefined && other.name !== dataset.name) {
      throw problem(
        reference,
        `The statement names both ${other.name} and ${dataset.name}, which SQL cannot tell apart.`,
        "Read them in two statements.",
      );
    }
    found.set(key, dataset);
  }
  return [...found.values()];
}

async function findDataset(reference: TableReference, catalog: CatalogService): Promise<Dataset> {
  const [, base = reference.name, digits] = VERSIONED.exec(reference.name) ?? [];
  const version = digits === undefined ? undefined : Number(digits);
  const wanted: Wanted = { ...reference, base, version };
  // The catalog would refuse to look up what can be no name.
  const exact = DATASET_NAME.test(base) ? catalog.get(base) : undefined;
  const current = exact ?? findIgnoringCase(wanted, catalog);
  if (version === undefined) return { name: current.name, manifest: current };
  const manifest = await catalog.getVersion(current.name, version);
  if (manifest === undefined) throw await noSuchVersion(wanted, current.name, catalog);
  return { name: `${current.name}@${version}`, manifest };
}

async function noSuchVersion(
  reference: Wanted,
  name: string,
  catalog: CatalogService,
): Promise<LakehouseError> {
  const newest = [...(await catalog.versions(name))].slice(-SUGGESTIONS_LIMIT);
  const spelt = newest.map((version) => `"${name}@${version}"`);
  return problem(
    reference,
    `Version ${reference.version} of the dataset ${name} is not kept.`,
    `Name one of ${spelt.join(", ")}, or ${name} for the current one.`,
    newest.map((version) => `${name}@${version}`),
  );
}

function findIgnoringCase(reference: Wanted, catalog: CatalogService): Manifest {
  const names = catalog.list().map(({ name }) => name);
  const wanted = reference.base.toLowerCase();
  const same = names.filter((name) => name.toLowerCase() === wanted);
  const [only] = same;
  if (same.length === 1 && only !== undefined) {
    const manifest = catalog.get(only);
    if (manifest !== undefined) return manifest;
  }
  const suffix = reference.version === undefined ? "" : `@${reference.version}`;
  if (same.length > 1) {
    const candidates = same.slice(0, SUGGESTIONS_LIMIT).map((name) => name + suffix);
    throw problem(
      reference,
      `The name ${reference.name} fits ${same.length} datasets.`,
      `Write it as one of ${candidates.join(", ")}.`,
      candidates,
    );
  }
  const near = suggest(reference.base, names);
  throw problem(
    reference,
    `There is no dataset named ${JSON.stringify(reference.base)}.`,
    near === undefined
      ? "GET /catalog/list has the names. A file is ingested before it is queried."
      : `Did you mean ${near}${suffix}?`,
    near === undefined ? [] : [near + suffix],
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
