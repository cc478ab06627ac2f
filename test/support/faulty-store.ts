import { type ErrorCode, LakehouseError } from "../../core/error.ts";
import type {
  GetOptions,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
  StorageTraits,
  StoredObject,
} from "../../core/storage.ts";

export type Operation = "put" | "get" | "head" | "delete" | "list";

/** What happens to one call instead of, or around, the real thing. */
export type Fault =
  /** Nothing is done, and this error comes back. */
  | { readonly kind: "refuse"; readonly code: ErrorCode }
  /** The call is done in full, and then this error comes back. */
  | { readonly kind: "lose_answer"; readonly code: ErrorCode }
  /** This error comes back at once, and the call reaches the store only after `until`. */
  | { readonly kind: "land_late"; readonly code: ErrorCode; readonly until: Promise<void> }
  /** The call reaches the store only after `until`; its answer comes back as it is. */
  | { readonly kind: "hold"; readonly until: Promise<void> };

interface Planned {
  readonly fault: Fault;
  readonly under: string;
}

/** A real store behind a bad line: the next calls of an operation suffer the faults planned for it. */
export class FaultyStore implements ObjectStore {
  readonly calls: [Operation, string][] = [];
  readonly #inner: ObjectStore;
  readonly #planned = new Map<Operation, Planned[]>();
  readonly #late: Promise<unknown>[] = [];

  constructor(inner: ObjectStore) {
    this.#inner = inner;
  }

  get scheme(): string {
    return this.#inner.scheme;
  }

  get traits(): StorageTraits {
    return this.#inner.traits;
  }

  /**
   * The next call of `operation` for a key under this prefix that has no fault yet gets this one;
   * `times` calls in a row.
   */
  plan(operation: Operation, fault: Fault, times = 1, under = ""): void {
    const faults = this.#planned.get(operation) ?? [];
    for (let i = 0; i < times; i += 1) faults.push({ fault, under });
    this.#planned.set(operation, faults);
  }

  /** The line is good again. */
  heal(): void {
    this.#planned.clear();
  }

  /** Resolves when every call that lands late has reached the store, however it went there. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#late);
  }

  /** Calls of one operation so far, for keys under this prefix. */
  count(operation: Operation, under = ""): number {
    return this.calls.filter(([each, key]) => each === operation && key.startsWith(under)).length;
  }

  put(key: string, body: PutBody, options?: PutOptions): Promise<ObjectInfo> {
    return this.#call("put", key, () => this.#inner.put(key, body, options));
  }

  get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    return this.#call("get", key, () => this.#inner.get(key, options), release);
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#call("head", key, () => this.#inner.head(key));
  }

  delete(key: string): Promise<boolean> {
    return this.#call("delete", key, () => this.#inner.delete(key));
  }

  list(options?: ListOptions): Promise<ListPage> {
    return this.#call("list", options?.prefix ?? "", () => this.#inner.list(options));
  }

  #takeFault(operation: Operation, key: string): Fault | undefined {
    const planned = this.#planned.get(operation) ?? [];
    const index = planned.findIndex(({ under }) => key.startsWith(under));
    return index === -1 ? undefined : planned.splice(index, 1)[0]?.fault;
  }

  async #call<Result>(
    operation: Operation,
    key: string,
    perform: () => Promise<Result>,
    forget: (lost: Result) => unknown = () => {},
  ): Promise<Result> {
    this.calls.push([operation, key]);
    const fault = this.#takeFault(operation, key);
    if (fault === undefined) return perform();
    switch (fault.kind) {
      case "refuse":
        throw new LakehouseError(fault.code, "Injected: the call was refused.");
      case "lose_answer":
        await forget(await perform());
        throw new LakehouseError(fault.code, "Injected: the answer was lost.");
      case "land_late":
        this.#late.push(fault.until.then(perform).then(forget));
        throw new LakehouseError(fault.code, "Injected: the call is still on its way.");
      case "hold":
        await fault.until;
        return perform();
      default:
        throw new Error("unreachable", { cause: fault satisfies never });
    }
  }
}

/** An object whose answer was lost is never read: its file or connection must not stay open. */
async function release(object: StoredObject | undefined): Promise<void> {
  await object?.stream[Symbol.asyncIterator]().return?.();
}
