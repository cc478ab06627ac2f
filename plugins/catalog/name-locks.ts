import { AsyncLocalStorage } from "node:async_hooks";

/** A section under way; work it leaves behind may outlive it, so its end is noted. */
interface Section {
  readonly name: string;
  readonly outer: Section | undefined;
  open: boolean;
}

/**
 * One critical section per name, first come, first served; different names never wait for each
 * other. For this process only: between processes the compare-and-swap of the store decides.
 */
export class NameLocks {
  /** The end of each name's queue; a name that nobody holds has no entry. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #current = new AsyncLocalStorage<Section>();

  /** Throws if the caller already stands in this name's section: it would wait for itself for ever. */
  async run<Result>(name: string, body: () => Promise<Result>): Promise<Result> {
    const outer = this.#current.getStore();
    for (let each = outer; each !== undefined; each = each.outer) {
      if (each.open && each.name === name) {
        throw new Error(`the critical section of ${name} was entered from inside itself`);
      }
    }
    const before = this.#tails.get(name);
    const { promise: tail, resolve: release } = Promise.withResolvers<void>();
    this.#tails.set(name, tail);
    const section: Section = { name, outer, open: true };
    try {
      await before;
      return await this.#current.run(section, body);
    } finally {
      section.open = false;
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
      release();
    }
  }

  /** Resolves once every section that was entered or waited for has ended. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }
}
