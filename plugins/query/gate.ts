import { LakehouseError } from "../../core/error.ts";
import { isRecord } from "../../core/json.ts";
import { ALLOWED_TABLE_FUNCTIONS, isDeniedFunction } from "./functions.ts";
import { type Position, positionAtByte, positionAtCodePoint } from "./position.ts";

/** A table the statement names, outside any common table expression of that name. */
export interface TableReference {
  readonly name: string;
  readonly position?: Position | undefined;
}

/** What may run, and what it needs. */
export interface Inspection {
  /** Each name once, as written first. */
  readonly tables: readonly TableReference[];
  /** Names of the parameters: `1`, `2`, … or the words after `$`. */
  readonly parameters: readonly string[];
}

/** Names of the common table expressions in scope, in lower case: identifiers ignore case. */
type Scope = ReadonlySet<string>;

/** Levels of the syntax tree; the engine's parser stops at 1,000 of an expression. */
const DEPTH_LIMIT = 4096;
const NODE_LIMIT = 200_000;

/** Parts of a query that are neither an expression nor a table, and hold only such. */
const HARMLESS_TYPE = /^(ASCENDING|DESCENDING|ORDER_DEFAULT)$|(_MODIFIER|_TYPE_INFO)$/;
const QUERY_NODES = new Set([
  "SELECT_NODE",
  "SET_OPERATION_NODE",
  "RECURSIVE_CTE_NODE",
  "CTE_NODE",
]);
const EXPRESSION_CLASSES = new Set([
  "BETWEEN",
  "CASE",
  "CAST",
  "COLLATE",
  "COLUMN_REF",
  "COMPARISON",
  "CONJUNCTION",
  "CONSTANT",
  "DEFAULT",
  "FUNCTION",
  "LAMBDA",
  "LAMBDA_REF",
  "OPERATOR",
  "PARAMETER",
  "POSITIONAL_REFERENCE",
  "STAR",
  "SUBQUERY",
  "TYPE",
  "WINDOW",
]);
/** Tables without a name of their own; what they are made of is walked like everything else. */
const PLAIN_TABLES = new Set([
  "COLUMN_DATA",
  "CTE",
  "EMPTY",
  "EMPTY_FROM",
  "EXPRESSION_LIST",
  "JOIN",
  "PIVOT",
  "SUBQUERY",
]);

/**
 * Walks the syntax tree of one statement, as `json_serialize_sql` gives it, and refuses whatever
 * it does not know: the list is of what may run, never of what may not. Pure.
 *
 * Throws `sql_not_allowed` or `invalid_sql`, with the position where there is one.
 */
export function inspect(tree: unknown, sql: string): Inspection {
  if (!isRecord(tree)) throw refusal("This is no statement.");
  if (tree["error"] === true) throw parseError(tree, sql);
  const { statements } = tree;
  if (!Array.isArray(statements) || statements.length === 0) {
    throw new LakehouseError("invalid_sql", "There is no statement.", {
      hint: "Send one SELECT statement.",
    });
  }
  if (statements.length > 1) {
    throw refusal(`These are ${statements.length} statements.`, "Send one at a time.");
  }
  const walk = new Walk(sql);
  walk.visit(statements[0], new Set(), 0);
  return walk.result();
}

/** `#query` walks these in an order of its own. Joins and comparisons have a `left` too. */
function isWalkedAhead(node: Record<string, unknown>, member: string): boolean {
  return member === "cte_map" || (member === "left" && node["type"] === "RECURSIVE_CTE_NODE");
}

class Walk {
  readonly #sql: string;
  readonly #tables = new Map<string, TableReference>();
  readonly #parameters = new Set<string>();
  #nodes = 0;

  constructor(sql: string) {
    this.#sql = sql;
  }

