import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { LakehouseError } from "../core/error.ts";
import { openTestEngine, type TestEngine } from "./support/test-engine.ts";

/** How a value of each type is written; `docs/query.md` gives the rules. */

let engine: TestEngine;
beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe("one value of each type", () => {
  const values: readonly [sql: string, type: string, json: string][] = [
    ["NULL::INTEGER", "INTEGER", "null"],
    ["true", "BOOLEAN", "true"],
    ["(-128)::TINYINT", "TINYINT", "-128"],
    ["(-32768)::SMALLINT", "SMALLINT", "-32768"],
    ["(-2147483648)::INTEGER", "INTEGER", "-2147483648"],
    ["2147483648::BIGINT", "BIGINT", "2147483648"],
    ["9007199254740991", "BIGINT", "9007199254740991"],
    ["-9007199254740991", "BIGINT", "-9007199254740991"],
    ["9007199254740992", "BIGINT", '"9007199254740992"'],
    ["-9007199254740992", "BIGINT", '"-9007199254740992"'],
    ["9223372036854775807", "BIGINT", '"9223372036854775807"'],
    ["(-9223372036854775808)::BIGINT", "BIGINT", '"-9223372036854775808"'],
    ["255::UTINYINT", "UTINYINT", "255"],
    ["65535::USMALLINT", "USMALLINT", "65535"],
    ["4294967295::UINTEGER", "UINTEGER", "4294967295"],
    ["42::UBIGINT", "UBIGINT", "42"],
    ["18446744073709551615::UBIGINT", "UBIGINT", '"18446744073709551615"'],
    ["42::HUGEINT", "HUGEINT", "42"],
    ["-1::HUGEINT", "HUGEINT", "-1"],
    [
      "170141183460469231731687303715884105727",
      "HUGEINT",
      '"170141183460469231731687303715884105727"',
    ],
    [
      "'-170141183460469231731687303715884105728'::HUGEINT",
      "HUGEINT",
      '"-170141183460469231731687303715884105728"',
    ],
    [
      "'340282366920938463463374607431768211455'::UHUGEINT",
      "UHUGEINT",
      '"340282366920938463463374607431768211455"',
    ],
    ["'-123456789012345678901234567890'::BIGNUM", "BIGNUM", '"-123456789012345678901234567890"'],
    ["'7'::BIGNUM", "BIGNUM", "7"],
    ["1.10::DECIMAL(4, 2)", "DECIMAL(4,2)", '"1.10"'],
    ["-0.05::DECIMAL(9, 3)", "DECIMAL(9,3)", '"-0.050"'],
    ["'12345678901234.5678'::DECIMAL(18, 4)", "DECIMAL(18,4)", '"12345678901234.5678"'],
    ["'-99999999999999999.9'::DECIMAL(18, 1)", "DECIMAL(18,1)", '"-99999999999999999.9"'],
    [
      "'0.00000000000000000000000000000000000001'::DECIMAL(38, 38)",
      "DECIMAL(38,38)",
      '"0.00000000000000000000000000000000000001"',
    ],
    ["7::DECIMAL(10, 0)", "DECIMAL(10,0)", '"7"'],
    ["0.1::DOUBLE", "DOUBLE", "0.1"],
    ["5::DOUBLE", "DOUBLE", "5"],
    ["'-0'::DOUBLE", "DOUBLE", "-0.0"],
    ["'1e300'::DOUBLE", "DOUBLE", "1e+300"],
    ["'5e-324'::DOUBLE", "DOUBLE", "5e-324"],
    ["'0.30000000000000004'::DOUBLE", "DOUBLE", "0.30000000000000004"],
    ["'NaN'::DOUBLE", "DOUBLE", '"NaN"'],
    ["'-inf'::DOUBLE", "DOUBLE", '"-Infinity"'],
    ["0.1::FLOAT", "FLOAT", "0.1"],
    ["16777217::FLOAT", "FLOAT", "16777216"],
    ["'inf'::FLOAT", "FLOAT", '"Infinity"'],
    ["'a\"b\\c' || chr(10) || chr(1) || 'é😀'", "VARCHAR", '"a\\"b\\\\c\\n\\u0001é😀"'],
    ["''", "VARCHAR", '""'],
    ["'{\"a\": 1.10}'::JSON", "JSON", '"{\\"a\\": 1.10}"'],
    ["DATE '2024-02-29'", "DATE", '"2024-02-29"'],
    ["DATE '0001-01-01'", "DATE", '"0001-01-01"'],
    ["DATE '44-03-15 (BC)'", "DATE", '"-000043-03-15"'],
    ["DATE '12345-06-07'", "DATE", '"+012345-06-07"'],
    ["'infinity'::DATE", "DATE", '"infinity"'],
    ["'-infinity'::DATE", "DATE", '"-infinity"'],
    ["TIMESTAMP '2024-02-29 12:34:56.123456'", "TIMESTAMP", '"2024-02-29T12:34:56.123456"'],
    ["TIMESTAMP '2024-02-29 12:34:56.5'", "TIMESTAMP", '"2024-02-29T12:34:56.5"'],
    ["TIMESTAMP '1969-12-31 23:59:59.999999'", "TIMESTAMP", '"1969-12-31T23:59:59.999999"'],
    ["'-infinity'::TIMESTAMP", "TIMESTAMP", '"-infinity"'],
    ["TIMESTAMP '290000-01-01 00:00:00.000001'", "TIMESTAMP", '"+290000-01-01T00:00:00.000001"'],
    ["TIMESTAMP_S '2024-02-29 12:34:56'", "TIMESTAMP_S", '"2024-02-29T12:34:56"'],
    ["TIMESTAMP_MS '2024-02-29 12:34:56.120'", "TIMESTAMP_MS", '"2024-02-29T12:34:56.12"'],
    [
      "TIMESTAMP_NS '2024-02-29 12:34:56.123456789'",
      "TIMESTAMP_NS",
      '"2024-02-29T12:34:56.123456789"',
    ],
    [
      "TIMESTAMP_NS '1677-09-22 00:00:00.000000001'",
      "TIMESTAMP_NS",
      '"1677-09-22T00:00:00.000000001"',
    ],
    [
      "TIMESTAMPTZ '2024-02-29 12:34:56+02:00'",
      "TIMESTAMP WITH TIME ZONE",
      '"2024-02-29T10:34:56Z"',
    ],
    ["'infinity'::TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", '"infinity"'],
    ["TIME '12:34:56.000001'", "TIME", '"12:34:56.000001"'],
    ["TIME '24:00:00'", "TIME", '"24:00:00"'],
    ["TIMETZ '12:34:56+02:30'", "TIME WITH TIME ZONE", '"12:34:56+02:30"'],
    ["TIMETZ '00:00:00-15:59:59'", "TIME WITH TIME ZONE", '"00:00:00-15:59:59"'],
    ["INTERVAL 0 DAY", "INTERVAL", '"PT0S"'],
    ["to_years(1) + to_months(2) + to_days(3)", "INTERVAL", '"P1Y2M3D"'],
    [
      "to_months(-14) + to_days(5) - to_microseconds(3661000001)",
      "INTERVAL",
      '"P-1Y-2M5DT-1H-1M-1.000001S"',
    ],
    [
      "'01234567-89ab-cdef-fedc-ba9876543210'::UUID",
      "UUID",
      '"01234567-89ab-cdef-fedc-ba9876543210"',
    ],
    [
      "'ffffffff-ffff-ffff-ffff-ffffffffffff'::UUID",
      "UUID",
      '"ffffffff-ffff-ffff-ffff-ffffffffffff"',
    ],
    ["'\\x00\\xFF'::BLOB", "BLOB", '"AP8="'],
    ["''::BLOB", "BLOB", '""'],
    ["'0110100111'::BIT", "BIT", '"0110100111"'],
    ["'y\"'::ENUM ('x', 'y\"')", `ENUM('x', 'y"')`, '"y\\""'],
    ["[1, NULL, 3]", "INTEGER[]", "[1,null,3]"],
    ["[]::INTEGER[]", "INTEGER[]", "[]"],
    ["[['a'], NULL, []]", "VARCHAR[][]", '[["a"],null,[]]'],
    ["[1, 2, 3]::INTEGER[3]", "INTEGER[3]", "[1,2,3]"],
    ["[[1, 2], [3, NULL]]::INTEGER[2][2]", "INTEGER[2][2]", "[[1,2],[3,null]]"],
    [
      "{'a b': 1, 'c': {'d': 'x'}}",
      'STRUCT("a b" INTEGER, "c" STRUCT("d" VARCHAR))',
      '{"a b":1,"c":{"d":"x"}}',
    ],
    [
      "MAP {'k': 1.5::DECIMAL(2, 1), 'l': NULL}",
      "MAP(VARCHAR, DECIMAL(2,1))",
      '[{"key":"k","value":"1.5"},{"key":"l","value":null}]',
    ],
    ["MAP {}::MAP(INTEGER, INTEGER)", "MAP(INTEGER, INTEGER)", "[]"],
    [
      "union_value(num := 7)::UNION(num INTEGER, str VARCHAR)",
      'UNION("num" INTEGER, "str" VARCHAR)',
      '{"num":7}',
    ],
    ["'z'::UNION(num INTEGER, str VARCHAR)", 'UNION("num" INTEGER, "str" VARCHAR)', '{"str":"z"}'],
    ["NULL::UNION(num INTEGER, str VARCHAR)", 'UNION("num" INTEGER, "str" VARCHAR)', "null"],
  ];
  for (const [sql, type, json] of values) {
    test(`${sql} → ${json}`, async () => {
      const text = await engine.render(`SELECT ${sql} AS v`);
      expect(text).toBe(
        `{"columns":[{"name":"v","type":${JSON.stringify(type)}}],"rows":[[${json}]],"row_count":1}\n`,
      );
    });
  }

  test("a struct without names is an array", async () => {
    expect(await engine.firstColumn("SELECT row(1, 'a')")).toEqual([[1, "a"]]);
  });

  test("types without an exact text form are refused with a hint", async () => {
    for (const value of ["1::VARIANT", "[{'a': 1::VARIANT}]"]) {
      const refused: unknown = await engine
        .render(`SELECT ${value}`)
        .catch((error: unknown) => error);
      if (!(refused instanceof LakehouseError)) throw new Error("it was rendered");
      expect(refused.code).toBe("invalid_sql");
      expect(refused.hint).toContain("Cast");
    }
  });

  test("every type of the engine, at its ends and NULL, is rendered as the engine casts it", async () => {
    const alike =
      /^(bool|.*int|bignum|uuid|varchar|bit|small_enum|medium_enum|large_enum|dec_.*|dec38_10)$/;
    const all = await engine.connection.runAndReadAll(
      "SELECT column_name FROM (DESCRIBE SELECT * EXCLUDE (geometry) FROM test_all_types())",
    );
    const names = all.getRows().map(([name]) => String(name));
    expect(
      (await engine.answer(`SELECT * EXCLUDE (geometry) FROM test_all_types()`)).rows,
    ).toHaveLength(3);
    for (const name of names.filter((each) => alike.test(each))) {
      const { rows } = await engine.answer(
        `SELECT "${name}", "${name}"::VARCHAR FROM test_all_types()`,
      );
      for (const [value, text] of rows) {
        const quoted = typeof value === "number" || typeof value === "boolean";
        expect(quoted ? JSON.stringify(value) : value).toEqual(text);
      }
    }
  });
});
