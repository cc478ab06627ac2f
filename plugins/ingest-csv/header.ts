import { LakehouseError } from "../../core/error.ts";

/** NUL ends strings in C; the other two are the separators of the schema fingerprint. */
// oxlint-disable-next-line no-control-regex -- control characters are what this finds
const FORBIDDEN = /[\u0000\u001e\u001f]/u;

/**
 * Names of the columns, unique also without regard to case, as SQL identifiers are. An empty header
 * cell becomes `column_<position>`. Of equal names the first keeps its name and each later one gets
 * the first free of `<name>_2`, `<name>_3`, …; a name that stands in the header is never given to
 * another column. Pure; throws `invalid_csv`, for a header in this line.
 */
export function uniqueNames(cells: readonly string[], line = 1): readonly string[] {
  const wanted = cells.map((cell, index) => (cell === "" ? `column_${index + 1}` : cell));
  const written = new Set(cells.filter((cell) => cell !== "").map(fold));
  const taken = new Set<string>();
  /** By name, what comes behind the numbers that are known to be taken. */
  const next = new Map<string, number>();
  return wanted.map((name, index) => {
    if (FORBIDDEN.test(name)) throw forbidden(index, line);
    let candidate = name;
    if (isTaken(name, cells[index] !== "")) {
      let number = next.get(fold(name)) ?? 2;
      while (isTaken(`${name}_${number}`, false)) number += 1;
      next.set(fold(name), number + 1);
      candidate = `${name}_${number}`;
    }
    taken.add(fold(candidate));
    return candidate;
  });

  /** A written name may be claimed by the first cell that carries it, and by no other. */
  function isTaken(candidate: string, own: boolean): boolean {
    return taken.has(fold(candidate)) || (!own && written.has(fold(candidate)));
  }
}

const fold = (name: string): string => name.toLowerCase();

function forbidden(index: number, line: number): LakehouseError {
  return new LakehouseError(
    "invalid_csv",
    `The header cell of column ${index + 1} holds a control character.`,
    {
      hint: "Remove U+0000, U+001E and U+001F from the header.",
      extra: { line, column: index + 1, reason: "header_control_character" },
    },
  );
}
