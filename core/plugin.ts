import type { Static, TObject } from "@sinclair/typebox";
import type { AnyElysia } from "elysia";
import type { Clock } from "./clock.ts";
import type { Codec, CodecRegistry, ContentCoding } from "./codec.ts";
import type { PluginHooks } from "./hooks.ts";
import type { Limits } from "./limits.ts";
import type { Logger } from "./log.ts";
import type { Need, Resolved, Service } from "./service.ts";
import type { Workers } from "./workers.ts";

/** What every plugin gets. */
export interface Context<Config> {
  /** The plugin's own table of the configuration, validated and with its defaults filled in. */
  readonly config: Config;
  readonly limits: Limits;
  readonly log: Logger;
  readonly clock: Clock;
  readonly hooks: PluginHooks;
  readonly workers: Workers;
  readonly codecs: CodecRegistry;
  /**
   * A private folder of this plugin in this process, on local disk, made before `ready` and removed
   * at stop; what a crash left behind is swept at the next start. For spools and caches.
   */
  readonly scratch_path: string;
}

type Needs = Readonly<Record<string, Need>>;
type Provides = Readonly<Record<string, Service<unknown>>>;
type Provided<P extends Provides> = {
  readonly [Name in keyof P]: P[Name] extends Service<infer T> ? T : never;
};

/** What `setup` hands back. */
export interface Running<P extends Provides> {
  /** Mounted at `/x` and `/v1/x`. Must not carry a `name` (Elysia drops the second mount's hooks). */
  readonly routes?: AnyElysia;
  readonly services: Provided<P>;
  readonly codecs?: readonly Codec[];
  readonly content_codings?: readonly ContentCoding[];
  /** I/O happens here: after every `setup`, in start order, before the server listens. */
  readonly ready?: () => Promise<void>;
  /** In reverse start order, with a deadline; also after a failed start. */
  readonly stop?: () => Promise<void>;
}

export interface PluginDefinition<Config extends TObject, N extends Needs, P extends Provides> {
  readonly name: string;
  /** One sentence for `lakehouse plugins` and the docs. */
  readonly summary: string;
  readonly config: Config;
  readonly needs: N;
  readonly provides: P;
  /** Wires only; no I/O. */
  setup(ctx: Context<Static<Config>>, needs: Resolved<N>): Running<P>;
}

/** A plugin with its types erased, as the host handles it. */
export interface Plugin {
  readonly name: string;
  readonly summary: string;
  readonly config: TObject;
  readonly needs: Needs;
  readonly provides: Provides;
  setup(ctx: Context<unknown>, needs: Readonly<Record<string, unknown>>): Running<Provides>;
}

/** Declares a plugin. The types of config, needs and services are checked here and then erased. */
export function definePlugin<
  Config extends TObject,
  const N extends Needs,
  const P extends Provides,
>(definition: PluginDefinition<Config, N, P>): Plugin {
  return definition;
}
