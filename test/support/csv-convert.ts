import { expect } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CodecOutput, SchemaInput } from "../../core/codec.ts";
import { convertCsv, type ConvertLimits } from "../../plugins/ingest-csv/convert.ts";
import type { CsvOptions } from "../../plugins/ingest-csv/options.ts";
import { RangeThreads } from "../../plugins/ingest-csv/range-threads.ts";
import { parquetRows } from "./parquet-rows.ts";

export interface ReadBack extends CodecOutput {
  /** Every cell as the engine prints it. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** The rejected rows. */
  readonly rejected: readonly (readonly (string | null)[])[];
  /** Hex SHA-256 of the Parquet file. */
  readonly sha256: string;
}

/** What a conversion is told beside the file. */
export interface Telling {
  readonly schema?: SchemaInput;
  readonly dry_run?: boolean;
}

export const LIMITS: ConvertLimits = {
  threads: 2,
  memory_limit_bytes: 1024 ** 3,
  temp_limit_bytes: 1024 ** 3,
  record_limit_bytes: 4 * 1024 ** 2,
  columns_limit: 4096,
  header_limit_bytes: 4 * 1024 ** 2,
  name_limit_bytes: 1024,
};

const threads = new RangeThreads(2);

/** As a request gives them. */
function rawOptions(options: Partial<CsvOptions>): Record<string, string> {
  const { delimiter, quote, escape, header, encoding, null_texts, types, formats, on_error } =
    options;
  const raw = {
    delimiter,
    quote,
    escape,
    header: header?.toString(),
    encoding,
    null: null_texts?.join(","),
    types:
      types && JSON.stringify(Object.fromEntries([...types].map(([key, { name }]) => [key, name]))),
    date_format: formats?.date?.text,
    timestamp_format: formats?.timestamp?.text,
    on_error: on_error === "reject" ? on_error : undefined,
  };
  return Object.fromEntries(
    Object.entries(raw).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

/** Converts a file in this process and reads the Parquet back with an engine of its own. */
export async function convertBytes(
  bytes: Uint8Array | string,
  options: Partial<CsvOptions> = {},
  limits: Partial<ConvertLimits> = {},
  { schema = { mode: "strict" }, dry_run = false }: Telling = {},
): Promise<ReadBack> {
  const folder = await mkdtemp(join(tmpdir(), "lakehouse-csv-"));
  try {
    const path = join(folder, "upload");
    const output_path = join(folder, "output.parquet");
    const rejects_path = join(folder, "rejects.parquet");
    await writeFile(path, bytes);
    const converted = await convertCsv(
      {
        path,
        // The file is whole.
        done_path: path,
        output_path,
        rejects_path,
        work_path: folder,
        options: rawOptions(options),
        schema,
        dry_run,
      },
      { ...LIMITS, ...limits },
      threads,
    );
    if (converted.sha256 === "") {
      expect(await Bun.file(output_path).exists()).toBe(false);
      return { ...converted, rows: [], rejected: [] };
    }
    const sha256 = new Bun.CryptoHasher("sha256")
      .update(await Bun.file(output_path).arrayBuffer())
      .digest("hex");
    expect(converted.sha256).toBe(sha256);
    const rejected = converted.rejects === undefined ? [] : await parquetRows(rejects_path);
    return { ...converted, rows: await parquetRows(output_path), rejected, sha256 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** True if the printed value of this type is what the cell says. */
export function sameValue(type: string, cell: string | null, printed: string | null): boolean {
  if (cell === null) return printed === null;
  // Only text has an empty value.
  if (cell === "") return printed === (type === "utf8" ? "" : null);
  if (printed === null) return false;
  if (type === "float64" || type.startsWith("decimal128")) return sameNumber(cell, printed);
  if (type === "bool") return cell.toLowerCase() === printed;
  if (type.startsWith("timestamp")) return plainTime(cell) === plainTime(printed);
  return cell === printed;
}

/** As exact decimals: digits without zeros at the ends, and the power of ten of the last one. */
function sameNumber(a: string, b: string): boolean {
  const [x, y] = [a, b].map((literal) => {
    const [, sign = "", whole = "", fraction = "", power = "0"] =
      /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/.exec(literal) ?? ["", "?"];
    const all = (whole + fraction).replace(/^0+/, "");
    const digits = all.replace(/0+$/, "");
    const exponent = Number(power) - fraction.length + all.length - digits.length;
    return digits === "" ? "0" : `${sign}${digits}e${exponent}`;
  });
  return x === y;
}

function plainTime(text: string): string {
  const [, day, at, fraction = ""] =
    /^(\S{10})[T ](\S{8})(?:\.(\d+))?(?:Z|\+00)?$/.exec(text) ?? [];
  return `${day} ${at} ${fraction.replace(/0+$/, "")}`;
}
