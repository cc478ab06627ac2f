import type { SchemaInput } from "../../core/codec.ts";
import { LakehouseError } from "../../core/error.ts";
import {
  DECIMAL_SCALES,
  decimalDigits,
  hasSignedZero,
  keepsValues,
  TEXT,
  typeNamed,
  typeOf,
} from "./column-types.ts";
import { GivenColumn } from "./given-types.ts";
import { type JudgedSchema, judgeSchema } from "./judged-schema.ts";
import type { ColumnFacts } from "./kernel/scanner.ts";
import type { CsvOptions } from "./options.ts";
import type { ColumnPlan } from "./parts.ts";
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
  judge(facts: readonly ColumnFacts[]): {
    readonly judged: JudgedSchema;
    readonly plan: ColumnPlan;
  } {
    const judged = judgeSchema(
      facts.map((column, index) => this.#offer(column, index)),
      this.#schema,
    );
    const { written } = judged;
    const types = written.map(({ type, source }) => {
      const given = this.given.get(source);
      return (given === undefined ? typeNamed(type) : given.storedAs(type)) ?? TEXT;
    });
    const sources = written.map(({ source }) => source);
    const given = [...this.given.values()];
    const signed_zero =
      facts.some(hasSignedZero) || given.some(({ has_signed_zero }) => has_signed_zero);
    return { judged, plan: { columns: written, types, sources, signed_zero } };
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
