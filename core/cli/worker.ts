import { type Command, UsageError } from "./command.ts";

/** The program's own child processes: started by the worker pool, of no use by hand. */
export const worker: Command = {
  name: "worker",
  summary: "Serves one kind of work to the process that started it.",
  usage: "ROLE",
  hidden: true,
  positionals: [1, 1],
  options: {},
  async run(args) {
    const { workerRoles } = await import("../plugins.ts");
    const { runWorker } = await import("../worker-main.ts");
    const [name = ""] = args.positionals;
    const load = Object.hasOwn(workerRoles, name) ? workerRoles[name] : undefined;
    if (load === undefined) {
      throw new UsageError(
        `There is no worker role ${name}.`,
        `There is ${Object.keys(workerRoles).join(", ")}.`,
      );
    }
    await runWorker(load);
    return 0;
  },
};
