import { LakehouseError } from "../../core/error.ts";
import { DECIMAL_DIGITS } from "./column-types.ts";

/** A type as a user names it. */
export interface TypeName {
  /** In one spelling: `DECIMAL(10,2)`. */
  readonly name: string;
  readonly base: BaseType;
  readonly precision: number;
  readonly scale: number;
}

const BASE_TYPES = [
  "BIGINT",
  "DOUBLE",
  "DECIMAL",
  "BOOLEAN",
  "DATE",
  "TIMESTAMP",
  "TIMESTAMPTZ",
  "VARCHAR",
] as const;
type BaseType = (typeof BASE_TYPES)[number];

/** Reads `types=`: the name of a column → the name of its type. Throws `invalid_request`. */
export function readTypeName(column: string, text: unknown): TypeName {
  const [, word = "", digits, places] =
    /^\s*([a-z]+)\s*(?:\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\))?\s*$/i.exec(String(text)) ?? [];
  const base = BASE_TYPES.find((each) => each === word.toUpperCase());
  const [precision, scale] = [Number(digits ?? 0), Number(places ?? 0)];
  const has_digits = digits !== undefined;
  const is_decimal = precision >= 1 && precision <= DECIMAL_DIGITS && scale <= precision;
  const is_known = base === "DECIMAL" ? is_decimal : base !== undefined && !has_digits;
  if (typeof text === "string" && base !== undefined && is_known) {
    const name = base === "DECIMAL" ? `DECIMAL(${precision},${scale})` : base;
    return { name, base, precision, scale };
  }
  throw new LakehouseError(
    "invalid_request",
    `types: ${JSON.stringify(text)?.slice(0, 60)} is no type for the column ${JSON.stringify(column.slice(0, 60))}.`,
    {
      hint: `Use ${BASE_TYPES.map((each) => (each === "DECIMAL" ? "DECIMAL(p,s) with p up to 38" : each)).join(", ")}.`,
      extra: { parameter: "types" },
    },
  );
}
