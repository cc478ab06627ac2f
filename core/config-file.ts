import { getStaticTOMLValue, ParseError, parseTOML, type AST } from "toml-eslint-parser";
import { isRecord } from "./json.ts";

/** Where a key stands in the file; both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface ConfigFile {
  readonly path: string;
  readonly values: Record<string, unknown>;
  /** By JSON pointer: `/plugins/storage-fs/root`. */
  readonly places: ReadonlyMap<string, Place>;
}

/** What is wrong with a configuration, and where. */
export interface ConfigProblem {
  /** `lakehouse.toml:3:1`, or the name of an environment variable. */
  readonly where: string;
  readonly message: string;
}

/** Parses TOML and remembers the place of every key; pure. Returns the problem if it cannot. */
export function parseConfigFile(path: string, text: string): ConfigFile | ConfigProblem {
  try {
    const program = parseTOML(text, { tomlVersion: "1.0.0" });
    const values: unknown = getStaticTOMLValue(program);
    const places = new Map<string, Place>();
    for (const node of program.body[0].body) collect(node, [], places);
    return { path, values: isRecord(values) ? values : {}, places };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return { where: `${path}:${error.lineNumber}:${error.column + 1}`, message: error.message };
  }
}

/** Escapes one key for a JSON pointer (RFC 6901 §3). */
export const pointerSegment = (key: string): string =>
  key.replaceAll("~", "~0").replaceAll("/", "~1");

type Node = AST.TOMLTable | AST.TOMLKeyValue;

function collect(node: Node, parent: readonly string[], places: Map<string, Place>): void {
  const path =
    node.type === "TOMLTable"
      ? node.resolvedKey.map(String)
      : [
          ...parent,
          ...node.key.keys.map((key) => (key.type === "TOMLBare" ? key.name : key.value)),
        ];
  const { line, column } = node.loc.start;
  for (let depth = 1; depth <= path.length; depth++) {
    const pointer = path
      .slice(0, depth)
      .map((key) => `/${pointerSegment(key)}`)
      .join("");
    if (depth === path.length || !places.has(pointer))
      places.set(pointer, { line, column: column + 1 });
  }
  if (node.type === "TOMLTable") for (const child of node.body) collect(child, path, places);
  else if (node.value.type === "TOMLInlineTable") {
    for (const child of node.value.body) collect(child, path, places);
  }
}
