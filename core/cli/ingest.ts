import { stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import { isRecord } from "../json.ts";
import { type Client, clientOf, ServerError, URL_OPTION } from "./client.ts";
import { type Command, UsageError } from "./command.ts";
import { followConversion } from "./conversion-bar.ts";
import { print } from "./output.ts";
import { isAccepted, previewOf } from "./preview.ts";
import { bytesText, Progress } from "./progress.ts";
import { grouped } from "./table.ts";

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  ".csv": "text/csv",
  ".tsv": "text/tab-separated-values",
  ".jsonl": "application/jsonl",
  ".ndjson": "application/x-ndjson",
  ".parquet": "application/vnd.apache.parquet",
};

/** A file that is compressed is sent as it is; the suffix before this one says what is inside. */
const CONTENT_CODINGS: Readonly<Record<string, string>> = {
  ".gz": "gzip",
  ".zst": "zstd",
  ".zstd": "zstd",
};

export const ingest: Command = {
  name: "ingest",
  summary: "Send a file to a server as a dataset.",
  usage: "FILE --name NAME",
  positionals: [1, 1],
  options: {
    name: {
      type: "string",
      short: "n",
      value: "NAME",
      description: "The dataset; without it the file's name up to its suffix.",
    },
    option: {
      type: "string",
      value: "NAME=VALUE",
      multiple: true,
      description: "How to read the file, for example delimiter=semicolon.",
    },
    preview: {
      type: "boolean",
      description: "Say how the file would be read and typed, and change nothing.",
    },
    format: { type: "string", value: "FORMAT", description: "text (default) or json." },
    url: URL_OPTION,
  },
  examples: [
    ["lakehouse ingest sales.csv --name sales", "Send a file; the same file again changes nothing"],
    ["lakehouse ingest de.csv --name de --option delimiter=semicolon", "Said, not guessed"],
    ["lakehouse ingest sales.csv --preview", "Types, and the cells that decided them"],
    ["generate | lakehouse ingest - --name sales", "From a pipe"],
  ],
  async run(args) {
    const format = args.choice("format", ["text", "json"]) ?? "text";
    const client = clientOf(args);
    const [path = ""] = args.positionals;
    const name = args.text("name") ?? (path === "-" ? undefined : nameOf(path));
    if (name === undefined) {
      throw new UsageError("A dataset from a pipe needs a name.", "Add --name NAME.");
    }
    const query = uploadQuery(name, args.texts("option"));
    const preview = args.has("preview");
    if (preview) query.set("dry_run", "true");
    const answer = await send(client, await openUpload(path), query);
    const text = (preview ? previewOf : summaryOf)(name, answer);
    await print(format === "json" ? `${JSON.stringify(answer)}\n` : text);
    return preview && !isAccepted(answer, query) ? 1 : 0;
  },
};

/** What a file is, by its suffixes: `sales.csv.gz` is CSV in gzip. */
function kindOf(path: string): { stem: string; media_type: string; coding: string | undefined } {
  const coding = CONTENT_CODINGS[extname(path).toLowerCase()];
  const stem = coding === undefined ? path : path.slice(0, -extname(path).length);
  const media_type = MEDIA_TYPES[extname(stem).toLowerCase()] ?? "application/octet-stream";
  return { stem, media_type, coding };
}

function nameOf(path: string): string {
  const { stem } = kindOf(path);
  return basename(stem, extname(stem));
}

/** The query of `/ingest`: the dataset, and what is said about the file. */
function uploadQuery(name: string, options: readonly string[]): URLSearchParams {
  const query = new URLSearchParams({ name });
  for (const option of options) {
    const cut = option.indexOf("=");
    const key = option.slice(0, cut);
    if (cut < 1 || query.has(key)) {
      throw new UsageError(
        `--option ${JSON.stringify(option)} cannot be used.`,
        "Write NAME=VALUE, each name once; the dataset's name is --name.",
      );
    }
    query.append(key, option.slice(cut + 1));
  }
  return query;
}

