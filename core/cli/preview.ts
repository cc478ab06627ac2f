import { isRecord } from "../json.ts";
import { cellText, counted, grouped, renderTable } from "./table.ts";

type Answer = Readonly<Record<string, unknown>>;

/** What would become of the upload, by the verdict of a dry run. */
const VERDICTS: Readonly<Record<string, string>> = {
  new: "would be a new dataset",
  same: "would be accepted: it fits the dataset as it is",
  widened: "would be accepted, and widen the columns of the dataset",
  replaced: "would start the dataset anew, with other columns",
  conflict: "would be refused: it does not fit the dataset",
};

/** True if the file would be taken in. With `on_error=reject` bad rows are no obstacle. */
export function isAccepted(answer: Answer, options: URLSearchParams): boolean {
  const is_clean = badCount(answer) === 0 || options.get("on_error") === "reject";
  return is_clean && answer["verdict"] !== "conflict";
}

function badCount(answer: Answer): number {
  const { bad_count } = recordOf(answer["report"]);
  return typeof bad_count === "number" ? bad_count : 0;
}

/** A dry run for people: how the file was read, its columns and why, and the verdict; pure. */
export function previewOf(name: string, answer: Answer): string {
  const { verdict, row_count, notices } = answer;
  const report = recordOf(answer["report"]);
  const columns = recordsOf(report["columns"]);
  const what = VERDICTS[String(verdict)] ?? String(verdict);
  const lines = [
    `${name}: ${counted(Number(row_count), "row")}, ${counted(columns.length, "column")}; ${what}`,
    ...factsOf(report),
    ...(Array.isArray(notices) ? notices.map((notice) => `  ${String(notice)}`) : []),
    "",
    columnTable(columns).trimEnd(),
    ...badLines(answer),
    ...diffLines(recordOf(answer["diff"]), verdict === "conflict"),
  ];
  return `${lines.join("\n")}\n`;
}

/** The members of the report that say how the file was read, whatever its format has. */
function factsOf(report: Answer): string[] {
  const { format, encoding, encoding_chosen_by, delimiter, quote, escape, line_ends } = report;
  const chosen = typeof encoding_chosen_by === "string" ? ` (by ${encoding_chosen_by})` : "";
  const facts = [
    ...(typeof format === "string" ? [format] : []),
    ...(typeof encoding === "string" ? [`${encoding}${chosen}`] : []),
    ...Object.entries({ delimiter, quote, escape }).flatMap(([key, value]) =>
      typeof value === "string" ? [`${key} ${JSON.stringify(value)}`] : [],
    ),
    ...(Array.isArray(line_ends) ? [`lines end with ${line_ends.join(", ")}`] : []),
  ];
  return facts.length === 0 ? [] : [`  ${facts.join("; ")}`];
}

function columnTable(columns: readonly Answer[]): string {
  return renderTable(
    [
      { name: "column" },
      { name: "type" },
      { name: "nulls", type: "int64" },
      { name: "decided by", type: "utf8" },
    ],
    columns.map(({ name, type, null_count, decided_by }) => [
      name,
      type,
      typeof null_count === "number" ? grouped(null_count) : "",
      isRecord(decided_by)
        ? `line ${String(decided_by["line"])}: ${String(decided_by["value"])}`
        : "",
    ]),
    { rows_max: Number.POSITIVE_INFINITY, rows_are: "column" },
  );
}

/** The first few bad rows; the report holds no more. */
function badLines(answer: Answer): string[] {
  const bad_count = badCount(answer);
  if (bad_count === 0) return [];
  const { bad } = recordOf(answer["report"]);
  return [
    "",
    `${counted(bad_count, "bad row")}; with on_error=reject they are kept beside the others:`,
    ...recordsOf(bad).map(
      ({ line, reason, value }) =>
        `  line ${String(line)}  ${String(reason)}  ${cellText(value ?? "")}`,
    ),
  ];
}

/** One line per difference between the file and the registered dataset. */
function diffLines(diff: Answer, is_conflict: boolean): string[] {
  const { reordered, choices } = diff;
  const typed = ({ name, type }: Answer): string => `${String(name)} ${String(type)}`;
  const lines = [
    ...recordsOf(diff["added"]).map((column) => `  added      ${typed(column)}`),
    ...recordsOf(diff["removed"]).map((column) => `  removed    ${typed(column)}`),
    ...recordsOf(diff["retyped"]).map(
      ({ name, from, to }) =>
        `  retyped    ${String(name)}: ${String(from)} in the dataset, ${String(to)} in the file`,
    ),
    ...(Array.isArray(reordered) && reordered.length > 0
      ? [`  reordered  ${reordered.join(", ")}`]
      : []),
    ...(is_conflict && Array.isArray(choices) && choices.length > 0
      ? [`  accepted with ${choices.map((mode) => `schema=${String(mode)}`).join(" or ")}`]
      : []),
  ];
  return lines.length === 0 ? [] : ["", "Against the registered dataset:", ...lines];
}

const recordOf = (value: unknown): Answer => (isRecord(value) ? value : {});

const recordsOf = (value: unknown): readonly Answer[] =>
  Array.isArray(value) ? value.filter(isRecord) : [];
