import {
  readStruct,
  type ThriftValue,
  writeStruct,
} from "../../plugins/ingest-csv/parquet/thrift-compact.ts";

type Fields = Map<number, ThriftValue>;

/** The file with its footer changed, and the length in front of the trailing magic with it. */
export function withFooter(file: Buffer, change: (footer: Fields) => void): Buffer {
  const start = file.length - 8 - file.readUInt32LE(file.length - 8);
  const footer = new Map(readStruct(file.subarray(start, -8)));
  change(footer);
  const written = writeStruct(footer);
  const tail = Buffer.from("\0\0\0\0PAR1");
  tail.writeUInt32LE(written.length);
  return Buffer.concat([file.subarray(0, start), written, tail]);
}

/** The file with the elements of its schema changed: one per column here, behind the root. */
export function withSchema(file: Buffer, change: (fields: Fields, index: number) => void): Buffer {
  return withFooter(file, (footer) => {
    const schema = footer.get(2);
    if (schema?.kind !== "list") throw new Error("no schema");
    const items = schema.items.map((element, index): ThriftValue => {
      if (element.kind !== "struct" || index === 0) return element;
      const fields = new Map(element.fields);
      change(fields, index - 1);
      return { kind: "struct", fields: new Map([...fields].sort(([a], [b]) => a - b)) };
    });
    footer.set(2, { ...schema, items });
  });
}

/** The file with these statistics of every column, field by field. */
export function withStatistics(
  file: Buffer,
  ...statistics: readonly (readonly [number, ThriftValue])[]
): Buffer {
  const chunk = (each: ThriftValue): ThriftValue =>
    withField(each, 3, (meta_data) => withField(meta_data, 12, () => struct(...statistics)));
  return withFooter(file, (footer) => {
    const groups = eachOf(footer.get(4), (group) =>
      withField(group, 1, (chunks) => eachOf(chunks, chunk)),
    );
    footer.set(4, groups);
  });
}

function eachOf(
  list: ThriftValue | undefined,
  change: (item: ThriftValue) => ThriftValue,
): ThriftValue {
  if (list?.kind !== "list") throw new Error("no list");
  return { ...list, items: list.items.map(change) };
}

function withField(
  value: ThriftValue | undefined,
  id: number,
  change: (field: ThriftValue | undefined) => ThriftValue,
): ThriftValue {
  if (value?.kind !== "struct") throw new Error("no struct");
  const fields = new Map(value.fields).set(id, change(value.fields.get(id)));
  return { kind: "struct", fields: new Map([...fields].sort(([x], [y]) => x - y)) };
}

/** The file with other names of its columns, in the schema alone. */
export const withSchemaNames = (file: Buffer, names: readonly string[]): Buffer =>
  withSchema(file, (fields, index) => {
    fields.set(4, { kind: "binary", bytes: Buffer.from(names[index] ?? "") });
  });

export const struct = (...fields: readonly (readonly [number, ThriftValue])[]): ThriftValue => ({
  kind: "struct",
  fields: new Map(fields),
});
