/** A JSON value: what crosses a process boundary, the wire, or a manifest envelope. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/** Narrows an unknown value to a plain object, so that members can be read without a cast. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
