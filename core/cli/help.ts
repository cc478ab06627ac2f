import { DEFAULT_URL } from "./client.ts";
import { type Command, HELP_OPTION, type Option } from "./command.ts";
import { commands } from "./commands.ts";

/** What `lakehouse --help` prints; pure. */
export function overview(): string {
  const shown = commands.filter(({ hidden }) => hidden !== true);
  return [
    "lakehouse: CSV in over HTTP, typed Parquet on a disk or an S3 bucket, SQL and vector search.",
    "",
    "Usage: lakehouse COMMAND [ARGUMENTS]",
    "",
    ...aligned(shown.map(({ name, summary }) => [name, summary])),
    "",
    ...aligned([
      ["--help", "Show this, or with a command its own help."],
      ["--version", "Show the version."],
    ]),
    "",
    "Environment:",
    ...aligned([
      ["LAKEHOUSE_URL", `The server the commands speak to; ${DEFAULT_URL} without it.`],
      ["LAKEHOUSE_TOKEN", "Bearer token the commands send."],
      ["LAKEHOUSE_CACHE_DIR", "Where the binary unpacks its native libraries, once."],
      ["LAKEHOUSE_SERVER_BIND, …", "Every configuration key: docs/configuration.md."],
    ]),
    "",
    "New here? `lakehouse quickstart` starts a server, loads a file and queries it.",
    "",
  ].join("\n");
}

/** What `lakehouse COMMAND --help` prints; pure. */
export function commandHelp(command: Command): string {
  const options = Object.entries({ ...command.options, help: HELP_OPTION });
  const examples = command.examples ?? [];
  return [
    command.summary,
    "",
    `Usage: lakehouse ${command.name} ${command.usage}`.trimEnd(),
    "",
    ...aligned(options.map(([name, option]) => [flagText(name, option), option.description])),
    ...(examples.length === 0 ? [] : ["", "Examples:"]),
    ...examples.flatMap(([line, what]) => [`  # ${what}`, `  ${line}`]),
    "",
  ].join("\n");
}

function flagText(name: string, { short, value }: Option): string {
  const flag = short === undefined ? `    --${name}` : `-${short}, --${name}`;
  return value === undefined ? flag : `${flag} ${value}`;
}

function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
