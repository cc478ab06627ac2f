import { rm } from "node:fs/promises";
import type { Logger } from "../../core/log.ts";

/** Folders that are being removed. Nobody need wait for it; what fails is told to the log. */
export class Removals {
  readonly #log: Logger;
  readonly #running = new Set<Promise<void>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  async remove(folder: string): Promise<void> {
    const removal = rm(folder, { recursive: true, force: true })
      .catch((error: unknown) => {
        this.#log.warn({ folder, error: String(error) }, "an upload could not be removed");
      })
      .finally(() => this.#running.delete(removal));
    this.#running.add(removal);
    await removal;
  }

  /** Resolves when nothing is being removed. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }
}
