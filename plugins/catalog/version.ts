import { LakehouseError } from "../../core/error.ts";
import { historyKey } from "./history.ts";
import type { Quarantined } from "./manifest-files.ts";

/** The query parameter `version`; `invalid_request` unless it is a whole number from 1 on. */
export function parseVersion(text: unknown): number {
  const version = typeof text === "string" && /^[1-9]\d{0,15}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(version)) return version;
  throw new LakehouseError(
    "invalid_request",
    "The version of a dataset is a whole number from 1 on.",
    {
      hint: "GET /catalog/manifest/<name>/versions lists those that are kept.",
      extra: { parameter: "version" },
    },
  );
}

export function versionNotFound(
  name: string,
  version: number,
  kept: readonly number[],
): LakehouseError {
  return new LakehouseError("version_not_found", `Version ${version} of ${name} is not kept.`, {
    hint: `There is ${listVersions(kept)}; plugins.catalog.retention says how many are kept.`,
    extra: { versions: [...kept] },
  });
}

/** `version 4`, `versions 3 to 12`, or the single ones where there are gaps; ascending. */
function listVersions(versions: readonly number[]): string {
  const first = versions[0] ?? 0;
  const last = versions.at(-1) ?? 0;
  if (versions.length < 2) return `version ${last}`;
  const whole = last - first + 1 === versions.length;
  return whole ? `versions ${first} to ${last}` : `versions ${versions.join(", ")}`;
}

export function damagedVersion(
  name: string,
  version: number,
  { reason }: Quarantined,
): LakehouseError {
  const key = historyKey(name, version);
  return new LakehouseError(
    "data_corrupt",
    `The manifest of version ${version} of ${name} cannot be trusted: ${reason}`,
    {
      hint: "Put back a good copy of it; the current version is not touched by this.",
      extra: { key },
    },
  );
}
