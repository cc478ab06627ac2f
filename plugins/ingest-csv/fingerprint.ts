import type { Column } from "../../core/services.ts";

const UNIT_SEPARATOR = "\u001f";
const RECORD_SEPARATOR = "\u001e";

/**
 * The schema of a dataset as one string: `sha256:` and the hex SHA-256 over name, 0x1F, type, 0x1E
 * of every column in order. Types are Arrow names. Nullability is no part of it: a column that
 * gains nulls is no change of schema. Pure.
 */
export function schemaFingerprint(columns: readonly Pick<Column, "name" | "type">[]): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const { name, type } of columns) {
    hasher.update(name + UNIT_SEPARATOR + type + RECORD_SEPARATOR);
  }
  return `sha256:${hasher.digest("hex")}`;
}
