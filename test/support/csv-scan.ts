import type { ColumnGroup } from "../../plugins/ingest-csv/kernel/column-group.ts";
import { CsvKernel } from "../../plugins/ingest-csv/kernel/csv-kernel.ts";
import type {
  BadRecord,
  CsvScanner,
  Scan,
  ScanOptions,
} from "../../plugins/ingest-csv/kernel/scanner.ts";

/** A bad record with its bytes as text. */
export interface BadText extends Omit<BadRecord, "bytes" | "field_bytes"> {
  readonly record: string;
  readonly cell: string;
}

export interface Scanned {
  readonly scan: Scan;
  readonly bad: readonly BadText[];
  /** The good rows as text. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/** Small, so that rows fall into many groups. */
const GROUP_ROWS = 7;

/** Scans a text given in pieces of these sizes, over and over. */
export async function scanText(
  text: string,
  column_count: number,
  options: Partial<ScanOptions> = {},
  pieces: readonly number[] = [65_536],
): Promise<Scanned> {
  const bad: BadText[] = [];
  const rows: (string | null)[][] = [];
  // One is used again and again, as in a thread: what a scan before left must not matter.
  using kernel = await CsvKernel.borrow();
  const scanner = kernel.scan({
    delimiter: ",",
    quote: '"',
    escape: '"',
    scales: [0, 9, 18, 27, 37],
    column_count,
    offset: 0,
    line: 1,
    capacity_bytes: 1024,
    record_limit_bytes: 1 << 20,
    null_texts: [],
    given: new Map(),
    onBadRecord: ({ bytes, field_bytes, ...rest }) =>
      bad.push({
        ...rest,
        record: Buffer.from(bytes).toString(),
        cell: Buffer.from(field_bytes).toString(),
      }),
    output: {
      columns: Array.from({ length: column_count }, (_, source) => ({
        source,
        type: "utf8" as const,
        scale: 0,
        stored_bytes: 0,
      })),
      group_rows_max: GROUP_ROWS,
      onGroup: (group) => rows.push(...textRows(group)),
    },
    ...options,
  });
  feed(scanner, text, pieces);
  return { scan: scanner.finish(), bad, rows };
}

/** Gives the scanner a text in pieces of these sizes, over and over. */
export function feed(
  scanner: CsvScanner,
  text: string | Uint8Array,
  pieces: readonly number[],
): void {
  const bytes = Buffer.from(text);
  for (let at = 0, piece = 0; at < bytes.length; piece++) {
    const space = scanner.space();
    const length = Math.min(space.length, bytes.length - at, pieces[piece % pieces.length] ?? 1);
    space.set(bytes.subarray(at, at + length));
    scanner.advance(length);
    at += length;
  }
}

function textRows({ row_count, columns }: ColumnGroup): (string | null)[][] {
  const texts = columns.map(({ validity, offsets, values }) => {
    const at = Buffer.from(offsets ?? []);
    let held = 0;
    return Array.from({ length: row_count }, (_, row) => {
      if (((validity[row >> 3] ?? 0) & (1 << (row & 7))) === 0) return null;
      const [start, end] = [at.readInt32LE(4 * held), at.readInt32LE(4 * held + 4)];
      held += 1;
      return Buffer.from(values).toString("utf8", start, end);
    });
  });
  return Array.from({ length: row_count }, (_, row) => texts.map((column) => column[row] ?? null));
}

/** The slow and obvious way: records of [cell, was quoted, is malformed], and whether a quote stayed open. */
export interface Reference {
  readonly records: readonly {
    readonly cells: readonly {
      readonly text: string;
      readonly quoted: boolean;
      readonly malformed: boolean;
    }[];
    readonly blank: boolean;
    readonly open: boolean;
  }[];
}
export function reference(text: string): Reference {
  const records: {
    cells: { text: string; quoted: boolean; malformed: boolean }[];
    blank: boolean;
    open: boolean;
  }[] = [];
  let at = 0;
  while (at < text.length) {
    const record = {
      cells: new Array<{ text: string; quoted: boolean; malformed: boolean }>(),
      blank: false,
      open: false,
    };
    const from = at;
    for (;;) {
      const cell = { text: "", quoted: false, malformed: false };
      if (text[at] === '"') {
        at += 1;
        for (;;) {
          if (at >= text.length) {
            record.open = true;
            break;
          }
          if (text[at] === '"' && text[at + 1] === '"') {
            cell.text += '"';
            at += 2;
          } else if (text[at] === '"') {
            cell.quoted = true;
            at += 1;
            break;
          } else cell.text += text[at++];
        }
        if (at < text.length && !/[,\r\n]/.test(text[at] ?? "")) cell.malformed = true;
      }
      while (at < text.length && !/[,\r\n]/.test(text[at] ?? "")) cell.text += text[at++];
      record.cells.push(cell);
      if (text[at] !== ",") break;
      at += 1;
    }
    record.blank = at === from;
    if (text[at] === "\r" && text[at + 1] === "\n") at += 2;
    else at += 1;
    records.push(record);
  }
  return { records };
}
