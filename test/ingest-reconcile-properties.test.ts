import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  reconcile,
  type Reconciled,
  type RegisteredSchema,
  type SchemaMode,
} from "../plugins/ingest-csv/reconcile.ts";
import { widerTypes } from "../plugins/ingest-csv/widening.ts";
import { isReadableAs } from "../plugins/query/arrow-types.ts";
import { propertySeed } from "./conformance/storage-bytes.ts";
import {
  judge,
  keeps,
  NATURAL,
  offerAll,
  register,
  type Table,
  typesOf,
} from "./support/offered-columns.ts";

/** What holds of any sequence of uploads; the oracle looks at every single cell. */

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
