import { type RecordBatch, RecordBatchStreamWriter } from "apache-arrow";

/** More is not held on to. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

let kept = new Uint8Array(0);

/**
 * A record batch as an Arrow IPC stream, in memory that this thread uses again: fresh memory for each
 * of many batches costs four times the copying, in page faults. Valid until the next call.
 */
export function arrowStream(batch: RecordBatch): Uint8Array {
  const writer = new BufferWriter(kept);
  writer.write(batch);
  writer.close();
  const { bytes, length } = writer;
  if (bytes.length <= KEPT_BYTES_MAX) kept = bytes;
  return bytes.subarray(0, length);
}

class BufferWriter extends RecordBatchStreamWriter {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    super();
    this.bytes = bytes;
  }

  /** What the library writes goes here instead of into its queue. */
  protected override _write(chunk: unknown): this {
    if (!ArrayBuffer.isView(chunk))
      throw new TypeError("the writer wrote something else than bytes");
    const end = this.length + chunk.byteLength;
    if (end > this.bytes.length) {
      const larger = new Uint8Array(Math.ceil(end * 1.25));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    const { buffer, byteOffset, byteLength } = chunk;
    this.bytes.set(new Uint8Array(buffer, byteOffset, byteLength), this.length);
    this.length = end;
    return this;
  }
}
