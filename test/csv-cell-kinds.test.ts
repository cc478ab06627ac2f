import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { compileKernel, KERNEL_PATH } from "../build/kernel.ts";
import { printsBack } from "../plugins/ingest-csv/kernel/exact-double.ts";
import { openKernel } from "../plugins/ingest-csv/kernel/kernel.ts";
import { kinds } from "../plugins/ingest-csv/kernel/kinds.ts";
import { scanText } from "./support/csv-scan.ts";

/** The kinds of the cells of one column, one cell per line. */
async function kindsOf(...cells: readonly string[]): Promise<string[]> {
  const { scan } = await scanText(cells.map((cell) => `${cell},x\n`).join(""), 2);
  const set = scan.columns[0]?.kinds ?? 0;
  return Object.entries(kinds)
    .filter(([, bit]) => (set & bit) !== 0)
    .map(([name]) => name);
}

describe("a cell", () => {
  const cases: readonly (readonly [kinds: string, cells: readonly string[]])[] = [
    ["integer", ["0", "7", "-42", "999999999999999", "9007199254740992"]],
    ["integer inexact", ["9007199254740993", "9223372036854775807", "-9223372036854775807"]],
    ["big_integer", ["100000000000000000000"]],
    [
      "big_integer inexact",
      ["9223372036854775808", "9223372036854775809", "123456789012345678901234567890"],
    ],
    ["decimal", ["1.5", "-0.25", ".5", "-.5", "0.10", "123456789.123456", "0.0000000000000000012"]],
    ["decimal negative_zero", ["-0", "-0.0", "-.00"]],
    ["scientific negative_zero", ["-0.0e1", "-0e-5"]],
    ["decimal inexact", ["1.2248000000000001111", "12345678901234567.25"]],
    ["scientific", ["1.5e7", "1e-05", "1E+05", "2.5E-300"]],
    ["scientific inexact", ["1.5e999", "1e-400", "1.2345678901234567890e5"]],
    ["boolean_lower", ["true", "false"]],
    ["boolean_title", ["True", "False"]],
    ["boolean_upper", ["TRUE", "FALSE"]],
    ["date", ["2024-02-29", "0001-01-01", "9999-12-31", "2000-02-29"]],
    ["timestamp", ["2024-02-29T23:59:59", "2024-02-29 00:00:00.5", "2024-02-29T00:00:00.123456"]],
    ["timestamp_utc", ["2024-02-29T23:59:59Z", "2024-02-29 00:00:00.5Z"]],
    [
      "text",
      [
        "02134",
        "00",
        "-01",
        "+7",
        "1_000",
        "1e3",
        "1e",
        "e5",
        "5.",
        ".",
        "-",
        "--1",
        "1-2",
        "1.2.3",
        "0x1f",
        " 147",
        "147 ",
        "1,5".replace(",", " "),
        "Yes",
        "tRUE",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "00.5",
        ".5e1",
        "1.5e1234",
      ],
    ],
    [
      "text",
      [
        "2023-02-29",
        "1900-02-29",
        "2024-13-01",
        "2024-00-10",
        "2024-04-31",
        "2024-1-01",
        "0000-01-01",
        "11/6/18",
        "2024-02-29T24:00:00",
        "2024-02-29T10:00",
        "2024-02-29T10:00:00.1234567",
        "2024-02-29T10:00:00+01:00",
        "2024-02-29T10:00:00.",
        "12024-01-01",
        "-2024-01-01",
      ],
    ],
  ];
  for (const [kind, cells] of cases) {
    for (const cell of cells) {
      test(`${JSON.stringify(cell)} is ${kind}`, async () => {
        expect((await kindsOf(cell)).sort()).toEqual(kind.split(" ").sort());
      });
    }
  }

  test("in quotes is judged by what the quotes hold", async () => {
    expect(await kindsOf('"12"')).toEqual(["integer"]);
    expect(await kindsOf('"1""2"')).toEqual(["text"]);
    expect(await kindsOf('1"2')).toEqual(["text"]);
  });

  test("that is empty is counted and judged no further", async () => {
    const { scan } = await scanText('1,\n,""\n3,""\n', 2);
    expect(
      scan.columns.map(({ empty_count, quoted_empty_count }) => [empty_count, quoted_empty_count]),
    ).toEqual([
      [1, 0],
      [1, 2],
    ]);
    expect(scan.columns[1]?.kinds).toBe(0);
  });
});

describe("a double", () => {
  test("prints back exactly the literals whose digits it keeps", () => {
    for (const literal of [
      "0",
      "1.10",
      "-0.0",
      "1e22",
      "5e-324",
      "0.1",
      "123456789012345680",
      "1.7976931348623157e308",
    ]) {
      expect([literal, printsBack(literal)]).toEqual([literal, true]);
    }
    for (const literal of [
      "0.10000000000000000001",
      "9007199254740993",
      "1e309",
      "1e-400",
      "1.7976931348623157081e308",
      "4.9e-324",
    ]) {
      expect([literal, printsBack(literal)]).toEqual([literal, false]);
    }
  });

  test("is judged by arithmetic as it is by printing", async () => {
    const digits = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true, min: 1e-4, max: 1e15 }).map(String),
      fc
        .tuple(fc.bigInt({ min: 10n ** 15n, max: 10n ** 18n }), fc.integer({ min: 1, max: 15 }))
        .map(([value, point]) => `${String(value).slice(0, point)}.${String(value).slice(point)}`),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(digits, { minLength: 40, maxLength: 40 }), async (cells) => {
        for (const cell of cells.filter((each) => /^[1-9]\d*\.\d+$/.test(each))) {
          expect([cell, (await kindsOf(cell)).includes("inexact")]).toEqual([
            cell,
            !printsBack(cell),
          ]);
        }
      }),
    );
  });

  test("always keeps fifteen significant digits", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 15n) + 1n, max: 10n ** 15n - 1n }),
        fc.integer({ min: -290, max: 290 }),
        (digits, exponent) => printsBack(`${digits}e${exponent}`),
      ),
    );
  });
});

describe("the kernel", () => {
  test("is what its source compiles to (else: bun run kernel)", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lakehouse-kernel-"));
    try {
      await compileKernel(join(folder, "kernel.wasm"));
      const [fresh, committed] = await Promise.all(
        [join(folder, "kernel.wasm"), KERNEL_PATH].map((path) => Bun.file(path).bytes()),
      );
      expect(Buffer.compare(fresh ?? new Uint8Array(), committed ?? new Uint8Array(1))).toBe(0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 60_000);

  test("numbers the kinds as its host does", async () => {
    const kernel = await openKernel({
      printsBack: () => true,
      fits: () => true,
      badRecord: () => {},
      double: () => 0,
      value: () => false,
    });
    const values = new Map<string, unknown>(Object.entries(kernel));
    for (const [name, bit] of Object.entries(kinds)) {
      const global = values.get(name.toUpperCase());
      expect([name, global instanceof WebAssembly.Global && global.value]).toEqual([name, bit]);
    }
  });
});
