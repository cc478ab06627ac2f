/** RFC 8878 §3.1.1 and §3.1.2. */
const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const RLE_BLOCK = 1;

type State = "magic" | "skippable_size" | "descriptor" | "header" | "block" | "skip" | "unknown";

/**
 * Follows the frames of a zstd stream without decoding them, and tells how much history they ask
 * the decoder to keep: its memory. What is no zstd is left to the decoder to refuse. Pure.
 */
export class ZstdWindows {
  #state: State = "magic";
  /** Bytes of the piece that is being collected. */
  readonly #piece = new Uint8Array(18);
  #collected = 0;
  #wanted = 4;
  #skip_bytes = 0;
  #after_skip: "magic" | "block" = "magic";
  #descriptor = 0;
  #window_bytes = 0;

  /** The largest window asked for so far, in bytes. */
  push(chunk: Uint8Array): number {
    for (let at = 0; at < chunk.length && this.#state !== "unknown";) {
      if (this.#state === "skip") {
        const skipped = Math.min(this.#skip_bytes, chunk.length - at);
        at += skipped;
        this.#skip_bytes -= skipped;
        if (this.#skip_bytes === 0) this.#expect(this.#after_skip);
        continue;
      }
      this.#piece[this.#collected++] = chunk[at++] ?? 0;
      if (this.#collected === this.#wanted) this.#take();
    }
    return this.#window_bytes;
  }

  #expect(state: "magic" | "block"): void {
    this.#want(state, state === "magic" ? 4 : 3);
  }

  #want(state: State, bytes: number): void {
    this.#state = state;
    this.#wanted = bytes;
    this.#collected = 0;
  }

  /** The next `bytes` hold nothing to know; `then` comes behind them. */
  #pass(bytes: number, then: "magic" | "block"): void {
    if (bytes === 0) return this.#expect(then);
    this.#state = "skip";
    this.#skip_bytes = bytes;
    this.#after_skip = then;
  }

  #take(): void {
    switch (this.#state) {
      case "magic":
        return this.#takeMagic();
      case "skippable_size":
        return this.#pass(this.#number(0, 4), "magic");
      case "descriptor":
        return this.#takeDescriptor();
      case "header":
        return this.#takeHeader();
      case "block":
        return this.#takeBlock();
      case "skip":
      case "unknown":
        return;
    }
  }

  #takeMagic(): void {
    const magic = this.#number(0, 4);
    if (magic === FRAME_MAGIC) this.#want("descriptor", 1);
    else if ((magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) this.#want("skippable_size", 4);
    else this.#state = "unknown";
  }

  #takeDescriptor(): void {
    this.#descriptor = this.#number(0, 1);
    this.#want("header", this.#windowBytes() + this.#dictionaryBytes() + this.#sizeBytes());
  }

  #takeHeader(): void {
    const window_bytes =
      this.#windowBytes() === 1
        ? windowOf(this.#number(0, 1))
        : // A single segment: the window is the content (§3.1.1.1.2). Two bytes hold it less 256.
          this.#number(this.#dictionaryBytes(), this.#sizeBytes()) +
          (this.#sizeBytes() === 2 ? 256 : 0);
    this.#window_bytes = Math.max(this.#window_bytes, window_bytes);
    this.#expect("block");
  }

  #takeBlock(): void {
    const header = this.#number(0, 3);
    const last = (header & 1) === 1;
    const size = ((header >> 1) & 3) === RLE_BLOCK ? 1 : header >> 3;
    const checksum_bytes = last && (this.#descriptor & 4) !== 0 ? 4 : 0;
    this.#pass(size + checksum_bytes, last ? "magic" : "block");
  }

  /** Lengths of the header's fields, by the descriptor's bits (§3.1.1.1.1). */
  #windowBytes(): 0 | 1 {
    return (this.#descriptor & 0x20) === 0 ? 1 : 0;
  }
  #dictionaryBytes(): number {
    return DICTIONARY_ID_BYTES[this.#descriptor & 3] ?? 0;
  }
  #sizeBytes(): number {
    const flag = this.#descriptor >> 6;
    return flag === 0 ? 1 - this.#windowBytes() : 1 << flag;
  }

  /** Little-endian; a double holds more than any decoder would set aside. */
  #number(from: number, length: number): number {
    let value = 0;
    for (let i = length - 1; i >= 0; i--) value = value * 256 + (this.#piece[from + i] ?? 0);
    return value;
  }
}

/** The window descriptor: five bits of exponent, three of mantissa (§3.1.1.1.2). */
function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}
