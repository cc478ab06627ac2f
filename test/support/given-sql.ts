import {
  type ColumnType,
  decimal,
  TEXT,
  typeNamed,
} from "../../plugins/ingest-csv/column-types.ts";
import type { TimeFormat, TimeFormats } from "../../plugins/ingest-csv/time-format.ts";
import type { TypeName } from "../../plugins/ingest-csv/type-name.ts";

/**
 * The value of a cell of a given type as the engine computes it: an oracle for what is read by our
 * own code. `arrow` is what it is stored as, if that is another type of number.
 */
export function givenSql(
  type: TypeName,
  formats: TimeFormats,
  arrow?: string,
): ColumnType["value"] {
  const own = valueOf(type, formats);
  const other = arrow === undefined ? undefined : typeNamed(arrow);
  return other === undefined ? own : (x) => other.value(trim(x));
}

const TRUE_WORDS = ["true", "t", "yes", "y", "1"];
const FALSE_WORDS = ["false", "f", "no", "n", "0"];

const trim = (x: string): string => `trim(${x})`;

function valueOf(type: TypeName, formats: TimeFormats): ColumnType["value"] {
  switch (type.base) {
    case "BIGINT":
      return castTo("int64");
    case "DOUBLE":
      return castTo("float64");
    case "DECIMAL":
      return castTo(decimal(type.precision, type.scale).arrow);
    case "BOOLEAN":
      return booleanValue;
    case "DATE":
      return dateValue(formats.date);
    case "TIMESTAMP":
      return timestampValue(formats.timestamp);
    case "TIMESTAMPTZ":
      return instantValue(formats.timestamp);
    case "VARCHAR":
      return castTo("utf8");
    default:
      return type.base satisfies never;
  }
}

function castTo(arrow: string): ColumnType["value"] {
  const type = typeNamed(arrow) ?? TEXT;
  return (x) => type.value(trim(x));
}

const sqlList = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(", ");

const booleanValue = (x: string): string =>
  `CASE WHEN lower(trim(${x})) IN (${sqlList(TRUE_WORDS)}) THEN true
    WHEN lower(trim(${x})) IN (${sqlList(FALSE_WORDS)}) THEN false END`;

/** The format is printable ASCII. */
const strptime = (x: string, { text }: TimeFormat): string =>
  `try_strptime(trim(${x}), '${text.replaceAll("'", "''")}')`;

function dateValue(format: TimeFormat | undefined): ColumnType["value"] {
  if (format === undefined) return castTo("date32[day]");
  return (x) => `${strptime(x, format)}::DATE`;
}

/** A date alone is its midnight. */
function timestampValue(format: TimeFormat | undefined): ColumnType["value"] {
  return format === undefined ? castTo("timestamp[us]") : (x) => strptime(x, format);
}

/** The moment is kept; the offset it was written with is not. */
function instantValue(format: TimeFormat | undefined): ColumnType["value"] {
  if (format === undefined) return (x) => `try_cast(trim(${x}) AS TIMESTAMPTZ)`;
  return (x) =>
    // Without an offset in it the format ends with a literal Z.
    format.has_offset ? strptime(x, format) : `make_timestamptz(epoch_us(${strptime(x, format)}))`;
}
