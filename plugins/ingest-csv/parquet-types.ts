import {
  type DuckDBDecimalType,
  type DuckDBListType,
  type DuckDBMapType,
  type DuckDBStructType,
  type DuckDBType,
  DuckDBTypeId,
} from "@duckdb/node-api";

/** Types without parameters, by Arrow's names. */
const PLAIN: Readonly<Partial<Record<DuckDBTypeId, string>>> = {
  [DuckDBTypeId.BOOLEAN]: "bool",
  [DuckDBTypeId.TINYINT]: "int8",
  [DuckDBTypeId.SMALLINT]: "int16",
  [DuckDBTypeId.INTEGER]: "int32",
  [DuckDBTypeId.BIGINT]: "int64",
  [DuckDBTypeId.UTINYINT]: "uint8",
  [DuckDBTypeId.USMALLINT]: "uint16",
  [DuckDBTypeId.UINTEGER]: "uint32",
  [DuckDBTypeId.UBIGINT]: "uint64",
  [DuckDBTypeId.FLOAT]: "float32",
  [DuckDBTypeId.DOUBLE]: "float64",
  [DuckDBTypeId.BLOB]: "binary",
  [DuckDBTypeId.DATE]: "date32[day]",
  [DuckDBTypeId.TIME]: "time64[us]",
  [DuckDBTypeId.TIME_NS]: "time64[ns]",
  [DuckDBTypeId.TIME_TZ]: "time64[us, tz=UTC]",
  [DuckDBTypeId.TIMESTAMP]: "timestamp[us]",
  [DuckDBTypeId.TIMESTAMP_NS]: "timestamp[ns]",
  [DuckDBTypeId.TIMESTAMP_TZ]: "timestamp[us, tz=UTC]",
  [DuckDBTypeId.UUID]: "extension<arrow.uuid>",
  [DuckDBTypeId.INTERVAL]: "month_day_nano_interval",
};

/**
 * The Arrow name of a type as the engine reads it, nested ones with what they hold; undefined for
 * one that Arrow has no name for, such as VARIANT. Pure.
 */
export function arrowName(type: DuckDBType): string | undefined {
  if (type.typeId === DuckDBTypeId.VARCHAR)
    return type.alias === "JSON" ? "extension<arrow.json>" : "utf8";
  if (type.typeId === DuckDBTypeId.DECIMAL) return decimalName(type);
  if (type.typeId === DuckDBTypeId.LIST) return listName(type);
  if (type.typeId === DuckDBTypeId.STRUCT) return structName(type);
  if (type.typeId === DuckDBTypeId.MAP) return mapName(type);
  return PLAIN[type.typeId];
}

const decimalName = ({ width, scale }: DuckDBDecimalType): string =>
  `decimal128(${width}, ${scale})`;

function listName({ valueType }: DuckDBListType): string | undefined {
  const item = arrowName(valueType);
  return item === undefined ? undefined : `list<item: ${item}>`;
}

function structName({ entryNames, entryTypes }: DuckDBStructType): string | undefined {
  const members: string[] = [];
  for (const [index, type] of entryTypes.entries()) {
    const name = entryNames[index] ?? "";
    const member = arrowName(type);
    if (member === undefined) return undefined;
    members.push(`${/^\w+$/.test(name) ? name : JSON.stringify(name)}: ${member}`);
  }
  return `struct<${members.join(", ")}>`;
}

function mapName({ keyType, valueType }: DuckDBMapType): string | undefined {
  const key = arrowName(keyType);
  const value = arrowName(valueType);
  return key === undefined || value === undefined ? undefined : `map<${key}, ${value}>`;
}
