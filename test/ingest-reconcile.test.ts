import { describe, expect, test } from "bun:test";
import type { Json } from "../core/json.ts";
import type { Column } from "../core/services.ts";
import {
  reconcile,
  type Reconciled,
  type RegisteredSchema,
} from "../plugins/ingest-csv/reconcile.ts";
import { idsOf, judge, register, typesOf } from "./support/offered-columns.ts";

/** How an upload is judged against the registered schema. */

describe("a first upload", () => {
  test("makes the schema, with ids from 1 and what is known of its digits", () => {
    expect(register({ n: ["1", "-23"], t: ["x"], d: ["0.1234567890123456789"] })).toEqual({
      verdict: "new",
      columns: [
        { id: 1, name: "n", type: "int64", nullable: true, integer_digits: 2, fraction_digits: 0 },
        { id: 2, name: "t", type: "utf8", nullable: true },
        {
          id: 3,
          name: "d",
          type: "decimal128(38, 27)",
          nullable: true,
          integer_digits: 1,
          fraction_digits: 19,
        },
      ],
      last_column_id: 3,
      diff: { added: [], removed: [], retyped: [], reordered: [], choices: [] },
    });
  });
});

describe("an upload is the registered schema", () => {
  const registered = register({ n: ["1.5"], t: ["x"], i: ["7"] });

  test("if every cell keeps its value, whatever type it would have by itself", () => {
    const { verdict, columns } = judge(registered, { n: ["1"], t: ["2"], i: [""] }, "strict");
    expect(verdict).toBe("same");
    expect(columns).toEqual(registered.columns);
  });

  test("in any order of its columns, which keep theirs and are named", () => {
    const { verdict, columns, diff } = judge(
      registered,
      { i: ["7"], t: ["x"], n: ["0.5"] },
      "strict",
    );
    expect(verdict).toBe("same");
    expect(columns).toEqual(registered.columns);
    expect(diff).toEqual({ ...registered.diff, reordered: ["i", "n"] });
  });

  test("and is so in every mode: nothing is widened or replaced without need", () => {
    for (const mode of ["strict", "widen", "replace"] as const) {
      expect(judge(registered, { n: ["2"], t: [""], i: ["8"] }, mode)).toMatchObject({
        verdict: "same",
        columns: registered.columns,
      });
    }
  });

  test("and raises the digits that are known", () => {
    const { columns } = judge(registered, { n: ["2"], t: [""], i: ["12345"] }, "strict");
    expect(columns[2]).toMatchObject({ type: "int64", integer_digits: 5 });
  });
});

/** What a column of this type is widened to by this cell, with what is known of its digits. */
function to(type: string, value: string, known: Partial<Column> = {}): unknown {
  const columns = [{ id: 1, name: "c", type, nullable: true, ...known }];
  const registered = { columns, last_column_id: 1 };
  return judge(registered, { c: [value] }, "widen").diff.retyped[0]?.widens_to;
}

/** A column of a file that says of itself which types it has, as Parquet does. */
function uncounted(
  type: string,
  known: Partial<Column>,
  registered?: RegisteredSchema,
): Reconciled {
  const column = { name: "c", type, fits: (other: string) => other === type, ...known };
  return reconcile({ offered: [column], registered, mode: "widen" });
}

