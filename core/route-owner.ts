import { LakehouseError } from "./error.ts";
import { builtIns, pluginNames } from "./plugins.ts";

interface Route {
  readonly method: string;
  readonly path: string;
}

/** Explains why no route answered. */
export interface RouteOwner {
  /** Methods that would be served at this path; empty if there is no such route. */
  methodsAt(pathname: string): readonly string[];
  /** What to answer when nothing matched: 405, the absent plugin's 404, or a plain 404. */
  missing(method: string, pathname: string): LakehouseError;
}

export function createRouteOwner(routes: readonly Route[], enabled: readonly string[]): RouteOwner {
  const patterns = routes.map(({ method, path }) => ({ method, pattern: toPattern(path) }));
  const methodsAt = (pathname: string): readonly string[] => [
    ...new Set(
      patterns.filter(({ pattern }) => pattern.test(pathname)).map(({ method }) => method),
    ),
  ];
  return {
    methodsAt,
    missing(method, pathname) {
      const allowed = methodsAt(pathname);
      if (allowed.length > 0) {
        return new LakehouseError("method_not_allowed", `${method} is not served here.`, {
          hint: `Use ${allowed.join(" or ")}.`,
        });
      }
      const absent = absentOwner(pathname, enabled);
      if (absent.length > 0) {
        const tables = absent.map((name) => `[plugins.${name}]`).join(" or ");
        return new LakehouseError(
          "plugin_disabled",
          `This route belongs to the plugin ${absent.join(" or ")}, which is not enabled.`,
          {
            hint: `Add ${tables} to the configuration.`,
            extra: { plugins: absent },
          },
        );
      }
      return new LakehouseError(
        "route_not_found",
        `There is no route ${method} ${pathname.slice(0, 256)}.`,
        {
          hint: "docs/http.md lists the routes.",
        },
      );
    },
  };
}

/** The built-in plugins that would serve this path, if none of them is enabled. */
function absentOwner(pathname: string, enabled: readonly string[]): readonly string[] {
  const [head, second] = pathname.slice(1).split("/");
  const segment = head === "v1" ? second : head;
  const owners = pluginNames.filter((name) => {
    const serves: readonly string[] = builtIns[name].serves;
    return segment !== undefined && serves.includes(segment);
  });
  return owners.some((name) => enabled.includes(name)) ? [] : owners;
}

/** Elysia's path syntax: `:name` is one segment, a final `*` is the rest. */
function toPattern(path: string): RegExp {
  const source = path
    .split("/")
    .map((segment) => {
      if (segment === "*") return ".+";
      if (segment.startsWith(":")) return "[^/]+";
      return segment.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    })
    .join("/");
  return new RegExp(`^${source}$`);
}
