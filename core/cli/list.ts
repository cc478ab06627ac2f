import { isRecord } from "../json.ts";
import { clientOf, textOf, URL_OPTION } from "./client.ts";
import type { Command } from "./command.ts";
import { print } from "./output.ts";
import { bytesText } from "./progress.ts";
import { grouped, renderTable } from "./table.ts";

export const list: Command = {
  name: "list",
  summary: "Show the datasets of a server.",
  usage: "[--format table|json]",
  positionals: [0, 0],
  options: {
    format: { type: "string", value: "FORMAT", description: "table (default) or json." },
    url: URL_OPTION,
  },
  async run(args) {
    const format = args.choice("format", ["table", "json"]) ?? "table";
    const response = await clientOf(args).request("/v1/catalog/list");
    const text = await textOf(response);
    if (format === "json") {
      await print(`${text}\n`);
      return 0;
    }
    const body: unknown = JSON.parse(text);
    const manifests = isRecord(body) && Array.isArray(body["manifests"]) ? body["manifests"] : [];
    const columns = ["name", "rows", "columns", "size", "version", "updated"];
    await print(
      renderTable(
        columns.map((name) => ({
          name,
          type: ["rows", "columns", "size", "version"].includes(name) ? "int64" : "utf8",
        })),
        manifests.filter(isRecord).map(datasetRow),
        { rows_max: Number.POSITIVE_INFINITY, cell_max: 128 },
      ),
    );
    return 0;
  },
};

function datasetRow(manifest: Record<string, unknown>): readonly unknown[] {
  const { name, row_count, columns, objects, version, updated_at } = manifest;
  const sizes = (Array.isArray(objects) ? objects : []).map((object: unknown) =>
    isRecord(object) && typeof object["size"] === "number" ? object["size"] : 0,
  );
  const total_bytes = sizes.reduce((sum, size) => sum + size, 0);
  return [
    name,
    typeof row_count === "number" ? grouped(row_count) : "?",
    Array.isArray(columns) ? grouped(columns.length) : "?",
    bytesText(total_bytes),
    version,
    typeof updated_at === "string" ? updated_at.replace("T", " ").replace(/\.\d+Z$/, "Z") : "?",
  ];
}
