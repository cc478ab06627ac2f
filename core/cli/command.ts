import { parseArgs } from "node:util";
import { suggest } from "../suggest.ts";

/** One flag of a command, as `--help` shows it. */
export interface Option {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** `FILE`, for flags that take a value. */
  readonly value?: string;
  readonly description: string;
}

/** One command: what `--help` shows, and what runs. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** The positional arguments: `FILE --name NAME`. */
  readonly usage: string;
  readonly options: Readonly<Record<string, Option>>;
  /** The least and the most positional arguments. */
  readonly positionals: readonly [least: number, most: number];
  /** What to do about one argument too many; the usage if there is nothing better. */
  readonly surplus_hint?: string;
  /** Whole command lines, with a word on each. */
  readonly examples?: readonly (readonly [line: string, what: string])[];
  /** Not part of the interface: left out of the help. */
  readonly hidden?: boolean;
  /** Resolves to the exit code. */
  run(args: Arguments): Promise<number>;
}

/** The command line cannot be understood: exit code 2. */
export class UsageError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.name = "UsageError";
    this.hint = hint;
  }
}

/** What was given on the command line, checked against the command's options. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(positionals: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.positionals = positionals;
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The last value given. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** One of a few words; throws `UsageError` for another. */
  choice<const Choice extends string>(
    name: string,
    choices: readonly Choice[],
  ): Choice | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = choices.find((choice) => choice === text);
    if (found === undefined) {
      throw new UsageError(
        `--${name} cannot be ${JSON.stringify(text)}.`,
        `It is one of ${choices.join(", ")}.`,
      );
    }
    return found;
  }

  /** A non-negative integer; throws `UsageError` for anything else. */
  count(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^\d{1,9}$/.test(text)) {
      throw new UsageError(`--${name} takes a whole number, not ${JSON.stringify(text)}.`);
    }
    return Number(text);
  }
}

export const HELP_OPTION: Option = {
  type: "boolean",
  short: "h",
  description: "Show this help.",
};

/** Checks the arguments of a command; pure. Throws `UsageError` with the nearest known flag. */
export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const options: Readonly<Record<string, Option>> = { ...command.options, help: HELP_OPTION };
  // Not strict: its messages know no suggestions, and it refuses `--param -5`.
  const { tokens } = parseArgs({
    args: [...argv],
    options: parserOptions(options),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const positionals: string[] = [];
  const values = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) throw unknownFlag(command, token.rawName, options);
    const value = checkValue(token, option, options);
    if (values.has(token.name) && option.multiple !== true && option.type === "string") {
      throw new UsageError(`${token.rawName} is given twice.`);
    }
    values.set(token.name, [...(values.get(token.name) ?? []), value]);
  }
  if (!values.has("help")) checkPositionals(command, positionals);
  return new Arguments(positionals, values);
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function checkValue(
  { rawName, value, inlineValue }: OptionToken,
  option: Option,
  options: Readonly<Record<string, Option>>,
): string {
  if (option.type === "boolean") {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value.`);
    return "true";
  }
  const missing =
    value === undefined || (inlineValue !== true && Object.hasOwn(options, value.slice(2)));
  if (missing) throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value ?? ""}.`);
  return value;
}

function checkPositionals(command: Command, positionals: readonly string[]): void {
  const [least, most] = command.positionals;
  const usage = `Usage: lakehouse ${command.name} ${command.usage}`.trimEnd();
  if (positionals.length < least)
    throw new UsageError(`${command.name} needs an argument more.`, usage);
  const extra = positionals[most];
  if (extra !== undefined) {
    throw new UsageError(
      `${JSON.stringify(extra)} is one argument too many.`,
      command.surplus_hint ?? usage,
    );
  }
}

function parserOptions(
  options: Readonly<Record<string, Option>>,
): Record<string, { type: "string" | "boolean"; short?: string; multiple: true }> {
  return Object.fromEntries(
    Object.entries(options).map(([name, { type, short }]) => [
      name,
      { type, multiple: true, ...(short === undefined ? {} : { short }) },
    ]),
  );
}

function unknownFlag(
  command: Command,
  flag: string,
  options: Readonly<Record<string, Option>>,
): UsageError {
  const near = suggest(flag.replace(/^-+/, ""), Object.keys(options));
  return new UsageError(
    `${command.name} knows no flag ${flag}.`,
    near === undefined ? `lakehouse ${command.name} --help lists them.` : `Did you mean --${near}?`,
  );
}
