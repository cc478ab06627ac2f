import { LakehouseError } from "../../core/error.ts";
import type { DataObject, PhysicalColumn } from "../../core/services.ts";
import type { Dataset } from "./datasets.ts";
import type { ObjectFile } from "./object-files.ts";
import type { FileGroup, Table, TableColumn } from "./protocol.ts";

/** A dataset with its local files, one per object, as the engine is told of it. Pure. */
export function tableOf(
  { name, manifest: { objects, columns = [] } }: Dataset,
  files: readonly ObjectFile[],
): Table {
  if (objects.length === 0 && columns.length === 0) {
    throw new LakehouseError(
      "invalid_sql",
      `The dataset ${name} was registered without data and without columns.`,
      { hint: "Ingest a file, or register it with its objects.", extra: { dataset: name } },
    );
  }
  return {
    name,
    groups: groupsOf(objects, files),
    versions: files.map(({ version }) => version),
    columns: columns.map(pick),
  };
}

/** Objects of the same columns together, in the order in which each kind comes first. */
function groupsOf(objects: readonly DataObject[], files: readonly ObjectFile[]): FileGroup[] {
  const groups = new Map<string, FileGroup>();
  for (const [i, { columns }] of objects.entries()) {
    const own = columns?.map(pick);
    const key = JSON.stringify(own ?? null);
    const group = groups.get(key) ?? { paths: [], ...(own === undefined ? {} : { columns: own }) };
    const file = files[i];
    if (file !== undefined) group.paths.push(file.path);
    groups.set(key, group);
  }
  return [...groups.values()];
}

const pick = ({ id, name, type }: PhysicalColumn): TableColumn => ({ id, name, type });
