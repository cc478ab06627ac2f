import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { ObjectStore, StorageTraits } from "../../core/storage.ts";
import { conditionTests } from "./storage-conditions.ts";
import { fileTests } from "./storage-files.ts";
import { keyTests } from "./storage-keys.ts";
import { listingTests } from "./storage-listing.ts";
import { objectTests } from "./storage-objects.ts";
import { streamTests } from "./storage-streams.ts";

/** One opened backend. The suite writes under prefixes of its own and closes it at the end. */
export interface ConformanceTarget {
  readonly store: ObjectStore;
  /** A second, independent store over the same objects, as another process would open it. */
  readonly reopen: () => Promise<ConformanceTarget>;
  /** What unfinished puts left behind (temporary files, open multipart uploads), by any name. */
  readonly leftovers: () => Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface ConformanceOptions {
  /**
   * What the backend declares. The first test holds the store to it; the claims that come with a
   * trait are skipped, with that reason in their name, where it is declared `false`.
   */
  readonly traits: StorageTraits;
  /** Objects in the listing that is paged through. */
  readonly list_count?: number;
  /** The object streamed in bounded memory. */
  readonly large_bytes?: number;
  /** What streaming it may add to the process. */
  readonly memory_growth_bytes?: number;
  /** For any one test; a remote store needs more. */
  readonly timeout_ms?: number;
}

const MIB = 1024 * 1024;

/** What the groups of claims share: the opened backend, and a prefix nobody else uses. */
export interface Suite {
  readonly options: Required<ConformanceOptions>;
  target(): ConformanceTarget;
  store(): ObjectStore;
  /** A fresh prefix that ends in `/`. */
  prefix(): string;
  /** Registers a claim; with a trait it is skipped, and says why, unless the backend declares it. */
  readonly claim: (name: string, run: () => Promise<void>, trait?: keyof StorageTraits) => void;
}

/**
 * Registers the claims of the storage contract (`core/storage.ts`) as tests. A backend is a backend
 * once all of them hold.
 */
export function storageConformance(
  name: string,
  open: () => Promise<ConformanceTarget>,
  options: ConformanceOptions,
): void {
  describe(`${name} keeps the storage contract`, () => {
    let opened: ConformanceTarget | undefined;
    let prefixes = 0;
    const target = (): ConformanceTarget => {
      if (opened === undefined) throw new Error("the backend did not open");
      return opened;
    };
    const settings: Required<ConformanceOptions> = {
      list_count: 2500,
      large_bytes: 96 * MIB,
      memory_growth_bytes: 64 * MIB,
      timeout_ms: 60_000,
      ...options,
    };
    const suite: Suite = {
      options: settings,
      target,
      store: () => target().store,
      prefix: () => `conformance/${++prefixes}/`,
      claim(claim, run, trait) {
        if (trait !== undefined && !settings.traits[trait]) {
          test.skip(`${claim} (skipped: the backend declares ${trait} = false)`, run);
        } else {
          test(claim, run, settings.timeout_ms);
        }
      },
    };

    beforeAll(async () => {
      opened = await open();
    }, settings.timeout_ms);
    afterAll(async () => {
      await opened?.close();
    }, settings.timeout_ms);

    suite.claim("the store declares the traits it is held to", async () => {
      expect(suite.store().traits).toEqual(settings.traits);
      expect(suite.store().scheme).toMatch(/^[a-z][a-z0-9]*$/);
    });
    objectTests(suite);
    fileTests(suite);
    streamTests(suite);
    conditionTests(suite);
    keyTests(suite);
    listingTests(suite);
  });
}
