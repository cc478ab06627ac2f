import packageJson from "../package.json" with { type: "json" };
import { type Clock, systemClock } from "./clock.ts";
import { CodecRegistry } from "./codec.ts";
import type { Config, EnabledPlugin } from "./config.ts";
import { LakehouseError } from "./error.ts";
import { HookBus } from "./hooks.ts";
import { createHttp, type Phase } from "./http.ts";
import { drain, gateOptions, listen, parseBind, settles, urlOf } from "./listen.ts";
import type { Logger } from "./log.ts";
import { planStart } from "./plan.ts";
import type { Context, Plugin, Running } from "./plugin.ts";
import { builtIns, pluginNames } from "./plugins.ts";
import { openScratch, type Scratch } from "./scratch.ts";
import { isOptional, type Service, ServiceRegistry } from "./service.ts";
import { Storage } from "./services.ts";
import { storageRoutes } from "./storage-routes.ts";
import type { Workers } from "./workers.ts";

export interface HostOptions {
  readonly log: Logger;
  readonly workers: Workers & { stop(): Promise<void> };
  readonly clock?: Clock;
}

export interface Host {
  /** Where it listens, with the real port. */
  readonly url: string;
  /** Drains requests, stops plugins in reverse, ends workers; within `shutdown_timeout_ms`. */
  stop(): Promise<void>;
}

export const { version } = packageJson;

type Started = {
  readonly name: string;
  readonly running: Running<Readonly<Record<string, Service<unknown>>>>;
};

/**
 * Starts a server: plan → setup → bind → ready → serve. The port is bound before any I/O of a
 * plugin, so that a bind failure surfaces at once, and answers 503 until everything is ready. A
 * failure at any step stops what had started, in reverse.
 */
export async function startHost(config: Config, options: HostOptions): Promise<Host> {
  const { log, workers, clock = systemClock } = options;
  const order = plannedOrder(config.plugins);
  const bind = parseBind(config.server);
  const undo: { readonly what: string; readonly run: () => Promise<void> }[] = [];
  const unwind = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) {
      await step
        .run()
        .catch((error: unknown) => log.error({ err: error }, `stopping ${step.what} failed`));
    }
  };
  let phase: Phase = "starting";
  try {
    const scratch = await openScratch(config.server.scratch_path, log);
    undo.push({ what: "scratch", run: () => scratch.remove() });
    undo.push({ what: "workers", run: () => workers.stop() });
    const { started, services } = await setupAll(order, { config, log, workers, clock, scratch });
    const store = services.get(Storage);
    const http = createHttp({
      version,
      plugins: order.map(({ plugin }) => plugin.name),
      routes: [
        ...(store === undefined ? [] : [storageRoutes({ store, limits: config.limits, log })]),
        ...started.flatMap(({ running }) => running.routes ?? []),
      ],
      phase: () => phase,
      gate: gateOptions(config.server, bind),
      log,
      clock,
    });
    const server = listen(bind, (request) => http.fetch(request));
    http.attach(server);
    undo.push({ what: "http", run: () => drain(server, config.limits.shutdown_timeout_ms, log) });
    for (const { name, running } of started) {
      if (running.stop !== undefined) undo.splice(-1, 0, { what: name, run: running.stop });
      await running.ready?.();
    }
    phase = "ready";
    const url = urlOf(bind, server);
    log.info({ url, version, plugins: order.map(({ plugin }) => plugin.name) }, "listening");
    let stopped: Promise<void> | undefined;
    return {
      url,
      stop: () => {
        phase = "stopping";
        stopped ??= within(config.limits.shutdown_timeout_ms * 2, unwind(), log);
        return stopped;
      },
    };
  } catch (error) {
    phase = "stopping";
    await unwind();
    throw error;
  }
}

/** Throws one error with every problem of the set. */
function plannedOrder(enabled: readonly EnabledPlugin[]): readonly EnabledPlugin[] {
  const providers = new Map<string, string[]>();
  for (const name of pluginNames) {
    for (const service of builtIns[name].provides) {
      providers.set(service, [...(providers.get(service) ?? []), name]);
    }
  }
  const plan = planStart(
    enabled.map(({ plugin }) => plugin),
    providers,
  );
  if (plan.problems.length > 0) {
    const lines = plan.problems.map(({ message, hint }) => `${message} ${hint}`);
    throw new LakehouseError("invalid_config", lines.join("\n"));
  }
  return plan.order.flatMap((plugin) => enabled.filter((each) => each.plugin === plugin));
}

interface SetupEnvironment {
  readonly config: Config;
  readonly log: Logger;
  readonly workers: Workers;
  readonly clock: Clock;
  readonly scratch: Scratch;
}

async function setupAll(
  order: readonly EnabledPlugin[],
  { config, log, workers, clock, scratch }: SetupEnvironment,
): Promise<{ started: readonly Started[]; services: ServiceRegistry }> {
  const bus = new HookBus(log);
  const codecs = new CodecRegistry();
  const services = new ServiceRegistry();
  const started: Started[] = [];
  for (const { plugin, config: own } of order) {
    const context: Context<unknown> = {
      config: own,
      limits: config.limits,
      log: log.child({ plugin: plugin.name }),
      clock,
      hooks: bus.forPlugin(plugin.name),
      workers,
      codecs,
      scratch_path: await scratch.folder(plugin.name),
    };
    const running = plugin.setup(context, resolveNeeds(plugin, services));
    for (const [name, token] of Object.entries(plugin.provides)) {
      const value = running.services[name];
      if (value === undefined)
        throw new Error(`plugin ${plugin.name} declares ${name} and does not provide it`);
      services.provide(token, value);
    }
    for (const codec of running.codecs ?? []) codecs.register(codec);
    for (const coding of running.content_codings ?? []) codecs.registerCoding(coding);
    started.push({ name: plugin.name, running });
  }
  return { started, services };
}

function resolveNeeds(plugin: Plugin, services: ServiceRegistry): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(plugin.needs).map(([name, need]) => [
      name,
      services.get(isOptional(need) ? need.optional : need),
    ]),
  );
}

async function within(timeout_ms: number, work: Promise<void>, log: Logger): Promise<void> {
  if (!(await settles(work, timeout_ms)))
    log.error({ timeout_ms }, "stopping took too long and was given up");
}
