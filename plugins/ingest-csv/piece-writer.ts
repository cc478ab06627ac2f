/** Large enough that a write is worth its trip to another thread, small enough to stay in a cache. */
const PIECE_BYTES = 1024 * 1024;
/** One that is filled, one that is written, and two for when the disk or the processors are busy. */
const PIECES = 4;

/**
 * Gathers chunks into pieces, which are written while the next are gathered: strictly one after
 * another, because a converter follows the file, and what it finds before the end must be there.
 */
export class PieceWriter {
  readonly #write: (piece: Uint8Array) => Promise<void>;
  #piece: Uint8Array | undefined;
  #length = 0;
  /** Each gives its buffer back. At most `PIECES`; the first may be done already. */
  readonly #under_way: Promise<Uint8Array>[] = [];
  #last: Promise<unknown> = Promise.resolve();

  /** `write` has the piece to itself until it resolves. */
  constructor(write: (piece: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  /** Resolves when all is gathered, which may wait for a write. Throws what an earlier one threw. */
  async add(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength;) {
      const piece = (this.#piece ??= await this.#room());
      const count = Math.min(bytes.byteLength - at, PIECE_BYTES - this.#length);
      piece.set(bytes.subarray(at, at + count), this.#length);
      this.#length += count;
      at += count;
      if (this.#length === PIECE_BYTES) this.#send(piece);
    }
  }

  /** Resolves when everything is written. Throws what a write threw. */
  async finish(): Promise<void> {
    if (this.#piece !== undefined) this.#send(this.#piece);
    await this.#last;
  }

  /** Resolves when no write is under way, whatever came of it. */
  async idle(): Promise<void> {
    await this.#last.catch(() => {});
  }

  async #room(): Promise<Uint8Array> {
    const oldest = this.#under_way.length < PIECES ? undefined : this.#under_way.shift();
    return (await oldest) ?? new Uint8Array(PIECE_BYTES);
  }

  #send(piece: Uint8Array): void {
    const written = this.#writeAfter(this.#last, piece, this.#length);
    // It is awaited with a later piece, or at the end, and may fail before.
    written.catch(() => {});
    this.#under_way.push(written);
    this.#last = written;
    this.#piece = undefined;
    this.#length = 0;
  }

  /** After one that failed, nothing is written any more. */
  async #writeAfter(
    earlier: Promise<unknown>,
    piece: Uint8Array,
    length: number,
  ): Promise<Uint8Array> {
    await earlier;
    await this.#write(piece.subarray(0, length));
    return piece;
  }
}
