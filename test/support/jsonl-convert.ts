import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "bun:test";
import type { CodecOutput } from "../../core/codec.ts";
import { convertJsonLines } from "../../plugins/ingest-csv/jsonl-convert.ts";
import { LIMITS, sameValue, type Telling } from "./csv-convert.ts";
import type { Drawn } from "./json-columns.ts";
import { parquetRows } from "./parquet-rows.ts";

export interface JsonReadBack extends CodecOutput {
  /** Every cell as the engine prints it. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/** Converts a file in this process and reads the Parquet back with an engine of its own. */
export async function convertLines(
  text: string,
  { schema = { mode: "strict" }, dry_run = false }: Telling = {},
): Promise<JsonReadBack> {
  const folder = await mkdtemp(join(tmpdir(), "lakehouse-jsonl-"));
  try {
    const path = join(folder, "upload");
    const output_path = join(folder, "output.parquet");
    await writeFile(path, text);
    const job = { path, done_path: path, output_path, work_path: folder, schema, dry_run };
    const converted = await convertJsonLines(job, LIMITS);
    const output = Bun.file(output_path);
    expect(await output.exists()).toBe(converted.sha256 !== "");
    if (converted.sha256 === "") return { ...converted, rows: [] };
    const sha256 = new Bun.CryptoHasher("sha256").update(await output.arrayBuffer()).digest("hex");
    expect(converted.sha256).toBe(sha256);
    return { ...converted, rows: await parquetRows(output_path) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One line per row, with the members that the row has. */
export function linesOf(names: readonly string[], columns: readonly (readonly Cell[])[]): string {
  const count = Math.max(...columns.map(({ length }) => length));
  const lines = Array.from({ length: count }, (_, row) => {
    const members = names.flatMap((name, index) => {
      const cell = columns[index]?.[row];
      // The first row names all, so that every column is there.
      if (cell === undefined && row > 0) return [];
      return [`${JSON.stringify(name)}: ${cell?.written ?? "null"}`];
    });
    return `{${members.join(", ")}}\n`;
  });
  return lines.join("");
}

/** Undefined: the row has no such member. */
export type Cell = Drawn | undefined;

const isNull = (cell: Cell): cell is undefined => cell === undefined || cell.written === "null";
const NUMBER = /^-?(\d+)(?:\.(\d+))?(e[+-]?\d+)?$/i;

/** True if the value of the cell is the same in the type of this Arrow name. */
export function keepsValue(cell: Cell, type: string): boolean {
  if (isNull(cell) || type === "extension<arrow.json>") return true;
  const { written, text } = cell;
  if (type === "utf8") return text !== undefined;
  if (type === "bool") return written === "true" || written === "false";
  const [, whole, fraction = "", power] = NUMBER.exec(written) ?? [];
  if (whole === undefined) return false;
  if (type === "float64") {
    const nearest = Number(written);
    return Number.isFinite(nearest) && sameValue(type, written, String(nearest));
  }
  if (type === "int64") {
    if (fraction !== "" || power !== undefined || /^-0$/.test(written)) return false;
    return BigInt.asIntN(64, BigInt(written)) === BigInt(written);
  }
  const [, precision, scale] = /^decimal128\((\d+), (\d+)\)$/.exec(type) ?? [];
  if (scale === undefined || power !== undefined) return false;
  return fraction.length <= Number(scale) && whole.length <= Number(precision) - Number(scale);
}

/** True if the cell was stored as this type and came back as what it says. */
export function cameBack(cell: Cell, type: string, printed: string | null): boolean {
  if (isNull(cell)) return printed === null;
  if (type === "extension<arrow.json>") return printed === cell.written;
  if (type === "utf8") return printed === cell.text;
  if (!sameValue(type, cell.written, printed)) return false;
  // Zero has a sign in a double, and in nothing else.
  return type !== "float64" || printed?.startsWith("-") === cell.written.startsWith("-");
}
