import { type Static, type TObject, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import {
  type ConfigFile,
  type ConfigProblem,
  parseConfigFile,
  pointerSegment,
} from "./config-file.ts";
import { LakehouseError } from "./error.ts";
import { isRecord } from "./json.ts";
import { type Limits, limitsSchema } from "./limits.ts";
import type { Plugin } from "./plugin.ts";
import { builtIns, isBuiltIn, type PluginName, pluginNames } from "./plugins.ts";
import { suggest } from "./suggest.ts";

export const serverSchema = Type.Object(
  {
    bind: Type.String({
      default: "127.0.0.1:3110",
      description: "Address and port; `[::1]:3110` for IPv6, port 0 for a free one.",
    }),
    token: Type.Optional(
      Type.String({
        minLength: 16,
        // Visible characters only: nothing else gets through a header unchanged (RFC 6750 §2.1).
        pattern: "^[!-~]+$",
        description: "Bearer token every request but /health must carry (RFC 6750).",
      }),
    ),
    allow_anonymous: Type.Boolean({
      default: false,
      description: "Serve an address other than loopback without a token.",
    }),
    allowed_hosts: Type.Array(Type.String(), {
      default: [],
      description: "More names this server answers to, in the Host header, on loopback.",
    }),
    allowed_origins: Type.Array(Type.String(), {
      default: [],
      description:
        "Web origins whose pages may call this server, for example `https://app.example`.",
    }),
    scratch_path: Type.Optional(
      Type.String({ description: "Folder for spools and caches; by default the system's." }),
    ),
  },
  { additionalProperties: false },
);

export const logSchema = Type.Object(
  {
    level: Type.Union(
      (["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const).map((level) =>
        Type.Literal(level),
      ),
      { default: "info", description: "Least severity that is logged." },
    ),
  },
  { additionalProperties: false },
);

export type ServerConfig = Static<typeof serverSchema>;

export interface EnabledPlugin {
  readonly plugin: Plugin;
  /** Validated against the plugin's own schema, with defaults. */
  readonly config: unknown;
}

export interface Config {
  /** The file it came from; undefined for the embedded default. */
  readonly path: string | undefined;
  readonly server: ServerConfig;
  readonly log: Static<typeof logSchema>;
  readonly limits: Limits;
  readonly plugins: readonly EnabledPlugin[];
}

/** With no file at all: everything on, data on the local disk. */
const EMBEDDED_DEFAULT: Readonly<Record<string, unknown>> = {
  plugins: { "storage-fs": {}, catalog: {}, "ingest-csv": {}, query: {}, vector: {} },
};

export interface LoadOptions {
  /** A file that must exist. Without it `lakehouse.toml` is read if it is there. */
  readonly path?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads the TOML file, lays the environment over it, and validates every table, those of plugins
 * against the plugin's own schema. Only the modules of enabled plugins are loaded. Throws one
 * `invalid_config` that lists every problem with its file, line and column.
 */
export async function loadConfig({ path, env }: LoadOptions): Promise<Config> {
  const file = await readConfigFile(path ?? nonEmpty(env["LAKEHOUSE_CONFIG"]));
  if (file !== undefined && "where" in file) throw configError([file]);
  const check = new ConfigCheck(file, env);
  const values: Readonly<Record<string, unknown>> = file?.values ?? EMBEDDED_DEFAULT;
  check.unknownKeys(values, "", ["server", "log", "limits", "plugins"]);

  const server = check.table(serverSchema, values["server"], "/server");
  const log = check.table(logSchema, values["log"], "/log");
  const limits = check.table(limitsSchema, values["limits"], "/limits");
  const plugins: EnabledPlugin[] = [];
  for (const [name, table] of check.pluginTables(values["plugins"])) {
    const plugin = await builtIns[name].load();
    const config = check.table(plugin.config, table, `/plugins/${name}`);
    if (config !== undefined) plugins.push({ plugin, config });
  }
  check.unusedEnvironment();
  if (check.problems.length > 0 || !server || !log || !limits) throw configError(check.problems);
  return { path: file?.path, server, log, limits, plugins };
}

async function readConfigFile(
  path: string | undefined,
): Promise<ConfigFile | ConfigProblem | undefined> {
  const file = Bun.file(path ?? "lakehouse.toml");
  if (!(await file.exists())) {
    if (path === undefined) return undefined;
    return { where: path, message: "This file does not exist, or is not a file." };
  }
  return parseConfigFile(path ?? "lakehouse.toml", await file.text());
}

function configError(problems: readonly ConfigProblem[]): LakehouseError {
  const lines = problems.map(({ where, message }) => `${where}: ${message}`);
  return new LakehouseError("invalid_config", lines.join("\n"), {
    hint: "docs/configuration.md lists every table and key.",
  });
}

const nonEmpty = (text: string | undefined): string | undefined => (text === "" ? undefined : text);

/** Gathers the problems of one configuration instead of stopping at the first. */
class ConfigCheck {
  readonly problems: ConfigProblem[] = [];
  readonly #file: ConfigFile | undefined;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #used = new Set<string>(["LAKEHOUSE_PLUGINS"]);

  constructor(file: ConfigFile | undefined, env: Readonly<Record<string, string | undefined>>) {
    this.#file = file;
    this.#env = env;
  }

  /** Validates one table with the environment laid over it; undefined if it has problems. */
  table<Schema extends TObject>(
    schema: Schema,
    raw: unknown,
    pointer: string,
  ): Static<Schema> | undefined {
    const before = this.problems.length;
    const given = isRecord(raw) ? raw : {};
    if (raw !== undefined && !isRecord(raw)) this.#report(pointer, "Expected a table.");
    this.unknownKeys(given, pointer, Object.keys(schema.properties));
    const table: unknown = Value.Default(schema, {
      ...structuredClone(given),
      ...this.#overrides(schema, pointer),
    });
    for (const error of Value.Errors(schema, table)) {
      const key = error.path.slice(1).split("/", 1)[0] ?? "";
      if (Object.hasOwn(schema.properties, key)) {
        this.#report(
          `${pointer}${error.path}`,
          `${key}: ${error.message}.`,
          schema.properties[key],
        );
      }
    }
    if (this.problems.length > before || !Value.Check(schema, table)) return undefined;
    return table;
  }

  unknownKeys(
    table: Readonly<Record<string, unknown>>,
    pointer: string,
    known: readonly string[],
  ): void {
    for (const key of Object.keys(table)) {
      if (known.includes(key)) continue;
      const near = suggest(key, known);
      const hint =
        near === undefined ? `Known: ${known.join(", ") || "none"}.` : `Did you mean ${near}?`;
      this.#report(`${pointer}/${pointerSegment(key)}`, `Unknown key ${key}. ${hint}`);
    }
  }

  /** The tables of the wanted plugins, in the order of the built-in table. */
  pluginTables(raw: unknown): [PluginName, unknown][] {
    if (raw !== undefined && !isRecord(raw))
      this.#report("/plugins", "Expected a table per plugin.");
    const tables = isRecord(raw) ? raw : {};
    this.unknownKeys(tables, "/plugins", pluginNames);
    const listed = nonEmpty(this.#env["LAKEHOUSE_PLUGINS"])
      ?.split(",")
      .map((name) => name.trim());
    for (const name of listed ?? []) {
      if (!isBuiltIn(name)) {
        const near = suggest(name, pluginNames);
        const hint =
          near === undefined ? `Known: ${pluginNames.join(", ")}.` : `Did you mean ${near}?`;
        this.problems.push({
          where: "LAKEHOUSE_PLUGINS",
          message: `Unknown plugin ${name}. ${hint}`,
        });
      }
    }
    return pluginNames
      .filter(
        (name) =>
          listed?.includes(name) ?? (Object.hasOwn(tables, name) || this.#isInEnvironment(name)),
      )
      .map((name) => [name, tables[name] ?? {}]);
  }

  #isInEnvironment(name: PluginName): boolean {
    const prefix = environmentName(`/plugins/${name}`, "");
    return Object.keys(this.#env).some((variable) => variable.startsWith(prefix));
  }

  /** Values of `LAKEHOUSE_<TABLE>_<KEY>`, read as the type the schema asks for. */
  #overrides(schema: TObject, pointer: string): Record<string, unknown> {
    const values: Record<string, unknown> = {};
    for (const [key, type] of Object.entries(schema.properties)) {
      const variable = environmentName(pointer, key);
      const text = this.#env[variable];
      if (text === undefined) continue;
      this.#used.add(variable);
      values[key] = fromText(type, text);
    }
    return values;
  }

  /** A misspelt variable must not be ignored in silence. */
  unusedEnvironment(): void {
    for (const variable of Object.keys(this.#env)) {
      if (!/^LAKEHOUSE_(SERVER|LOG|LIMITS|PLUGINS)(_|$)/.test(variable) || this.#used.has(variable))
        continue;
      this.problems.push({ where: variable, message: "No key of an enabled table has this name." });
    }
  }

  #report(pointer: string, message: string, schema?: TSchema): void {
    const variable = schema === undefined ? undefined : this.#variableOf(pointer);
    this.problems.push({ where: variable ?? this.#placeOf(pointer), message });
  }

  #variableOf(pointer: string): string | undefined {
    const cut = pointer.lastIndexOf("/");
    const variable = environmentName(pointer.slice(0, cut), pointer.slice(cut + 1));
    return this.#used.has(variable) ? variable : undefined;
  }

  #placeOf(pointer: string): string {
    if (this.#file === undefined) return "configuration";
    for (let at = pointer; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
      const place = this.#file.places.get(at);
      if (place !== undefined) return `${this.#file.path}:${place.line}:${place.column}`;
    }
    return this.#file.path;
  }
}

/** `/plugins/storage-fs` and `root` give `LAKEHOUSE_PLUGINS_STORAGE_FS_ROOT`. */
function environmentName(pointer: string, key: string): string {
  return `LAKEHOUSE${pointer}/${key}`.replaceAll(/[/-]/g, "_").toUpperCase();
}

/** Text that does not read as the type is left as it is, so that validation names it. */
function fromText(schema: TSchema, text: string): unknown {
  const type: unknown = schema["type"];
  if (type === "integer" || type === "number")
    return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (type === "boolean") return text === "true" ? true : text === "false" ? false : text;
  if (type === "array") return text === "" ? [] : text.split(",").map((item) => item.trim());
  return text;
}
