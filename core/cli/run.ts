import packageJson from "../../package.json" with { type: "json" };
import { suggest } from "../suggest.ts";
import { describeError } from "./client.ts";
import { type Command, parseArguments, UsageError } from "./command.ts";
import { commandNamed, commands } from "./commands.ts";
import { commandHelp, overview } from "./help.ts";
import { print, sayError } from "./output.ts";

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/**
 * Runs one command line, without the program's own name, and resolves to the exit code: 0, 1 if
 * the command failed, 2 if the line cannot be understood.
 */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv);
  } catch (error) {
    if (error instanceof UsageError) {
      sayError(error.message, error.hint);
      return EXIT_USAGE;
    }
    const known = describeError(error);
    if (known === undefined) throw error;
    sayError(known.detail, known.hint);
    return EXIT_FAILED;
  }
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined) {
    process.stderr.write(overview());
    return EXIT_USAGE;
  }
  if (word === "--version" || word === "-V") return printed(`lakehouse ${packageJson.version}\n`);
  if (word === "--help" || word === "-h" || word === "help") {
    return printed(rest[0] === undefined ? overview() : commandHelp(find(rest[0])));
  }
  const command = find(word);
  const args = parseArguments(command, rest);
  if (args.has("help")) return printed(commandHelp(command));
  return command.run(args);
}

async function printed(text: string): Promise<number> {
  await print(text);
  return 0;
}

function find(word: string): Command {
  const command = commandNamed(word);
  if (command !== undefined) return command;
  const names = commands.filter(({ hidden }) => hidden !== true).map(({ name }) => name);
  const near = suggest(word, names);
  throw new UsageError(
    word.startsWith("-") ? `There is no flag ${word} here.` : `There is no command ${word}.`,
    near === undefined ? "lakehouse --help lists the commands." : `Did you mean ${near}?`,
  );
}
