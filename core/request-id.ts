import { v7 as uuidv7 } from "uuid";

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

const ids = new WeakMap<Request, string>();

/**
 * The id under which a request is answered and logged: the client's own `X-Request-Id` where it
 * can be one, else a UUIDv7, which nobody guesses. The same for every caller.
 */
export function requestIdOf(request: Request): string {
  const known = ids.get(request);
  if (known !== undefined) return known;
  const given = request.headers.get("x-request-id");
  const id = given !== null && REQUEST_ID.test(given) ? given : uuidv7();
  ids.set(request, id);
  return id;
}
