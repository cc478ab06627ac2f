import { BAD_REASONS, type BadRecord } from "./kernel/scanner.ts";

/** Numbers of a record, in this order, before the lengths and the place of its field at fault. */
const NUMBERS = 8;

/** Records that are no rows, in two buffers: as objects, a million of them would be slow to move. */
export interface PackedRecords {
  readonly count: number;
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Copies records, which are valid only while they are told. */
export class RecordPacker {
  #count = 0;
  #numbers = new Float64Array(64 * NUMBERS);
  #bytes = new Uint8Array(4096);
  #length_bytes = 0;

  get count(): number {
    return this.#count;
  }

  add({ reason, row, line, field_count, field, bytes, field_bytes }: BadRecord): void {
    const at = this.#count * NUMBERS;
    if (at === this.#numbers.length) this.#numbers = enlarged(this.#numbers, 2 * at);
    const end = this.#length_bytes + bytes.length;
    if (end > this.#bytes.length) this.#bytes = enlarged(this.#bytes, 2 * end);
    this.#bytes.set(bytes, this.#length_bytes);
    this.#length_bytes = end;
    const field_start = field_bytes.byteOffset - bytes.byteOffset;
    const reason_code = BAD_REASONS.indexOf(reason);
    const lengths = [bytes.length, field_start, field_bytes.length];
    this.#numbers.set([reason_code, row, line, field_count, field, ...lengths], at);
    this.#count += 1;
  }

  /** Both buffers may be transferred to another thread. Call once. */
  pack(): PackedRecords {
    const numbers_bytes = this.#count * NUMBERS * Float64Array.BYTES_PER_ELEMENT;
    return {
      count: this.#count,
      numbers: new Float64Array(this.#numbers.buffer.transfer(numbers_bytes)),
      bytes: new Uint8Array(this.#bytes.buffer.transfer(this.#length_bytes)),
    };
  }
}

/** The records in their order. */
export function* unpacked({
  count,
  numbers,
  bytes,
}: PackedRecords): Generator<BadRecord, void, void> {
  let start = 0;
  for (let record = 0; record < count; record++) {
    const at = record * NUMBERS;
    const number = (index: number): number => numbers[at + index] ?? 0;
    const end = start + number(5);
    const field_start = start + number(6);
    yield {
      reason: BAD_REASONS[number(0)] ?? "field_count",
      row: number(1),
      line: number(2),
      field_count: number(3),
      field: number(4),
      bytes: bytes.subarray(start, end),
      field_bytes: bytes.subarray(field_start, field_start + number(7)),
    };
    start = end;
  }
}

function enlarged<Buffer extends Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(
  buffer: Buffer,
  length: number,
): Buffer;
function enlarged(
  buffer: Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  length: number,
): Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer> {
  const larger = buffer instanceof Float64Array ? new Float64Array(length) : new Uint8Array(length);
  larger.set(buffer);
  return larger;
}
