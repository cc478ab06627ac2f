import { isRecord } from "../json.ts";

export interface TableColumn {
  readonly name: string;
  /** A type name of the engine; numbers are set flush right. */
  readonly type?: string;
}

export interface TableOptions {
  /** Rows shown at most. */
  readonly rows_max?: number;
  /** Columns of the terminal that may be used; wider tables lose columns on the right. */
  readonly width_max?: number;
  /** What a row is, for the count below the table; "row" by default. */
  readonly rows_are?: string;
  /** Characters of one cell. */
  readonly cell_max?: number;
}

/** A number as the server wrote it: parsing it would lose digits of the larger ones. */
export class NumberText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** `JSON.parse` that keeps every digit of every number. */
export function parseExactJson(text: string): unknown {
  return JSON.parse(text, (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" ? new NumberText(context?.source ?? String(value)) : value,
  );
}

const NUMERIC = /^(u?(tiny|small|big|huge)?int(eger)?\d*|float\d*|double|real|decimal|numeric)\b/i;
const GAP = " │ ";

/**
 * Draws a table as text; pure. Control characters are shown escaped, so that a value can neither
 * break the lines nor command the terminal. What is left out is said below the table.
 */
export function renderTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly unknown[])[],
  {
    rows_max = 100,
    width_max = Number.POSITIVE_INFINITY,
    rows_are = "row",
    cell_max = 60,
  }: TableOptions = {},
): string {
  const notes: string[] = [];
  const shown = rows.slice(0, rows_max);
  const cut = { cells: 0 };
  const cells = shown.map((row) => row.map((value) => clip(cellText(value), cell_max, cut)));
  const heads = columns.map(({ name }) => clip(visible(name), cell_max, cut));
  const widths = heads.map((head, i) =>
    Math.max(Bun.stringWidth(head), ...cells.map((row) => Bun.stringWidth(row[i] ?? ""))),
  );
  const fitting = columnsThatFit(widths, width_max);
  const right = columns.map(({ type }, i) => isNumeric(type, shown, i));
  const line = (row: readonly string[]): string =>
    row
      .slice(0, fitting)
      .map((cell, i) => pad(cell, widths[i] ?? 0, right[i] === true))
      .join(GAP)
      .trimEnd();
  const rule = widths
    .slice(0, fitting)
    .map((width) => "─".repeat(width))
    .join("─┼─");
  if (rows.length > shown.length)
    notes.push(counted(rows.length - shown.length, `more ${rows_are}`));
  if (fitting < columns.length) notes.push(counted(columns.length - fitting, "more column"));
  if (cut.cells > 0) notes.push(`the rest of ${counted(cut.cells, "cell")} cut at …`);
  const count = counted(rows.length, rows_are);
  const footer = notes.length === 0 ? count : `${count}; not shown: ${notes.join(", ")}`;
  return [line(heads), rule, ...cells.map(line), `(${footer})`, ""].join("\n");
}

/** `12345` becomes `12,345`. */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** `1 row`, `2 rows`. */
export const counted = (count: number, what: string): string =>
  `${grouped(count)} ${what}${count === 1 ? "" : "s"}`;

/** One value as it is shown in a cell. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string") return visible(value);
  return visible(plainText(value));
}

function plainText(value: unknown): string {
  if (value instanceof NumberText) return value.text;
  if (Array.isArray(value)) return `[${value.map(nestedText).join(", ")}]`;
  if (isRecord(value)) {
    const members = Object.entries(value).map(([key, each]) => `${key}: ${nestedText(each)}`);
    return `{${members.join(", ")}}`;
  }
  return String(value);
}

const nestedText = (value: unknown): string =>
  typeof value === "string"
    ? JSON.stringify(value)
    : value === null || value === undefined
      ? "NULL"
      : plainText(value);

/** Control characters, and those that reverse the direction of the text around them. */
// oxlint-disable-next-line no-control-regex -- control characters are what this finds
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function visible(text: string): string {
  return text.replace(
    INVISIBLE,
    (character) =>
      SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function clip(text: string, cell_max: number, cut: { cells: number }): string {
  // A code unit is at most two columns wide, so a short text needs no closer look.
  if (text.length * 2 <= cell_max || Bun.stringWidth(text) <= cell_max) return text;
  cut.cells++;
  let kept = "";
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text.slice(0, cell_max * 8))) {
    width += Bun.stringWidth(segment);
    if (width > cell_max - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

function columnsThatFit(widths: readonly number[], width_max: number): number {
  let total = 0;
  for (const [i, width] of widths.entries()) {
    total += width + (i === 0 ? 0 : GAP.length);
    if (total > width_max && i > 0) return i;
  }
  return widths.length;
}

function isNumeric(
  type: string | undefined,
  rows: readonly (readonly unknown[])[],
  column: number,
): boolean {
  if (type !== undefined) return NUMERIC.test(type);
  return rows.length > 0 && rows.every((row) => row[column] instanceof NumberText);
}

function pad(text: string, width: number, right: boolean): string {
  const space = " ".repeat(Math.max(0, width - Bun.stringWidth(text)));
  return right ? space + text : text + space;
}
