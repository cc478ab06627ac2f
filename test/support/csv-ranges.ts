import { expect } from "bun:test";
import { LakehouseError } from "../../core/error.ts";
import type { CsvOptions } from "../../plugins/ingest-csv/options.ts";
import { convertBytes, type LIMITS, type ReadBack, type Telling } from "./csv-convert.ts";

/** Longer than any text here. */
export const ONE_RANGE = 1 << 30;

export interface How {
  readonly options?: Partial<CsvOptions>;
  readonly limits?: Partial<typeof LIMITS>;
  readonly telling?: Telling;
}

/** All that is told of a conversion, or why it was refused; the row groups differ, and with them the bytes. */
async function told(
  bytes: Uint8Array | string,
  range_bytes: number,
  { options = {}, limits = {}, telling = {} }: How,
): Promise<Partial<ReadBack>> {
  try {
    const back = await convertBytes(bytes, options, { ...limits, range_bytes }, telling);
    const { sha256: _sha256, size_bytes: _size, rejects, ...rest } = back;
    return { ...rest, ...(rejects && { rejects: { ...rejects, size_bytes: 0, sha256: "" } }) };
  } catch (error) {
    if (!(error instanceof LakehouseError)) throw error;
    const { code, message, extra } = error;
    return { report: { code, message, extra: JSON.parse(JSON.stringify(extra ?? {})) } };
  }
}

/** Converts a text in one range and in many; gives back what both came to. */
export async function same(
  bytes: Uint8Array | string,
  sizes: readonly number[],
  how: How = {},
): Promise<Partial<ReadBack>> {
  const one = await told(bytes, ONE_RANGE, how);
  for (const size of sizes) expect([size, await told(bytes, size, how)]).toEqual([size, one]);
  return one;
}

export const typesOf = ({ columns = [] }: Partial<ReadBack>): string[] =>
  columns.map(({ type }) => type);

export const numbered = (count: number, line: (row: number) => string): string =>
  Array.from({ length: count }, (_, row) => line(row)).join("");
