import type { DuckDBConnection } from "@duckdb/node-api";
import { stat } from "node:fs/promises";

/** A CSV file to convert, made by the engine: the same bytes for the same number of rows. */
export interface CsvShape {
  readonly title: string;
  readonly rows: number;
  /** The SELECT list over `i`, the number of the row. */
  readonly columns: string;
}

export interface CsvFile extends CsvShape {
  readonly path: string;
  readonly size_bytes: number;
}

const MIXED_COLUMNS = [
  "i AS id",
  "(i * 7919) % 1000003 AS customer",
  "((i * 104729) % 10000019) / 100 AS amount",
  "((i * 15485863) % 1000003) / 1000003 AS score",
  "lpad(((i * 31) % 100000)::VARCHAR, 5, '0') AS zip",
  "['Basel', 'Zürich', 'São Paulo', 'Washington, D.C.', 'Den Haag', 'Kyōto'][1 + i % 6] AS city",
  "'order ' || md5(i::VARCHAR)[:10] AS note",
  "i % 3 = 0 AS paid",
  "DATE '2015-01-01' + ((i * 17) % 4000)::INTEGER AS day",
  "strftime(TIMESTAMP '2015-01-01' + to_seconds((i * 977) % 300000000), '%Y-%m-%dT%H:%M:%S') AS at",
  "CASE WHEN i % 10 < 3 THEN NULL ELSE i % 5000 END AS discount",
  "'SKU-' || (i * 13) % 50000 AS sku",
];

/** The second has text cells with line breaks and doubled quotes, which cut files apart wrongly. */
const withQuotes = MIXED_COLUMNS.map((column) =>
  column.endsWith(" AS note")
    ? `CASE WHEN i % 50 = 0 THEN 'said "' || i || '"' || chr(10) || 'and left' ELSE ${column.slice(0, -" AS note".length)} END AS note`
    : column,
);

export const mixed = (rows: number): CsvShape => ({
  title: "12 mixed columns",
  rows,
  columns: MIXED_COLUMNS.join(", "),
});

export const quoted = (rows: number): CsvShape => ({
  title: "the same, line breaks in quotes",
  rows,
  columns: withQuotes.join(", "),
});

/** 200 columns: of each five two are integers, one decimals, one text and one often empty. */
export const wide = (rows: number): CsvShape => ({
  title: "200 columns",
  rows,
  columns: Array.from({ length: 200 }, (_, n) => `${wideColumn(n)} AS c${n}`).join(", "),
});

function wideColumn(n: number): string {
  const step = 7919 + 2 * n;
  switch (n % 5) {
    case 0:
      return `(i * ${step}) % 1000003`;
    case 1:
      return `((i * ${step}) % 100000) / 100`;
    case 2:
      return `'v' || (i * ${step}) % 10007`;
    case 3:
      return `CASE WHEN i % 4 = 0 THEN (i + ${n}) % 100 END`;
    default:
      return `i % ${n + 2}`;
  }
}

export async function writeCsv(
  engine: DuckDBConnection,
  shape: CsvShape,
  path: string,
): Promise<CsvFile> {
  await engine.run(
    `COPY (SELECT ${shape.columns} FROM range(${shape.rows}) t(i)) TO '${path}' (FORMAT csv, HEADER)`,
  );
  const { size } = await stat(path);
  return { ...shape, path, size_bytes: size };
}
