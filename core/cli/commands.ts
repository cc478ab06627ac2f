import type { Command } from "./command.ts";
import { ingest } from "./ingest.ts";
import { list } from "./list.ts";
import { plugins } from "./plugins.ts";
import { quickstart } from "./quickstart.ts";
import { serve } from "./serve.ts";
import { sql } from "./sql.ts";
import { worker } from "./worker.ts";

/** In the order of the help. Their modules are light: what is heavy is imported when it runs. */
export const commands: readonly Command[] = [quickstart, serve, ingest, sql, list, plugins, worker];

export const commandNamed = (name: string): Command | undefined =>
  commands.find((command) => command.name === name);