describe("an upload that is not", () => {
  const registered = register({ id: ["1"], day: ["2024-02-29"], ok: ["true"] });
  const drifted = { id: ["1.5"], more: ["x"], day: ["soon"] };

  test("is refused under strict, with the difference and the choices", () => {
    const conflict = judge(registered, drifted, "strict");
    expect(conflict).toEqual({
      verdict: "conflict",
      columns: registered.columns,
      last_column_id: 3,
      diff: {
        added: [{ name: "more", type: "utf8" }],
        removed: [{ name: "ok", type: "bool" }],
        retyped: [
          { name: "id", from: "int64", to: "float64", widens_to: "float64" },
          { name: "day", from: "date32[day]", to: "utf8", widens_to: "utf8" },
        ],
        reordered: [],
        choices: ["widen", "replace"],
      },
    });
    // It goes into a problem as it is.
    const extra: Json = conflict.diff;
    expect(JSON.parse(JSON.stringify(extra))).toEqual(conflict.diff);
  });

  test("is taken under widen: ids stay, added columns come last, missing ones are null", () => {
    const { verdict, columns, last_column_id } = judge(registered, drifted, "widen");
    expect(verdict).toBe("widened");
    expect(columns.map(({ id, name, type, nullable }) => [id, name, type, nullable])).toEqual([
      [1, "id", "float64", true],
      [2, "day", "utf8", true],
      [3, "ok", "bool", true],
      [4, "more", "utf8", true],
    ]);
    expect(last_column_id).toBe(4);
  });

  test("starts anew under replace, with ids that were never used", () => {
    const { verdict, columns, last_column_id } = judge(registered, drifted, "replace");
    expect(verdict).toBe("replaced");
    expect(columns.map(({ id, name, type }) => [id, name, type])).toEqual([
      [4, "id", "float64"],
      [5, "more", "utf8"],
      [6, "day", "utf8"],
    ]);
    expect(last_column_id).toBe(6);
  });

  test("is refused under widen where the stored values would not come back as written", () => {
    const kept: readonly [string, readonly string[], readonly string[]][] = [
      ["float64", ["1.5"], ["x"]],
      ["bool", ["true"], ["maybe"]],
      ["bool", ["true"], ["1"]],
      ["decimal128(38, 18)", ["1.123456789012345678"], ["x"]],
      ["float64", ["1.5"], ["9007199254740993"]],
    ];
    for (const [type, before, after] of kept) {
      const schema = register({ c: before });
      expect(typesOf(schema)).toEqual({ c: type });
      const { verdict, diff } = judge(schema, { c: after }, "widen");
      expect({ type, verdict }).toEqual({ type, verdict: "conflict" });
      expect(diff.choices).toEqual(["replace"]);
      expect(diff.retyped[0]?.widens_to).toBeNull();
      expect(diff.retyped[0]?.reason).toBeString();
    }
  });

  const widenings: readonly [why: string, before: string, after: string, type: string][] = [
    ["15 digits fit a double", "999999999999999", "0.5", "float64"],
    ["16 digits may not", "9999999999999999", "0.5", "decimal128(38, 9)"],
    ["a double may lose the new one", "7", "0.7009012320399926", "decimal128(38, 18)"],
    ["beyond 64 bits", "7", "92233720368547758089", "decimal128(38, 0)"],
    ["a float that holds it is narrower", "7", "18446744073709551616", "float64"],
    ["integers print as they were written", "7", "x", "utf8"],
    [
      "19 digits leave no room for 27 behind the point",
      "9223372036854775807",
      `0.${"1".repeat(27)}`,
      "utf8",
    ],
    [
      "a larger scale, if the digits fit",
      "1.1234567891234567",
      "0.1234567891234567891",
      "decimal128(38, 27)",
    ],
  ];
  test.each(widenings)("widens by digits: %s", (_why, before, after, type) => {
    const { verdict, columns } = judge(register({ c: [before] }), { c: [after] }, "widen");
    expect(verdict === "conflict" ? verdict : columns[0]?.type).toBe(type);
  });

  test("takes the most that a type can hold where no digits are known", () => {
    expect(to("int64", "0.5")).toBe("decimal128(38, 9)");
    expect(to("int64", "0.5", { integer_digits: 15 })).toBe("float64");
    expect(to("decimal128(38, 9)", `0.${"1".repeat(18)}`)).toBeNull();
    expect(to("decimal128(38, 18)", "1".repeat(25))).toBeNull();
    const few = { integer_digits: 20, fraction_digits: 9 };
    expect(to("decimal128(38, 18)", "1".repeat(25), few)).toBe("decimal128(38, 9)");
    expect(to("list<item: int64>", "x")).toBeNull();
  });

  test("takes digits that nobody counted for the most, so that none is lost later", () => {
    const int64 = { integer_digits: 19, fraction_digits: 0 };
    const decimal = { integer_digits: 20, fraction_digits: 18 };
    for (const none of [{}, { integer_digits: 0, fraction_digits: 0 }]) {
      for (const registered of [undefined, register({ c: ["7"] })]) {
        expect(uncounted("int64", none, registered).columns).toMatchObject([int64]);
      }
      const fresh = uncounted("decimal128(38, 18)", none);
      expect(fresh.columns).toMatchObject([decimal]);
    }
    const half = uncounted("decimal128(38, 18)", { integer_digits: 3 });
    expect(half.columns).toMatchObject([{ integer_digits: 3, fraction_digits: 18 }]);
    expect(to("int64", "0.5", { integer_digits: 0 })).toBe("decimal128(38, 9)");
    // Any int32 fits a column of int64, with as many digits.
    const offered = [{ name: "c", type: "int32", fits: (type: string) => type === "int64" }];
    const narrow = reconcile({ offered, registered: register({ c: ["7"] }), mode: "strict" });
    expect(narrow).toMatchObject({ verdict: "same", columns: [int64] });
    // A column without a number has none to count.
    const empty = judge(register({ c: ["7"] }), { c: [""] }, "strict");
    expect(empty.columns).toMatchObject([{ integer_digits: 1 }]);
  });

  test("may not add a name that SQL cannot tell from another", () => {
    const { verdict, diff } = judge(register({ Id: ["1"] }), { Id: ["1"], ID: ["2"] }, "widen");
    expect(verdict).toBe("conflict");
    expect(diff.added[0]?.reason).toContain("Id");
    expect(diff.choices).toEqual(["replace"]);
  });

  test("of an older dataset never reuses the ids of columns that are gone", () => {
    const old: RegisteredSchema = { columns: [], last_column_id: 9 };
    expect(idsOf(judge(old, { a: ["1"] }, "widen"))).toEqual({ a: 10 });
    expect(idsOf(judge(old, { a: ["1"] }, "replace"))).toEqual({ a: 10 });
  });
});