/** A file to send: read as it is sent, never whole. */
export interface Upload {
  readonly stream: AsyncIterable<Uint8Array>;
  /** Unknown for a pipe. */
  readonly size_bytes: number | undefined;
  readonly media_type: string;
  /** The `Content-Encoding` the file is in already. */
  readonly coding?: string | undefined;
}

/** Opens a file, or standard input for `-`. Throws `ServerError` if it cannot be read. */
export async function openUpload(path: string): Promise<Upload> {
  if (path === "-")
    return { stream: Bun.stdin.stream(), size_bytes: undefined, media_type: "text/csv" };
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || found.isDirectory()) {
    throw new ServerError(`${path} ${found === undefined ? "cannot be read" : "is a folder"}.`, {
      hint: "Name a file, or - for standard input.",
    });
  }
  const { media_type, coding } = kindOf(path);
  return {
    stream: Bun.file(path).stream(),
    size_bytes: found.isFile() ? found.size : undefined,
    media_type,
    coding,
  };
}

/**
 * Streams an upload to `/ingest`, with a bar on a terminal, first for sending and then for what the
 * server does with it; resolves to the server's answer.
 */
export async function send(
  client: Client,
  { stream, size_bytes, media_type, coding }: Upload,
  query: URLSearchParams,
  progress: Progress = new Progress(process.stderr, size_bytes),
): Promise<Record<string, unknown>> {
  const request_id = Bun.randomUUIDv7();
  const answered = new AbortController();
  let following: Promise<void> | undefined;
  const onSent = (): void => {
    if (!progress.visible) return;
    progress.phase("converting …");
    following = followConversion(client, request_id, progress, answered.signal);
  };
  try {
    return await client.json(`/v1/ingest?${query.toString()}`, {
      method: "POST",
      headers: {
        "content-type": media_type,
        "x-request-id": request_id,
        ...(coding === undefined ? {} : { "content-encoding": coding }),
        // With it the server can refuse a file that is too large before it is sent.
        ...(size_bytes === undefined ? {} : { "content-length": String(size_bytes) }),
      },
      body: counted(stream, progress, onSent),
    });
  } finally {
    answered.abort();
    await following;
    progress.clear();
  }
}

async function* counted(
  stream: AsyncIterable<Uint8Array>,
  progress: Progress,
  onSent: () => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    yield chunk;
    progress.add(chunk.length);
  }
  onSent();
}

/** Wider datasets are shown by their count alone. */
const COLUMNS_SHOWN = 40;
const LINE_WIDTH = 90;

/** What happened, with the types that were chosen; pure. */
export function summaryOf(name: string, answer: Readonly<Record<string, unknown>>): string {
  const { existing, row_count, parquet_size, manifest } = answer;
  const { columns, version, schema_fingerprint } = isRecord(manifest) ? manifest : {};
  const parts = [
    ...(typeof row_count === "number" ? [`${grouped(row_count)} rows`] : []),
    ...(Array.isArray(columns) ? [`${grouped(columns.length)} columns`] : []),
    ...(typeof parquet_size === "number" ? [`${bytesText(parquet_size)} of Parquet`] : []),
  ];
  const state = existing === true ? `version ${String(version)} of an existing dataset` : "new";
  const typed = (Array.isArray(columns) ? columns : []).filter(isRecord);
  const types = typed.map((column) => `${String(column["name"])} ${String(column["type"])}`);
  const lines = [`${name}: ${parts.join(", ")} (${state})`];
  if (types.length <= COLUMNS_SHOWN) lines.push(...wrapped(types));
  if (typeof schema_fingerprint === "string") lines.push(`  ${schema_fingerprint}`);
  return `${lines.join("\n")}\n`;
}

/** A list as indented lines of readable length. */
function wrapped(items: readonly string[]): string[] {
  const lines: string[] = [];
  let line = "";
  for (const [i, item] of items.entries()) {
    const text = i === items.length - 1 ? item : `${item},`;
    if (line !== "" && line.length + 1 + text.length > LINE_WIDTH) {
      lines.push(`  ${line}`);
      line = "";
    }
    line = line === "" ? text : `${line} ${text}`;
  }
  if (line !== "") lines.push(`  ${line}`);
  return lines;
}
