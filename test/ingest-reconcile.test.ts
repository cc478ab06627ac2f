import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Json } from "../core/json.ts";
import type { Column } from "../core/services.ts";
import {
  type OfferedColumn,
  reconcile,
  type Reconciled,
  type RegisteredSchema,
  type SchemaMode,
} from "../plugins/ingest-csv/reconcile.ts";
import { widerTypes } from "../plugins/ingest-csv/widening.ts";
import { isReadableAs } from "../plugins/query/arrow-types.ts";
import { propertySeed } from "./conformance/storage-bytes.ts";

/** How an upload is judged against the registered schema. The oracle looks at every single cell. */

const SCALES = [0, 9, 18, 27, 37];
const NATURAL = [
  "int64",
  "float64",
  ...SCALES.map((scale) => `decimal128(38, ${scale})`),
  "bool",
  "date32[day]",
  "utf8",
];
const NUMBER = /^-?(\d+)(?:\.(\d+))?$/;

/** True if the cell has the same value in this type; an empty cell is null, and fits any. */
function keeps(cell: string, type: string): boolean {
  if (cell === "" || type === "utf8") return true;
  if (type === "bool") return cell === "true" || cell === "false";
  if (type === "date32[day]") return /^\d{4}-\d\d-\d\d$/.test(cell);
  const [, whole, fraction = ""] = NUMBER.exec(cell) ?? [];
  if (whole === undefined || cell === "-0") return false;
  if (type === "int64") {
    return !cell.includes(".") && BigInt.asIntN(64, BigInt(cell)) === BigInt(cell);
  }
  if (type === "float64") {
    if (!cell.includes(".")) return BigInt(Number(cell)) === BigInt(cell);
    return (whole + fraction).replace(/^0+/, "").length <= 15;
  }
  const scale = Number(/, (\d+)\)$/.exec(type)?.[1]);
  return fraction.length <= scale && whole.length <= 38 - scale;
}

function offer(name: string, cells: readonly string[]): OfferedColumn {
  const fits = (type: string): boolean => cells.every((cell) => keeps(cell, type));
  const filled = cells.some((cell) => cell !== "");
  const digits = cells.map((cell) => NUMBER.exec(cell) ?? []);
  return {
    name,
    type: filled ? (NATURAL.find(fits) ?? "utf8") : "utf8",
    fits,
    integer_digits: Math.max(0, ...digits.map(([, whole = ""]) => whole.length)),
    fraction_digits: Math.max(0, ...digits.map(([, , fraction = ""]) => fraction.length)),
  };
}

type Table = Readonly<Record<string, readonly string[]>>;

const offerAll = (table: Table): OfferedColumn[] =>
  Object.entries(table).map(([name, cells]) => offer(name, cells));

const register = (table: Table): Reconciled =>
  reconcile({ offered: offerAll(table), registered: undefined, mode: "strict" });

const judge = (registered: RegisteredSchema, table: Table, mode: SchemaMode): Reconciled =>
  reconcile({ offered: offerAll(table), registered, mode });

const typesOf = ({ columns }: { columns: readonly Column[] }): Record<string, string> =>
  Object.fromEntries(columns.map(({ name, type }) => [name, type]));

const idsOf = ({ columns }: { columns: readonly Column[] }): Record<string, number> =>
  Object.fromEntries(columns.map(({ name, id }) => [name, id]));

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

const digits = (most: number): fc.Arbitrary<string> =>
  fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.stringMatching(/^\d*$/), fc.nat(most - 1))
    .map(([first, rest, length]) => `${first}${rest.padEnd(length, "3").slice(0, length)}`);
const integer = fc.tuple(fc.constantFrom("", "-"), digits(24)).map((parts) => parts.join(""));
const cell = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom("", "0", "9223372036854775807") },
  { weight: 3, arbitrary: integer },
  { weight: 3, arbitrary: fc.tuple(integer, digits(20)).map((parts) => parts.join(".")) },
);
/** Columns of one kind mostly, as real ones are. */
const cells = fc.oneof(
  fc.array(digits(15), { minLength: 1, maxLength: 3 }),
  fc.array(digits(19), { minLength: 1, maxLength: 3 }),
  fc.array(cell, { maxLength: 3 }),
  fc.array(fc.constantFrom("true", "false", ""), { maxLength: 3 }),
  fc.array(fc.constantFrom("2024-02-29", "1999-12-31", ""), { maxLength: 3 }),
  fc.array(fc.constantFrom("x", "02134", "Yes", "1"), { maxLength: 3 }),
);
const names = ["a", "b", "c", "d"];
const table: fc.Arbitrary<Table> = fc
  .tuple(
    fc.shuffledSubarray(names, { minLength: 1 }),
    fc.array(cells, { minLength: 4, maxLength: 4 }),
  )
  .map(([chosen, columns]) =>
    Object.fromEntries(chosen.map((name, i) => [name, columns[i] ?? []])),
  );
