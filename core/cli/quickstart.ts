import type { Command } from "./command.ts";
export const quickstart: Command = {
  name: "quickstart",
  summary: "Start a server, load a file, query it: everything in one go.",
  usage: "[--port N]",
  positionals: [0, 0],
  options: {},
  run: async () => 1,
};
