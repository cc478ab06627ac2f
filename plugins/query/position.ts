/** Line and column of a place in a statement, both from 1; columns count characters. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** From a byte offset into the statement's UTF-8, as the nodes of a syntax tree have it. */
export function positionAtByte(sql: string, offset_bytes: number): Position {
  return positionAfter(Buffer.from(sql).subarray(0, offset_bytes).toString());
}

/** From a number of code points, as a syntax error has it. */
export function positionAtCodePoint(sql: string, offset: number): Position {
  return positionAfter(Array.from(sql).slice(0, offset).join(""));
}

function positionAfter(before: string): Position {
  const line_start = before.lastIndexOf("\n") + 1;
  return {
    line: before.split("\n").length,
    column: Array.from(before.slice(line_start)).length + 1,
  };
}

/**
 * From the excerpt at the end of an engine message:
 *
 *     LINE 2: SELECT x FROM t
 *                    ^
 *
 * The excerpt of a long line is cut at both ends (`...`), so it is looked up in the statement.
 */
export function positionInMessage(sql: string, message: string): Position | undefined {
  const match = /^LINE (\d+): (.*)\n( *)\^/m.exec(message);
  if (match === null) return undefined;
  const [, number = "1", excerpt = "", indent = ""] = match;
  const line = Number(number);
  const text = sql.split("\n")[line - 1] ?? "";
  const caret = indent.length - `LINE ${number}: `.length;
  const cut = excerpt.startsWith("...") && !text.startsWith("...") ? 3 : 0;
  const start = text.indexOf(excerpt.slice(cut).replace(/\.\.\.$/, ""));
  if (start < 0 || caret < cut) return { line, column: 1 };
  return { line, column: start + caret - cut + 1 };
}
