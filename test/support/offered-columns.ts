import {
  type OfferedColumn,
  reconcile,
  type Reconciled,
  type RegisteredSchema,
  type SchemaMode,
} from "../../plugins/ingest-csv/reconcile.ts";
import type { Column } from "../../core/services.ts";

/** Uploads as `reconcile` sees them, made from their cells by rules that look at every one. */

const SCALES = [0, 9, 18, 27, 37];
export const NATURAL = [
  "int64",
  "float64",
  ...SCALES.map((scale) => `decimal128(38, ${scale})`),
  "bool",
  "date32[day]",
  "utf8",
];
const NUMBER = /^-?(\d+)(?:\.(\d+))?$/;

/** True if the cell has the same value in this type; an empty cell is null, and fits any. */
export function keeps(cell: string, type: string): boolean {
  if (cell === "" || type === "utf8") return true;
  if (type === "bool") return cell === "true" || cell === "false";
  if (type === "date32[day]") return /^\d{4}-\d\d-\d\d$/.test(cell);
  const [, whole, fraction = ""] = NUMBER.exec(cell) ?? [];
  if (whole === undefined || cell === "-0") return false;
  if (type === "int64") {
    return !cell.includes(".") && BigInt.asIntN(64, BigInt(cell)) === BigInt(cell);
  }
  if (type === "float64") {
    if (!cell.includes(".")) return BigInt(Number(cell)) === BigInt(cell);
    return (whole + fraction).replace(/^0+/, "").length <= 15;
  }
  const scale = Number(/, (\d+)\)$/.exec(type)?.[1]);
  return fraction.length <= scale && whole.length <= 38 - scale;
}

function offer(name: string, cells: readonly string[]): OfferedColumn {
  const fits = (type: string): boolean => cells.every((cell) => keeps(cell, type));
  const filled = cells.some((cell) => cell !== "");
  const digits = cells.map((cell) => NUMBER.exec(cell) ?? []);
  return {
    name,
    type: filled ? (NATURAL.find(fits) ?? "utf8") : "utf8",
    fits,
    integer_digits: Math.max(0, ...digits.map(([, whole = ""]) => whole.length)),
    fraction_digits: Math.max(0, ...digits.map(([, , fraction = ""]) => fraction.length)),
  };
}

export type Table = Readonly<Record<string, readonly string[]>>;

export const offerAll = (table: Table): OfferedColumn[] =>
  Object.entries(table).map(([name, cells]) => offer(name, cells));

export const register = (table: Table): Reconciled =>
  reconcile({ offered: offerAll(table), registered: undefined, mode: "strict" });

export const judge = (registered: RegisteredSchema, table: Table, mode: SchemaMode): Reconciled =>
  reconcile({ offered: offerAll(table), registered, mode });

export const typesOf = ({ columns }: { columns: readonly Column[] }): Record<string, string> =>
  Object.fromEntries(columns.map(({ name, type }) => [name, type]));

export const idsOf = ({ columns }: { columns: readonly Column[] }): Record<string, number> =>
  Object.fromEntries(columns.map(({ name, id }) => [name, id]));
