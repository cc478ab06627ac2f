import { VectorThread } from "./vector-thread.ts";

export interface ThreadsOptions {
  readonly scratch_path: string;
  /** Threads that hold indexes and search them. */
  readonly readers: number;
}

/**
 * The threads of the plugin, started when first needed: readers hold indexes, one prepares request
 * bodies, one builds graphs. They are apart so that a large batch or a long build delays no search.
 */
export class Threads {
  readonly #options: ThreadsOptions;
  readonly #readers: { readonly thread: VectorThread; indexes: number }[] = [];
  #stopping = false;
  #intake: VectorThread | undefined;
  #builder: VectorThread | undefined;

  constructor(options: ThreadsOptions) {
    this.#options = options;
  }

  /** The reader with the fewest indexes; call `release` when the index is gone. */
  reader(): { readonly thread: VectorThread; release(): void } {
    const idle = this.#readers.find(({ indexes }) => indexes === 0);
    if (idle === undefined && this.#readers.length < this.#options.readers) {
      this.#readers.push({ thread: this.#start(), indexes: 0 });
    }
    const reader = this.#readers.toSorted((a, b) => a.indexes - b.indexes)[0];
    if (reader === undefined) throw new Error("At least one reader is needed.");
    reader.indexes++;
    return {
      thread: reader.thread,
      release: () => {
        reader.indexes--;
      },
    };
  }

  get intake(): VectorThread {
    this.#intake ??= this.#start();
    return this.#intake;
  }

  get builder(): VectorThread {
    this.#builder ??= this.#start();
    return this.#builder;
  }

  /** True once builds are abandoned. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** Builds under way end without a result, and no other begins. */
  async abandonBuilds(): Promise<void> {
    this.#stopping = true;
    await this.#builder?.stop();
  }

  async stop(): Promise<void> {
    const started = [this.#builder, this.#intake, ...this.#readers.map(({ thread }) => thread)];
    await Promise.all(started.flatMap((thread) => thread?.stop() ?? []));
  }

  #start(): VectorThread {
    return new VectorThread(this.#options.scratch_path);
  }
}
