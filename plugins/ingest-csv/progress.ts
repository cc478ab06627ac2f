import { Value } from "@sinclair/typebox/value";
import type { Clock } from "../../core/clock.ts";
import { LakehouseError, type Problem, toProblem } from "../../core/error.ts";
import type { Limits } from "../../core/limits.ts";
import { conversionStepSchema } from "./conversion-progress.ts";

export type IngestState = "receiving" | "converting" | "committing" | "done" | "failed";

/** What `GET /ingest/<id>` answers. */
export interface IngestView {
  /** The id of the request that sends the file. */
  readonly id: string;
  /** Of the dataset. */
  readonly name: string;
  readonly state: IngestState;
  /** Of the body as it arrives. */
  readonly received_bytes: number;
  /** `Content-Length`, where the client sent one. */
  readonly total_bytes?: number;
  /** Of the file inside the body, decompressed, so far. */
  readonly file_bytes: number;
  /** Of the file, how much has been judged. */
  readonly judged_bytes: number;
  readonly row_count: number;
  /** Parts of the Parquet file that are written, and that are begun. */
  readonly parts_done: number;
  readonly parts_total: number;
  /** RFC 3339, as the other times. */
  readonly started_at: string;
  readonly updated_at: string;
  readonly finished_at?: string;
  /** The problem that the request was answered with. */
  readonly error?: Problem;
}

export interface IngestStart {
  readonly id: string;
  readonly name: string;
  readonly total_bytes: number | undefined;
}

/** One ingest as those who watch it see it. */
export interface WatchedIngest {
  view(): IngestView;
  /** Grows with every change. */
  readonly revision: number;
  /** Aborted when it is done or has failed. */
  readonly ended: AbortSignal;
}

/** One ingest as the pipeline tells of it. */
export class RunningIngest implements WatchedIngest {
  readonly #clock: Clock;
  readonly #start: IngestStart;
  readonly #started_at: string;
  readonly #end = new AbortController();
  #state: IngestState = "receiving";
  #received_bytes = 0;
  #file_bytes = 0;
  #step = { judged_bytes: 0, row_count: 0, parts_done: 0, parts_total: 0 };
  #updated_at: Date;
  #revision = 0;
  #error: Problem | undefined;

  constructor(start: IngestStart, clock: Clock) {
    this.#start = start;
    this.#clock = clock;
    this.#updated_at = clock.now();
    this.#started_at = this.#updated_at.toISOString();
  }

  /** So many bytes of the body have arrived, with those before. */
  received(received_bytes: number): void {
    this.#received_bytes = received_bytes;
    this.#changed();
  }

  /** So many bytes of the file are on disk. */
  spooled(file_bytes: number): void {
    this.#file_bytes = file_bytes;
    this.#changed();
  }

  /** What a codec tells; anything but a `ConversionStep` is not shown. */
  converted(step: unknown): void {
    if (!Value.Check(conversionStepSchema, step)) return;
    this.#step = step;
    this.#changed();
  }

  /** The upload is whole. */
  converting(): void {
    this.#enter("converting");
  }

  /** The whole file has been converted, to so many rows. */
  committing(row_count: number): void {
    const { parts_total } = this.#step;
    const judged_bytes = this.#file_bytes;
    this.#step = { judged_bytes, row_count, parts_done: parts_total, parts_total };
    this.#enter("committing");
  }

  done(): void {
    this.#enter("done");
    this.#end.abort();
  }

  failed(error: unknown): void {
    this.#error = toProblem(error, this.#start.id);
    this.#enter("failed");
    this.#end.abort();
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  get revision(): number {
    return this.#revision;
  }

  view(): IngestView {
    const { id, name, total_bytes } = this.#start;
    const updated_at = this.#updated_at.toISOString();
    return {
      id,
      name,
      state: this.#state,
      received_bytes: this.#received_bytes,
      ...(total_bytes === undefined ? {} : { total_bytes }),
      file_bytes: this.#file_bytes,
      ...this.#step,
      started_at: this.#started_at,
      updated_at,
      ...(this.ended.aborted ? { finished_at: updated_at } : {}),
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  #enter(state: IngestState): void {
    this.#state = state;
    this.#changed();
  }

  #changed(): void {
    this.#revision += 1;
    this.#updated_at = this.#clock.now();
  }
}

export interface IngestProgressOptions {
  readonly limits: Pick<Limits, "ingest_progress_kept" | "ingest_progress_ms">;
  readonly clock: Clock;
}

/** The ingests that run, and the last ones that ended. In memory: a restart forgets them. */
export class IngestProgress {
  readonly #options: IngestProgressOptions;
  readonly #running = new Map<string, RunningIngest>();
  /** In the order they ended. */
  readonly #ended = new Map<string, { readonly ingest: RunningIngest; readonly at_ms: number }>();

  constructor(options: IngestProgressOptions) {
    this.#options = options;
  }

  /** Does the work of one ingest where others can watch. Throws `ingest_exists`, or what it throws. */
  async follow<T>(start: IngestStart, work: (ingest: RunningIngest) => Promise<T>): Promise<T> {
    const { id } = start;
    if (this.#running.has(id)) {
      throw new LakehouseError("ingest_exists", "An ingest with this X-Request-Id is under way.", {
        hint: "Choose another X-Request-Id for each upload, or send none.",
      });
    }
    const { clock } = this.#options;
    const ingest = new RunningIngest(start, clock);
    this.#ended.delete(id);
    this.#running.set(id, ingest);
    try {
      const result = await work(ingest);
      ingest.done();
      return result;
    } catch (error) {
      ingest.failed(error);
      throw error;
    } finally {
      this.#running.delete(id);
      this.#ended.set(id, { ingest, at_ms: clock.monotonic_ms() });
      this.#forget();
    }
  }

  /** Throws `ingest_not_found`. */
  get(id: string): WatchedIngest {
    this.#forget();
    const ingest = this.#running.get(id) ?? this.#ended.get(id)?.ingest;
    if (ingest !== undefined) return ingest;
    throw new LakehouseError("ingest_not_found", "No ingest with this id runs or ended of late.", {
      hint: "The id is the X-Request-Id of the upload. The catalog tells what has been committed.",
    });
  }

  #forget(): void {
    const { limits, clock } = this.#options;
    const since_ms = clock.monotonic_ms() - limits.ingest_progress_ms;
    for (const [id, { at_ms }] of this.#ended) {
      if (this.#ended.size <= limits.ingest_progress_kept && at_ms > since_ms) return;
      this.#ended.delete(id);
    }
  }
}
