/**
 * The Thrift compact protocol, as far as Parquet's metadata uses it, read into a tree and written
 * back without loss: unknown fields stay as they are. Pure; no I/O.
 *
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
export type ThriftValue =
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "int"; readonly type: IntType; readonly value: bigint }
  | { readonly kind: "double"; readonly bytes: Uint8Array }
  | { readonly kind: "binary"; readonly bytes: Uint8Array }
  | { readonly kind: "list"; readonly element: number; readonly items: readonly ThriftValue[] }
  | { readonly kind: "struct"; readonly fields: ThriftStruct };

/** Field id → value, in the order of the ids. */
export type ThriftStruct = ReadonlyMap<number, ThriftValue>;

const TRUE = 1;
const FALSE = 2;
const BYTE = 3;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;
const INT_TYPES = [3, 4, 5, 6] as const;
type IntType = (typeof INT_TYPES)[number];
/** What lists have, by name. */
const ELEMENTS = { i32: 5, binary: BINARY, struct: STRUCT } as const;

export const i32 = (value: number): ThriftValue => ({ kind: "int", type: 5, value: BigInt(value) });
export const i64 = (value: number): ThriftValue => ({ kind: "int", type: 6, value: BigInt(value) });
export const bool = (value: boolean): ThriftValue => ({ kind: "bool", value });
export const binary = (bytes: Uint8Array | string): ThriftValue => ({
  kind: "binary",
  bytes: typeof bytes === "string" ? Buffer.from(bytes) : bytes,
});
export const list = (
  element: keyof typeof ELEMENTS,
  items: readonly ThriftValue[],
): ThriftValue => ({ kind: "list", element: ELEMENTS[element], items });
/** Fields in the order of their ids; those that are undefined are left out. */
export const struct = (
  ...fields: readonly (readonly [number, ThriftValue | undefined])[]
): ThriftValue => ({ kind: "struct", fields: fieldsOf(...fields) });

export function fieldsOf(
  ...fields: readonly (readonly [number, ThriftValue | undefined])[]
): ThriftStruct {
  const present = new Map<number, ThriftValue>();
  for (const [id, value] of fields) if (value !== undefined) present.set(id, value);
  return present;
}

/** Real metadata is some five levels deep. */
const DEPTH_LIMIT = 16;

/** Reads one struct. Throws `RangeError` for bytes that are not of the protocol. */
export function readStruct(bytes: Uint8Array): ThriftStruct {
  const reader = new Reader(bytes);
  const fields = reader.struct(0);
  if (reader.rest !== 0) throw new RangeError(`${reader.rest} bytes behind the struct`);
  return fields;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get rest(): number {
    return this.#bytes.length - this.#at;
  }

  struct(depth: number): ThriftStruct {
    if (depth > DEPTH_LIMIT) throw new RangeError("nested too deep");
    const fields = new Map<number, ThriftValue>();
    for (let id = 0; ;) {
      const header = this.#byte();
      if (header === 0) return fields;
      const delta = header >> 4;
      id = delta === 0 ? Number(this.#zigzag()) : id + delta;
      fields.set(id, this.#value(header & 0x0f, depth, true));
    }
  }

  /** In a struct the type says which boolean it is; in a list a byte does. */
  #value(type: number, depth: number, in_struct: boolean): ThriftValue {
    const int_type = INT_TYPES.find((each) => each === type);
    if (int_type === BYTE) return { kind: "int", type: BYTE, value: BigInt(this.#byte()) };
    if (int_type !== undefined) return { kind: "int", type: int_type, value: this.#zigzag() };
    switch (type) {
      case TRUE:
      case FALSE:
        return { kind: "bool", value: (in_struct ? type : this.#byte()) === TRUE };
      case DOUBLE:
        return { kind: "double", bytes: this.#take(8) };
      case BINARY:
        return { kind: "binary", bytes: this.#take(this.#length()) };
      case LIST:
        return this.#list(depth);
      case STRUCT:
        return { kind: "struct", fields: this.struct(depth + 1) };
      default:
        throw new RangeError(`type ${type} is not used by Parquet`);
    }
  }

  #list(depth: number): ThriftValue {
    const header = this.#byte();
    const element = header & 0x0f;
    const size = header >> 4 === 15 ? this.#length() : header >> 4;
    const items: ThriftValue[] = [];
    for (let index = 0; index < size; index++) items.push(this.#value(element, depth + 1, false));
    return { kind: "list", element, items };
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError("the bytes end within a value");
    return byte;
  }

  #take(length: number): Uint8Array {
    if (length > this.rest) throw new RangeError("the bytes end within a value");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #length(): number {
    return Number(this.#varint());
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number is longer than 64 bits");
  }

  #zigzag(): bigint {
    const value = this.#varint();
    return (value >> 1n) ^ -(value & 1n);
  }
}

export function writeStruct(fields: ThriftStruct): Uint8Array {
  const output: number[] = [];
  putStruct(output, fields);
  return Uint8Array.from(output);
}

function putStruct(output: number[], fields: ThriftStruct): void {
  let previous = 0;
  for (const [id, value] of fields) {
    const delta = id - previous;
    const type = typeOf(value);
    if (delta > 0 && delta <= 15) output.push((delta << 4) | type);
    else {
      output.push(type);
      putZigzag(output, BigInt(id));
    }
    if (value.kind !== "bool") putValue(output, value);
    previous = id;
  }
  output.push(0);
}

function typeOf(value: ThriftValue): number {
  switch (value.kind) {
    case "bool":
      return value.value ? TRUE : FALSE;
    case "int":
      return value.type;
    case "double":
      return DOUBLE;
    case "binary":
      return BINARY;
    case "list":
      return LIST;
    case "struct":
      return STRUCT;
  }
}

function putValue(output: number[], value: ThriftValue): void {
  switch (value.kind) {
    case "bool":
      output.push(value.value ? TRUE : FALSE);
      return;
    case "int":
      if (value.type === BYTE) output.push(Number(value.value));
      else putZigzag(output, value.value);
      return;
    case "double":
      output.push(...value.bytes);
      return;
    case "binary":
      putVarint(output, BigInt(value.bytes.length));
      for (const byte of value.bytes) output.push(byte);
      return;
    case "list": {
      const { items, element } = value;
      output.push((Math.min(items.length, 15) << 4) | element);
      if (items.length >= 15) putVarint(output, BigInt(items.length));
      for (const item of items) putValue(output, item);
      return;
    }
    case "struct":
      putStruct(output, value.fields);
  }
}

function putVarint(output: number[], value: bigint): void {
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) output.push(Number(rest & 0x7fn) | 0x80);
  output.push(Number(rest));
}

function putZigzag(output: number[], value: bigint): void {
  putVarint(output, value >= 0n ? value << 1n : (-value << 1n) - 1n);
}
