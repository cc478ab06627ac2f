import type { DuckDBPreparedStatement } from "@duckdb/node-api";
import { LakehouseError } from "../../core/error.ts";
import type { Parameter, Parameters } from "./protocol.ts";

/**
 * Checks that the parameters are exactly those the statement names, and that each can be handed to
 * the engine unchanged. Throws `invalid_parameters`. Pure.
 */
export function checkParameters(
  params: Parameters,
  wanted: readonly string[],
  limit: number,
): void {
  const given = entriesOf(params);
  if (given.length > limit) {
    throw invalid(`There are ${given.length} parameters, more than ${limit}.`);
  }
  const positional = Array.isArray(params);
  const names = new Set(wanted.map((name) => name.toLowerCase()));
  for (const [name, value] of given) {
    if (!names.delete(name.toLowerCase())) {
      throw invalid(
        positional
          ? `There are ${given.length} parameters, but the statement has no $${name}.`
          : `The statement has no parameter $${name}.`,
        wanted.length === 0 ? "It has none at all." : `It has ${wanted.map(dollar).join(", ")}.`,
        name,
      );
    }
    checkValue(name, value);
  }
  const [missing] = names;
  if (missing !== undefined) {
    throw invalid(
      `The parameter $${missing} has no value.`,
      /^\d+$/.test(missing)
        ? "Give positional parameters as an array: [first, second]."
        : "Give named parameters as an object: {name: value}.",
      missing,
    );
  }
}

/** Text becomes VARCHAR, whole numbers BIGINT, others DOUBLE, and so on; nothing is guessed. */
export function bindParameters(statement: DuckDBPreparedStatement, params: Parameters): void {
  for (const [name, value] of entriesOf(params)) {
    bindOne(statement, statement.parameterIndex(name), value);
  }
}

function bindOne(statement: DuckDBPreparedStatement, index: number, value: Parameter): void {
  if (value === null) statement.bindNull(index);
  else if (typeof value === "string") statement.bindVarchar(index, value);
  else if (typeof value === "boolean") statement.bindBoolean(index, value);
  else if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    statement.bindBigInt(index, BigInt(value));
  } else statement.bindDouble(index, value);
}

function checkValue(name: string, value: Parameter): void {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw invalid(
      `The parameter $${name} is a whole number beyond 2^53, which JSON readers round.`,
      `Send it as a string and cast it: $${name}::HUGEINT, ::DECIMAL(38,0) or ::DOUBLE.`,
      name,
    );
  }
  if (typeof value === "string" && (value.includes("\0") || !value.isWellFormed())) {
    throw invalid(
      `The parameter $${name} holds U+0000 or half of a surrogate pair.`,
      "The engine would not keep it; send other bytes as hexadecimal and use unhex().",
      name,
    );
  }
}

function entriesOf(params: Parameters): [string, Parameter][] {
  return Array.isArray(params)
    ? params.map((value, index) => [String(index + 1), value])
    : Object.entries(params);
}

const dollar = (name: string): string => `$${name}`;

function invalid(detail: string, hint?: string, parameter?: string): LakehouseError {
  return new LakehouseError("invalid_parameters", detail, {
    hint,
    extra: parameter === undefined ? {} : { parameter },
  });
}
