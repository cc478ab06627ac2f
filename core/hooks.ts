import { LakehouseError } from "./error.ts";
import type { Logger } from "./log.ts";

/**
 * The four kinds of hook (after rollup's and datasette's):
 * - `guard`: before the fact, in order; the first throw vetoes it and reaches the caller.
 * - `notify`: after the fact; every handler runs, none can fail the caller, failures are logged.
 * - `waterfall`: a value handed from handler to handler.
 * - `first`: the first answer that is not undefined wins.
 *
 * Hooks fire per request or per commit, never per row.
 */
export type HookKind = "guard" | "notify" | "waterfall" | "first";

interface HookBase<Kind extends HookKind, in out Event, in out Result> {
  readonly kind: Kind;
  readonly name: string;
  /** Phantom: carries the handler's type for the compiler. */
  readonly handler?: (event: Event) => Result | Promise<Result>;
}
export type GuardHook<Event> = HookBase<"guard", Event, void>;
export type NotifyHook<Event> = HookBase<"notify", Event, void>;
export type WaterfallHook<Value> = HookBase<"waterfall", Value, Value>;
export type FirstHook<Question, Answer> = HookBase<"first", Question, Answer | undefined>;

export const guard = <Event>(name: string): GuardHook<Event> => ({ kind: "guard", name });
export const notify = <Event>(name: string): NotifyHook<Event> => ({ kind: "notify", name });
export const waterfall = <Value>(name: string): WaterfallHook<Value> => ({
  kind: "waterfall",
  name,
});
export const first = <Question, Answer>(name: string): FirstHook<Question, Answer> => ({
  kind: "first",
  name,
});

/** What all hooks are to the bus itself. */
interface AnyHook {
  readonly kind: HookKind;
  readonly name: string;
}
type Handler = (event: never) => unknown;

/** `pre` runs before the handlers without an order, `post` after them; within one, start order. */
export type HookOrder = "pre" | "normal" | "post";
const ORDER: Record<HookOrder, number> = { pre: 0, normal: 1, post: 2 };

interface Registration {
  readonly plugin: string;
  readonly order: HookOrder;
  readonly handler: Handler;
}

/** What a plugin gets: the bus, with its own name on every handler it adds. */
export interface PluginHooks {
  /** Adds a handler; returns a function that takes it off again. */
  on<Event, Result>(
    hook: HookBase<HookKind, Event, Result>,
    handler: NoInfer<(event: Event) => Result | Promise<Result>>,
    options?: { readonly order?: HookOrder },
  ): () => void;
  guard<Event>(hook: GuardHook<Event>, event: Event): Promise<void>;
  notify<Event>(hook: NotifyHook<Event>, event: Event): Promise<void>;
  waterfall<Value>(hook: WaterfallHook<Value>, value: Value): Promise<Value>;
  first<Question, Answer>(
    hook: FirstHook<Question, Answer>,
    question: Question,
  ): Promise<Answer | undefined>;
}

/** The typed bus. A handler's failure is always blamed on its plugin and its hook. */
export class HookBus {
  readonly #handlers = new Map<AnyHook, Registration[]>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  forPlugin(plugin: string): PluginHooks {
    return {
      on: (hook, handler, options) => this.#on(plugin, hook, handler, options?.order ?? "normal"),
      guard: (hook, event) => this.#guard(hook, event),
      notify: (hook, event) => this.#notify(hook, event),
      waterfall: (hook, value) => this.#waterfall(hook, value),
      first: (hook, question) => this.#first(hook, question),
    };
  }

  #on(plugin: string, hook: AnyHook, handler: Handler, order: HookOrder): () => void {
    const entry: Registration = { plugin, order, handler };
    const list = [...this.#of(hook), entry].sort((a, b) => ORDER[a.order] - ORDER[b.order]);
    this.#handlers.set(hook, list);
    return () => {
      this.#handlers.set(
        hook,
        this.#of(hook).filter((each) => each !== entry),
      );
    };
  }

  #of(hook: AnyHook): readonly Registration[] {
    return this.#handlers.get(hook) ?? [];
  }

  async #guard(hook: AnyHook, event: unknown): Promise<void> {
    for (const entry of this.#of(hook)) await this.#call(hook, entry, event);
  }

  async #notify(hook: AnyHook, event: unknown): Promise<void> {
    await Promise.all(
      this.#of(hook).map(async (entry) => {
        try {
          await this.#call(hook, entry, event);
        } catch (error) {
          this.#log.error(
            { err: error, plugin: entry.plugin, hook: hook.name },
            "a notify handler failed",
          );
        }
      }),
    );
  }

  async #waterfall<Value>(hook: WaterfallHook<Value>, value: Value): Promise<Value> {
    let current: unknown = value;
    for (const entry of this.#of(hook)) current = await this.#call(hook, entry, current);
    // The handlers of this token were registered with its own type, see `PluginHooks.on`.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return current as Value;
  }

  async #first<Question, Answer>(
    hook: FirstHook<Question, Answer>,
    question: Question,
  ): Promise<Answer | undefined> {
    for (const entry of this.#of(hook)) {
      const answer = await this.#call(hook, entry, question);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
      if (answer !== undefined) return answer as Answer;
    }
    return undefined;
  }

  async #call(hook: AnyHook, entry: Registration, value: unknown): Promise<unknown> {
    try {
      // `PluginHooks` ties the handler's type to the hook's, see `on`.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return await entry.handler(value as never);
    } catch (error) {
      if (error instanceof LakehouseError) throw error;
      throw new Error(`plugin ${entry.plugin} failed in hook ${hook.name}`, { cause: error });
    }
  }
}
