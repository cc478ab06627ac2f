/** The engine's names of the Arrow types that have one name in both; as it reads them from Parquet. */
const ENGINE_TYPES: Readonly<Record<string, string>> = {
  bool: "BOOLEAN",
  int8: "TINYINT",
  int16: "SMALLINT",
  int32: "INTEGER",
  int64: "BIGINT",
  uint8: "UTINYINT",
  uint16: "USMALLINT",
  uint32: "UINTEGER",
  uint64: "UBIGINT",
  float32: "FLOAT",
  float64: "DOUBLE",
  utf8: "VARCHAR",
  binary: "BLOB",
  "date32[day]": "DATE",
  "time64[us]": "TIME",
  "timestamp[ms]": "TIMESTAMP",
  "timestamp[us]": "TIMESTAMP",
  "timestamp[ns]": "TIMESTAMP_NS",
};

const DECIMAL = /^decimal128\((\d{1,2}), ?(\d{1,2})\)$/;
/** Parquet keeps that a moment is in UTC, and no zone. */
const ZONED = /^timestamp\[(?:ms|us|ns), tz=.+\]$/;

/**
 * The engine's type of a column whose Arrow type has this name; undefined if it is not known here,
 * as that of a list or a struct. Pure.
 */
export function engineType(arrow_type: string): string | undefined {
  const decimal = DECIMAL.exec(arrow_type);
  if (decimal !== null) return `DECIMAL(${decimal[1]},${decimal[2]})`;
  if (ZONED.test(arrow_type)) return "TIMESTAMP WITH TIME ZONE";
  return ENGINE_TYPES[arrow_type];
}

/**
 * True if values of one type are read as the other without a loss, as far as types can tell: that
 * an integer has few enough digits for a double, or a decimal for another scale, was made sure of
 * when the schema was widened. Pure.
 */
export function isReadableAs(from: string, to: string): boolean {
  if (from === to) return true;
  if (from === "int64") return to === "float64" || to === "utf8" || DECIMAL.test(to);
  if (from === "date32[day]") return to === "utf8";
  return DECIMAL.test(from) && DECIMAL.test(to);
}
