import type { SchemaInput } from "../../core/codec.ts";
import { LakehouseError } from "../../core/error.ts";
import { DECIMAL_SCALES, decimalDigits, keepsValues, outputType, typeOf } from "./column-types.ts";
import { GivenColumn } from "./given-types.ts";
import { type JudgedSchema, judgeSchema, type WrittenColumn } from "./judged-schema.ts";
import { decimalBytes } from "./parquet/schema.ts";
import type { OutputColumn } from "./kernel/column-group.ts";
import type { ColumnFacts } from "./kernel/scanner.ts";
import type { CsvOptions } from "./options.ts";
import type { OfferedColumn } from "./reconcile.ts";

/** What the columns of one file are offered as, and what they become. */
export class CsvColumns {
  /** Columns whose type the user gave, by index. */
  readonly given: ReadonlyMap<number, GivenColumn>;
  /** Digits that a decimal may have behind its point: in a new dataset, or in the registered one. */
  readonly scales: readonly number[];
  readonly #names: readonly string[];
  readonly #schema: SchemaInput;

  /** Throws `invalid_request` if a type is given to a column that the file does not have. */
  constructor(
    names: readonly string[],
    { types, formats }: Pick<CsvOptions, "types" | "formats">,
    schema: SchemaInput,
  ) {
    this.#names = names;
    this.#schema = schema;
    this.given = new Map(
      [...types].map(([name, type]) => {
        const index = names.indexOf(name);
        if (index < 0) throw noSuchColumn(name, names);
        return [index, new GivenColumn(type, formats)];
      }),
    );
    const registered = schema.registered?.columns ?? [];
    const scales = registered.flatMap(({ type }) => decimalDigits(type)?.scale ?? []);
    this.scales = [...new Set([...DECIMAL_SCALES, ...scales])];
  }

  /** By what is known so far. */
  judge(facts: readonly ColumnFacts[]): JudgedSchema {
    return judgeSchema(
      facts.map((column, index) => this.#offer(column, index)),
      this.#schema,
    );
  }

  /** How the kernel writes a column. */
  outputOf({ source, type }: WrittenColumn): OutputColumn {
    const given = this.given.get(source);
    const digits = decimalDigits(type);
    return {
      source,
      type: outputType(type),
      scale: digits?.scale ?? 0,
      stored_bytes: digits === undefined ? 0 : decimalBytes(digits.precision),
      read: given && {
        always: given.reads_all,
        value: (cell) => given.read(cell, type),
      },
    };
  }

  #offer(facts: ColumnFacts, index: number): OfferedColumn {
    const name = this.#names[index] ?? "";
    const { integer_digits, fraction_digits } = facts;
    const given = this.given.get(index);
    if (given !== undefined) return given.offer(name, { integer_digits, fraction_digits });
    return {
      name,
      type: typeOf(facts).arrow,
      fits: (arrow) => keepsValues(facts, arrow),
      // No digits at all would stand for unknown, and a column without a value has none to lose.
      integer_digits: facts.kinds === 0 ? 1 : integer_digits,
      fraction_digits,
    };
  }
}

function noSuchColumn(name: string, names: readonly string[]): LakehouseError {
  const shown = names.slice(0, 20).map((each) => JSON.stringify(each.slice(0, 60)));
  return new LakehouseError(
    "invalid_request",
    `types: The file has no column ${JSON.stringify(name.slice(0, 60))}.`,
    {
      hint: `Its columns are ${shown.join(", ")}${names.length > shown.length ? ", …" : ""}.`,
      extra: { parameter: "types" },
    },
  );
}
