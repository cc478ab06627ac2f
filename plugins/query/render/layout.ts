import type { DuckDBType } from "@duckdb/node-api";
import { ByteSink, jsonBytes } from "./byte-sink.ts";
import type { Style } from "./vector.ts";

export type Format = "json" | "csv" | "ndjson";

export interface ResultColumn {
  readonly name: string;
  readonly type: DuckDBType;
  /** The engine's name of the type, `DECIMAL(18,2)`. */
  readonly type_name: string;
}

/** Everything of a format but the values: the bytes before, between and after them. */
export interface Layout {
  readonly style: Style;
  readonly head: Uint8Array;
  /** Before the cell of each column, the start of the row included. */
  readonly prefixes: readonly Uint8Array[];
  readonly row_end: Uint8Array;
  /** Before every row but the first. */
  readonly row_separator: Uint8Array;
  tail(row_count: number): Uint8Array;
}

const encoder = new TextEncoder();
const bytes = (text: string): Uint8Array => encoder.encode(text);
const NOTHING = new Uint8Array(0);

export function layoutOf(format: Format, columns: readonly ResultColumn[]): Layout {
  if (format === "csv") return csvLayout(columns);
  if (format === "ndjson") return ndjsonLayout(columns);
  return jsonLayout(columns);
}

/** `{columns, rows, row_count}`; the count comes last, because it is known last. */
function jsonLayout(columns: readonly ResultColumn[]): Layout {
  const described = JSON.stringify(
    columns.map(({ name, type_name }) => ({ name, type: type_name })),
  );
  return {
    style: "json",
    head: bytes(`{"columns":${described},"rows":[`),
    prefixes: columns.map((_, index) => bytes(index === 0 ? "[" : ",")),
    row_end: bytes("]"),
    row_separator: bytes(",\n"),
    tail: (row_count) => bytes(`],"row_count":${row_count}}\n`),
  };
}

/** RFC 4180 with a header row; names may repeat there, as they do in the statement. */
function csvLayout(columns: readonly ResultColumn[]): Layout {
  const header = new ByteSink();
  for (const [index, { name }] of columns.entries()) {
    if (index > 0) header.ascii(",");
    const field = bytes(name);
    header.csvField(field, 0, field.length);
  }
  header.ascii("\r\n");
  return {
    style: "csv",
    head: header.take(),
    prefixes: columns.map((_, index) => (index === 0 ? NOTHING : bytes(","))),
    row_end: bytes("\r\n"),
    row_separator: NOTHING,
    tail: () => NOTHING,
  };
}

/** One JSON object per line. */
function ndjsonLayout(columns: readonly ResultColumn[]): Layout {
  const prefixes = uniqueNames(columns.map(({ name }) => name)).map((name, index) =>
    Buffer.concat([bytes(index === 0 ? "{" : ","), jsonBytes(name), bytes(":")]),
  );
  return {
    style: "json",
    head: NOTHING,
    prefixes,
    row_end: bytes("}\n"),
    row_separator: NOTHING,
    tail: () => NOTHING,
  };
}

/**
 * An object keeps only one of two members of the same name, so repeated names get `_2`, `_3` … in
 * order, skipping what is taken: `a, a, a_2` becomes `a, a_3, a_2`.
 */
export function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set(names);
  const seen = new Set<string>();
  return names.map((name) => {
    if (!seen.has(name)) {
      seen.add(name);
      return name;
    }
    let number = 2;
    while (taken.has(`${name}_${number}`)) number++;
    const unique = `${name}_${number}`;
    taken.add(unique);
    seen.add(unique);
    return unique;
  });
}
