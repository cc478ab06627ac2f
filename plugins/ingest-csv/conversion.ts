import type { Codec, CodecOutput, SchemaInput } from "../../core/codec.ts";
import { hasCode, LakehouseError } from "../../core/error.ts";
import type { Limits } from "../../core/limits.ts";
import { startDeadline } from "../../core/worker-call.ts";
import type { Attempt, Spool } from "./spool.ts";

/** An upload that brings so much in so long is followed; a smaller one is over before it pays. */
const EARLY_BYTES = 4 * 1024 * 1024;
const EARLY_WITHIN_MS = 250;
/** A worker waits for the rest of an upload at most so long: others need it too. */
const EARLY_LIMIT_MS = 30_000;

export interface ConversionOptions {
  readonly spool: Spool;
  readonly options: Readonly<Record<string, string>>;
  readonly limits: Pick<Limits, "ingest_timeout_ms">;
  readonly signal: AbortSignal;
  readonly onProgress: (step: unknown) => void;
  readonly dry_run: boolean;
  /** Bad rows are let pass, and written beside the good ones. */
  readonly with_rejects: boolean;
}

export interface ConversionResult {
  readonly output: CodecOutput;
  /** Of the Parquet file, and of the one with the rejected rows. */
  readonly path: string;
  readonly rejects_path: string;
  /** What it was judged against. */
  readonly judged: JudgedAgainst;
}

/** The registered schema at the moment a conversion began. */
export interface JudgedAgainst {
  readonly schema: SchemaInput;
  /** See `schemaIdentity`. */
  readonly identity: string | undefined;
}

interface EarlyAttempt {
  readonly attempt: Attempt;
  readonly judged: JudgedAgainst;
  readonly output: Promise<CodecOutput>;
  readonly abort: AbortController;
  readonly timer: Timer;
}

/**
 * Converts one upload: after it has arrived, or, when it comes fast, while it does. The early try is
 * given up if the upload stalls; then the file is converted when it is whole, as if nothing had been.
 */
export class Conversion implements AsyncDisposable {
  readonly #options: ConversionOptions;
  #codec: Codec | undefined;
  #started_ms = 0;
  #early: EarlyAttempt | undefined;

  constructor(options: ConversionOptions) {
    this.#options = options;
  }

  /** The first byte is about to arrive. */
  begin(codec: Codec): void {
    this.#codec = codec;
    this.#started_ms = performance.now();
  }

  /** So many bytes have been written to the spool; `judge` tells what to judge them against. */
  async arrived(size_bytes: number, judge: () => JudgedAgainst): Promise<void> {
    if (this.#early !== undefined || this.#codec?.follows !== true || size_bytes < EARLY_BYTES)
      return;
    const elapsed_ms = performance.now() - this.#started_ms;
    if (elapsed_ms > (EARLY_WITHIN_MS * size_bytes) / EARLY_BYTES) return;
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, this.#options.signal]);
    const attempt = await this.#options.spool.attempt();
    const judged = judge();
    const output = this.#convert(attempt, judged, signal, EARLY_LIMIT_MS);
    // It is awaited when the upload has ended, and may fail before.
    output.catch(() => {});
    this.#early = {
      attempt,
      judged,
      output,
      abort,
      timer: setTimeout(() => abort.abort(), EARLY_LIMIT_MS),
    };
  }

  /** The upload is whole. Throws what the codec throws. A second call converts again. */
  async finish(judge: () => JudgedAgainst): Promise<ConversionResult> {
    const early = this.#early;
    this.#early = undefined;
    if (early !== undefined) {
      clearTimeout(early.timer);
      try {
        return resultOf(early.attempt, early.judged, await this.#inTime(early));
      } catch (error) {
        const given_up = early.abort.signal.aborted || hasCode(error, "overloaded");
        const is_late = hasCode(error, "deadline_exceeded");
        if (!given_up || is_late || this.#options.signal.aborted) throw error;
      }
    }
    const attempt = await this.#options.spool.attempt();
    const judged = judge();
    const output = await this.#convert(attempt, judged, this.#options.signal, 0);
    return resultOf(attempt, judged, output);
  }

  /**
   * From now on it has as long as one that a worker takes now; that it may still wait for one counts.
   * Throws `deadline_exceeded`.
   */
  async #inTime({ output, abort }: EarlyAttempt): Promise<CodecOutput> {
    let late: LakehouseError | undefined;
    const deadline = startDeadline(this.#options.limits.ingest_timeout_ms, (reason) => {
      late = reason;
      abort.abort();
    });
    try {
      return await output;
    } catch (error) {
      throw late ?? error;
    } finally {
      clearTimeout(deadline);
    }
  }

  #convert(
    { output_path, work_path, rejects_path }: Attempt,
    { schema }: JudgedAgainst,
    signal: AbortSignal,
    upload_ms: number,
  ): Promise<CodecOutput> {
    if (this.#codec === undefined) throw new LakehouseError("internal", "No codec was chosen.");
    const { spool, options, limits, onProgress, dry_run, with_rejects } = this.#options;
    return this.#codec.convert({
      path: spool.upload_path,
      done_path: spool.done_path,
      output_path,
      work_path,
      ...(with_rejects ? { rejects_path } : {}),
      options,
      schema,
      dry_run,
      deadline_ms: limits.ingest_timeout_ms + upload_ms,
      signal,
      onProgress,
    });
  }

  /** Stops what is still under way: its files are about to be removed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#early === undefined) return;
    clearTimeout(this.#early.timer);
    this.#early.abort.abort();
    await this.#early.output.catch(() => {});
  }
}

function resultOf(attempt: Attempt, judged: JudgedAgainst, output: CodecOutput): ConversionResult {
  return { output, judged, path: attempt.output_path, rejects_path: attempt.rejects_path };
}
