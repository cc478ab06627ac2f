/**
 * Where the thread's program is. A compiled binary keeps its entry points below its own root, by
 * their path from the root of the repository; the build takes every `*-thread.ts` for one.
 */
const PROGRAM = /\$bunfs|~BUN/.test(import.meta.url)
  ? "./plugins/ingest-csv/digest-thread.ts"
  : new URL("./digest-thread.ts", import.meta.url).href;

export type DigestRequest =
  | { readonly kind: "open"; readonly path: string }
  /** The file has so many bytes by now. */
  | { readonly kind: "written"; readonly size_bytes: number }
  | { readonly kind: "whole" }
  | { readonly kind: "stop" };

/** Hex, or the stack of what went wrong; the thread leaves after it. */
export type DigestReply = { readonly sha256: string } | { readonly failure: string };

/** Who uploads slowly keeps a thread for long; more uploads than this are hashed where they arrive. */
const THREADS_MAX = 4;
let running = 0;

/**
 * SHA-256 of a file while it is written, by a thread of its own: hashing costs more than anything
 * else that is done to an upload here, and the thread that serves requests has others to serve. It
 * reads the bytes back from the system's cache, so that a writer never waits for it.
 */
export class FileDigest implements AsyncDisposable {
  readonly #thread = new Worker(PROGRAM);
  readonly #digest = Promise.withResolvers<string>();
  readonly #closed = Promise.withResolvers<void>();

  /** False while as many uploads as there may be have a thread. */
  static get is_free(): boolean {
    return running < THREADS_MAX;
  }

  constructor(path: string) {
    running += 1;
    // Nobody may ask for it.
    this.#digest.promise.catch(() => {});
    this.#thread.addEventListener("message", ({ data }: MessageEvent<DigestReply>) => {
      if ("sha256" in data) this.#digest.resolve(data.sha256);
      else this.#digest.reject(new Error(`Hashing an upload failed: ${data.failure}`));
    });
    this.#thread.addEventListener("error", ({ message }) => {
      this.#digest.reject(new Error(`The digest thread failed: ${message}`));
    });
    this.#thread.addEventListener("close", () => {
      // After an answer this changes nothing.
      this.#digest.reject(new Error("The digest thread has ended."));
      running -= 1;
      this.#closed.resolve();
    });
    this.#post({ kind: "open", path });
  }

  /** The file has so many bytes by now. */
  written(size_bytes: number): void {
    this.#post({ kind: "written", size_bytes });
  }

  /** Hex, of all that was written. Call once, at the end. */
  sha256(): Promise<string> {
    this.#post({ kind: "whole" });
    return this.#digest.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#post({ kind: "stop" });
    await this.#closed.promise;
  }

  #post(message: DigestRequest): void {
    this.#thread.postMessage(message, []);
  }
}
