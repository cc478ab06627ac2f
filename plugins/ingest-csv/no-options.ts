import { LakehouseError } from "../../core/error.ts";

/** For formats that leave nothing to say. Throws `invalid_request` for any option. */
export function refuseOptions(given: Readonly<Record<string, string>>, format: string): void {
  const [stranger] = Object.keys(given);
  if (stranger === undefined) return;
  throw new LakehouseError("invalid_request", `There is no option ${JSON.stringify(stranger)}.`, {
    hint: `An upload of ${format} has no options.`,
    extra: { parameter: stranger },
  });
}