const mode = fc.constantFrom<SchemaMode>("strict", "widen", "replace");
const settings = { numRuns: 3000, ...propertySeed() };

describe("whatever is uploaded", () => {
  test("is the registered schema if and only if the names agree and every cell keeps its value", () => {
    fc.assert(
      fc.property(table, table, mode, (first, second, how) => {
        const registered = register(first);
        const types = typesOf(registered);
        const agrees = Object.keys(first).sort().join() === Object.keys(second).sort().join();
        const fit = Object.entries(second).every(([name, column]) =>
          column.every((each) => keeps(each, types[name] ?? "")),
        );
        const { verdict, columns } = judge(registered, second, how);
        expect(verdict === "same").toBe(agrees && fit);
        if (verdict === "same") expect(typesOf({ columns })).toEqual(types);
      }),
      settings,
    );
  });

  test("never gives an id twice, changes one, or changes a stored value", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(table, mode), { minLength: 1, maxLength: 8 }), (uploads) => {
        let schema: RegisteredSchema | undefined;
        /** Every name an id ever had. */
        const given = new Map<number, string>();
        /** Every cell ever stored under the present columns, with the types it went through. */
        let stored = new Map<number, Map<string, readonly string[]>>();
        for (const [upload, how] of uploads) {
          const before = schema;
          const result = reconcile({ offered: offerAll(upload), registered: before, mode: how });
          if (result.verdict === "conflict") {
            expect(result).toMatchObject({ columns: before?.columns ?? [] });
            continue;
          }
          if (result.verdict === "replaced") stored = new Map();
          const known = new Set(before?.columns.map(({ id }) => id));
          for (const { id, name } of result.columns) {
            expect(given.get(id) ?? name).toBe(name);
            if (!known.has(id)) expect(id).toBeGreaterThan(before?.last_column_id ?? 0);
            expect(id).toBeLessThanOrEqual(result.last_column_id);
            given.set(id, name);
          }
          for (const { id, name, type } of result.columns) {
            const old = stored.get(id) ?? new Map<string, readonly string[]>();
            for (const [value, types] of old) {
              expect({ value, type, keeps: keeps(value, type) }).toMatchObject({ keeps: true });
              old.set(value, types.at(-1) === type ? types : [...types, type]);
              // What became text prints as it was written.
              if (type === "utf8" && value !== "") {
                expect(["utf8", "int64", "date32[day]"]).toContain(types.at(-1) ?? "");
              }
            }
            for (const value of upload[name] ?? []) old.set(value, [type]);
            for (const value of upload[name] ?? []) expect(keeps(value, type)).toBe(true);
            stored.set(id, old);
          }
          schema = result;
        }
      }),
      settings,
    );
  });

  test("widens for good: whatever was taken before is the widened schema too", () => {
    fc.assert(
      fc.property(fc.array(cells, { minLength: 2, maxLength: 6 }), ([first = [], ...rest]) => {
        let schema: Reconciled = register({ c: first });
        const taken = [first];
        for (const upload of rest) {
          const result = judge(schema, { c: upload }, "widen");
          if (result.verdict === "conflict") continue;
          taken.push(upload);
          schema = result;
          for (const each of taken)
            expect(judge(schema, { c: each }, "strict").verdict).toBe("same");
        }
      }),
      settings,
    );
  });

  test("is widened only to types that stored columns can be read as", () => {
    const types = fc.constantFrom(...NATURAL, "timestamp[us]", "timestamp[us, tz=UTC]", "int32");
    fc.assert(
      fc.property(types, fc.nat(38), fc.nat(38), (type, integer_digits, fraction_digits) => {
        const column = { id: 1, name: "c", type, nullable: true, integer_digits, fraction_digits };
        for (const wider of widerTypes(column)) {
          expect(wider).not.toBe(type);
          expect(isReadableAs(type, wider)).toBe(true);
        }
      }),
      settings,
    );
  });
});