  result(): Inspection {
    return { tables: [...this.#tables.values()], parameters: [...this.#parameters] };
  }

  visit(value: unknown, scope: Scope, depth: number): void {
    if (typeof value !== "object" || value === null) return;
    this.#nodes += 1;
    if (depth > DEPTH_LIMIT || this.#nodes > NODE_LIMIT) {
      throw refusal("The statement is too deep or too long.", "Divide it.");
    }
    if (Array.isArray(value)) {
      for (const each of value) this.visit(each, scope, depth + 1);
      return;
    }
    if (!isRecord(value)) return;
    const inner = this.#enter(value, scope, depth);
    for (const [member, each] of Object.entries(value)) {
      if (!isWalkedAhead(value, member)) this.visit(each, inner, depth + 1);
    }
  }

  /** Checks one object of the tree; returns the scope its members see. */
  #enter(node: Record<string, unknown>, scope: Scope, depth: number): Scope {
    const { type } = node;
    // Ordering a VARIANT reads memory that is not its own, in this version of the engine.
    if (node["id"] === "VARIANT") throw refusal("The type VARIANT is not served.", "Use JSON.");
    if (typeof node["class"] === "string") {
      this.#expression(node, node["class"]);
      return scope;
    }
    if (typeof type !== "string") return scope;
    if (QUERY_NODES.has(type)) return this.#query(node, type, scope, depth);
    if (type === "BASE_TABLE") this.#table(node, scope);
    else if (type === "TABLE_FUNCTION") this.#tableFunction(node);
    else if (type === "SHOW_REF") this.#show(node);
    else if (!PLAIN_TABLES.has(type) && !HARMLESS_TYPE.test(type)) {
      throw refusal(`${type} is not served.`, undefined, this.#positionOf(node));
    }
    return scope;
  }

  /**
   * A common table expression sees those before it; itself only in the recursive half, which is a
   * node of its own. So `WITH t AS (SELECT * FROM t) SELECT * FROM t` reads the dataset t, once.
   */
  #query(node: Record<string, unknown>, type: string, scope: Scope, depth: number): Scope {
    const map = isRecord(node["cte_map"]) ? node["cte_map"]["map"] : undefined;
    const entries: readonly unknown[] = Array.isArray(map) ? map : [];
    const recursive = type === "RECURSIVE_CTE_NODE";
    if (entries.length === 0 && !recursive) return scope;
    const inner = new Set(scope);
    for (const entry of entries) {
      if (!isRecord(entry)) continue;
      this.visit(entry["value"], inner, depth + 1);
      if (typeof entry["key"] === "string") inner.add(entry["key"].toLowerCase());
    }
    if (recursive) {
      // The first half is outside the recursion; the other members are inside.
      this.visit(node["left"], inner, depth + 1);
      if (typeof node["cte_name"] === "string") inner.add(node["cte_name"].toLowerCase());
    }
    return inner;
  }

  #expression(node: Record<string, unknown>, expression_class: string): void {
    if (!EXPRESSION_CLASSES.has(expression_class)) {
      throw refusal(`${expression_class} is not served.`, undefined, this.#positionOf(node));
    }
    if (expression_class === "PARAMETER" && typeof node["identifier"] === "string") {
      this.#parameters.add(node["identifier"]);
    }
    const { function_name } = node;
    if (typeof function_name === "string" && isDeniedFunction(function_name.toLowerCase())) {
      throw refusal(
        `The function ${function_name} is not served.`,
        undefined,
        this.#positionOf(node),
      );
    }
  }

  #table(node: Record<string, unknown>, scope: Scope): void {
    const { table_name, schema_name, catalog_name, at_clause } = node;
    const position = this.#positionOf(node);
    if (typeof table_name !== "string" || table_name === "") throw refusal("A table has no name.");
    if (isRecord(at_clause)) {
      throw refusal(
        "Reading an older version with AT is not served.",
        `A past version is a table of its own: version 1 is "${table_name}@1".`,
        position,
      );
    }
    const name = table_name.toLowerCase();
    if (isFilled(catalog_name) || isFilled(schema_name)) {
      // `recurring.t` is what a recursive expression with USING KEY calls its own past rows.
      if (!isFilled(catalog_name) && schema_name === "recurring" && scope.has(name)) return;
      if (isFilled(catalog_name) || String(schema_name).toLowerCase() !== "main") {
        const qualified = [catalog_name, schema_name, table_name].filter(isFilled).join(".");
        throw refusal(
          `There is no table ${qualified}.`,
          `Datasets have no schema. If the dot is part of the name, quote it: "${qualified}". GET /catalog/list has all names.`,
          position,
        );
      }
    } else if (scope.has(name)) {
      return;
    }
    if (!this.#tables.has(table_name)) {
      this.#tables.set(table_name, { name: table_name, position });
    }
  }

  #tableFunction(node: Record<string, unknown>): void {
    const call = node["function"];
    const name = isRecord(call) ? call["function_name"] : undefined;
    if (typeof name === "string" && ALLOWED_TABLE_FUNCTIONS.has(name.toLowerCase())) return;
    throw refusal(
      `The table function ${String(name)} is not served.`,
      "Statements read datasets by name; GET /catalog/list has them.",
      this.#positionOf(node),
    );
  }

  /** DESCRIBE and SUMMARIZE of a query are harmless; the others would list the engine's insides. */
  #show(node: Record<string, unknown>): void {
    if (isRecord(node["query"])) return;
    throw refusal(
      "SHOW is not served.",
      "GET /catalog/list has the datasets, `DESCRIBE name` the columns of one.",
    );
  }

  #positionOf(node: Record<string, unknown>): Position | undefined {
    const own = node["query_location"];
    const call = isRecord(node["function"]) ? node["function"]["query_location"] : undefined;
    const offset = [own, call].find((each) => typeof each === "number");
    // An unknown location is the largest 64-bit number.
    if (typeof offset !== "number" || offset > this.#sql.length * 4) return undefined;
    return positionAtByte(this.#sql, offset);
  }
}

const isFilled = (value: unknown): boolean => typeof value === "string" && value !== "";

function refusal(detail: string, hint?: string, position?: Position): LakehouseError {
  return new LakehouseError("sql_not_allowed", detail, {
    hint: hint ?? "Only SELECT over datasets is served; docs/query.md says what it may use.",
    extra: position === undefined ? {} : { position: { ...position } },
  });
}

/** The serializer refuses everything but SELECT by itself. */
function parseError(tree: Record<string, unknown>, sql: string): LakehouseError {
  const given = tree["error_message"];
  const message = typeof given === "string" ? given : "The statement cannot be parsed";
  if (message.startsWith("Only SELECT statements")) {
    return refusal(
      "This is not a SELECT statement.",
      /^\s*(FROM\s.*)?PIVOT\s/is.test(sql)
        ? "PIVOT needs the values of its columns: PIVOT … ON column IN ('a', 'b')."
        : "Only one SELECT is served. Data is changed through /ingest and /catalog.",
    );
  }
  const offset = Number(tree["position"] ?? Number.NaN);
  return new LakehouseError("invalid_sql", `${message}.`.replace(/([.!?])\.$/, "$1"), {
    extra: Number.isInteger(offset) ? { position: { ...positionAtCodePoint(sql, offset) } } : {},
  });
}
