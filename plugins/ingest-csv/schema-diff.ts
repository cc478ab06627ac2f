import type { Json } from "../../core/json.ts";
import type { Column } from "../../core/services.ts";

type Typed = Pick<Column, "name" | "type">;

/**
 * How a file's columns differ from the registered ones, by name: for programs that decide what to
 * do about a conflict. Pure.
 */
export function schemaDiff(registered: readonly Typed[], uploaded: readonly Typed[]): Json {
  const before = new Map(registered.map(({ name, type }) => [name, type]));
  const after = new Map(uploaded.map(({ name, type }) => [name, type]));
  const kept = (columns: readonly Typed[], others: ReadonlyMap<string, string>): string[] =>
    columns.map(({ name }) => name).filter((name) => others.has(name));
  return {
    added: uploaded
      .filter(({ name }) => !before.has(name))
      .map(({ name, type }) => ({ name, type })),
    removed: registered
      .filter(({ name }) => !after.has(name))
      .map(({ name, type }) => ({ name, type })),
    retyped: uploaded.flatMap(({ name, type }) => {
      const from = before.get(name);
      return from === undefined || from === type ? [] : [{ name, from, to: type }];
    }),
    reordered: kept(registered, after).join("\u001f") !== kept(uploaded, before).join("\u001f"),
  };
}
