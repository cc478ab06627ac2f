import {
  DuckDBArrayType,
  DuckDBDecimalType,
  DuckDBEnumType,
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  type DuckDBType,
  DuckDBUnionType,
} from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import { LakehouseError } from "../../../core/error.ts";
import { ByteSink, jsonBytes } from "./byte-sink.ts";
import { decimalCells } from "./decimal-cells.ts";
import { scalarCells } from "./scalar-cells.ts";
import { temporalCells } from "./temporal-cells.ts";
import {
  type Cell,
  type CellMaker,
  heapOf,
  isValid,
  nullable,
  type Style,
  validityOf,
} from "./vector.ts";

const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const encoder = new TextEncoder();

/**
 * How values of a type are written; `docs/query.md` has the table. Throws `invalid_sql` for a type
 * that has no exact text form here.
 */
export function cellsOf(type: DuckDBType, style: Style): CellMaker {
  const scalar = scalarCells.get(type.typeId) ?? temporalCells.get(type.typeId);
  if (scalar !== undefined) return scalar(style);
  if (type instanceof DuckDBDecimalType) return decimalCells(type, style);
  if (type instanceof DuckDBEnumType) return enumeration(type, style);
  const nested = nestedOf(type);
  if (nested !== undefined) return style === "json" ? nested : jsonInCsv(nested);
  throw new LakehouseError(
    "invalid_sql",
    `A column of the result has the type ${type.toString()}.`,
    {
      hint: "Cast it in the statement, for example to VARCHAR or JSON.",
    },
  );
}

function nestedOf(type: DuckDBType): CellMaker | undefined {
  if (type instanceof DuckDBListType) return list(cellsOf(type.valueType, "json"));
  if (type instanceof DuckDBArrayType) return array(cellsOf(type.valueType, "json"), type.length);
  if (type instanceof DuckDBStructType) return struct(type);
  if (type instanceof DuckDBMapType) return list(mapEntry(type));
  if (type instanceof DuckDBUnionType) return union(type);
  return undefined;
}

function enumeration(type: DuckDBEnumType, style: Style): CellMaker {
  const sink = new ByteSink();
  const members = type.values.map((value) => {
    const bytes = encoder.encode(value);
    if (style === "json") sink.jsonString(bytes, 0, bytes.length);
    else sink.csvField(bytes, 0, bytes.length);
    return sink.take();
  });
  const View =
    members.length > 65_536 ? Uint32Array : members.length > 256 ? Uint16Array : Uint8Array;
  return (vector, count) => {
    const { buffer, offset } = heapOf(vector, count * View.BYTES_PER_ELEMENT);
    const values = new View(buffer, offset, count);
    return nullable(vector, count, style, (sink, row) => {
      const member = members[values[row] ?? 0];
      if (member === undefined) throw new Error("an enum value lies outside its type");
      sink.raw(member);
    });
  };
}

function list(child: CellMaker): CellMaker {
  return (vector, count) => {
    const { buffer, offset } = heapOf(vector, count * 16);
    const entries = new BigUint64Array(buffer, offset, count * 2);
    const size = duckdb.list_vector_get_size(vector);
    const cell = size === 0 ? undefined : child(duckdb.list_vector_get_child(vector), size);
    return nullable(vector, count, "json", (sink, row) => {
      writeItems(sink, cell, Number(entries[row * 2] ?? 0n), Number(entries[row * 2 + 1] ?? 0n));
    });
  };
}

function array(child: CellMaker, length: number): CellMaker {
  return (vector, count) => {
    const cell = child(duckdb.array_vector_get_child(vector), count * length);
    return nullable(vector, count, "json", (sink, row) =>
      writeItems(sink, cell, row * length, length),
    );
  };
}

function writeItems(sink: ByteSink, cell: Cell | undefined, start: number, length: number): void {
  sink.byte(OPEN_LIST);
  if (cell !== undefined) {
    for (let index = start; index < start + length; index++) {
      if (index > start) sink.byte(COMMA);
      cell(sink, index);
    }
  }
  sink.byte(CLOSE_LIST);
}

/** An object; a struct without names, as `row(1, 2)` makes, is an array. */
function struct(type: DuckDBStructType): CellMaker {
  const children = type.entryTypes.map((entry) => cellsOf(entry, "json"));
  const named = type.entryNames.every((name) => name !== "");
  return fields(children, named ? type.entryNames : undefined);
}

function mapEntry(type: DuckDBMapType): CellMaker {
  return fields([cellsOf(type.keyType, "json"), cellsOf(type.valueType, "json")], ["key", "value"]);
}

function fields(children: readonly CellMaker[], names: readonly string[] | undefined): CellMaker {
  const labels = names?.map((name) => Buffer.concat([jsonBytes(name), Buffer.from(":")]));
  return (vector, count) => {
    const cells = children.map((child, index) =>
      child(duckdb.struct_vector_get_child(vector, index), count),
    );
    return nullable(vector, count, "json", (sink, row) => {
      sink.byte(labels === undefined ? OPEN_LIST : OPEN_OBJECT);
      for (const [index, cell] of cells.entries()) {
        if (index > 0) sink.byte(COMMA);
        const label = labels?.[index];
        if (label !== undefined) sink.raw(label);
        cell(sink, row);
      }
      sink.byte(labels === undefined ? CLOSE_LIST : CLOSE_OBJECT);
    });
  };
}

/** An object whose one member is named after the tag. Physically a struct, the tag first. */
function union(type: DuckDBUnionType): CellMaker {
  const children = type.memberTypes.map((member) => cellsOf(member, "json"));
  const labels = type.memberTags.map((tag) => Buffer.concat([jsonBytes(tag), Buffer.from(":")]));
  return (vector, count) => {
    const tag_vector = duckdb.struct_vector_get_child(vector, 0);
    const tags = heapOf(tag_vector, count).bytes;
    const tag_bits = validityOf(tag_vector, count);
    const cells = children.map((child, index) =>
      child(duckdb.struct_vector_get_child(vector, index + 1), count),
    );
    return nullable(vector, count, "json", (sink, row) => {
      const tag = tags[row] ?? 0;
      const label = labels[tag];
      if ((tag_bits !== undefined && !isValid(tag_bits, row)) || label === undefined) {
        sink.ascii("null");
        return;
      }
      sink.byte(OPEN_OBJECT);
      sink.raw(label);
      cells[tag]?.(sink, row);
      sink.byte(CLOSE_OBJECT);
    });
  };
}

/** A nested value in a CSV field: its JSON, quoted as text. NULL stays an empty field. */
function jsonInCsv(nested: CellMaker): CellMaker {
  return (vector, count) => {
    const cell = nested(vector, count);
    const scratch = new ByteSink();
    return nullable(vector, count, "csv", (sink, row) => {
      cell(scratch, row);
      sink.csvField(scratch.bytes, 0, scratch.at);
      scratch.at = 0;
    });
  };
}
