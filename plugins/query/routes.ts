import { type AnyElysia, Elysia } from "elysia";
import type { Statements } from "./statements.ts";

/** `POST /sql`. */
export function queryRoutes(statements: Statements): AnyElysia {
  return new Elysia().post(
    "/sql",
    ({ request, server }) => {
      // A statement may be silent for longer than an idle connection is kept.
      server?.timeout(request, 0);
      return statements.answer(request);
    },
    { parse: "none" },
  );
}
