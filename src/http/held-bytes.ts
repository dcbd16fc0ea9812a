/** What one client holds of the memory that is there for all. */
export interface Held {
  /** It holds so much more. Whoever has held some for the longest is dropped while all hold too much: maybe this one. */
  readonly grow: (bytes: number) => void;
  /** It holds nothing any more. */
  readonly end: () => void;
}

interface Holder {
  bytes: number;
  readonly drop: () => void;
}

/** Memory that clients can make the process hold, bounded for all of them together. */
export class HeldBytes {
  readonly #limitBytes: number;
  readonly #dropped: (bytes: number) => void;
  /** The oldest first. */
  readonly #holders = new Set<Holder>();
  #bytes = 0;

  /** `dropped` hears of each client that had to go. */
  constructor(limitBytes: number, dropped: (bytes: number) => void) {
    this.#limitBytes = limitBytes;
    this.#dropped = dropped;
  }

  /** Counts what a client holds until its end; `drop` makes it hold nothing. */
  hold(drop: () => void): Held {
    const mine: Holder = { bytes: 0, drop };
    this.#holders.add(mine);
    return {
      grow: (bytes) => {
        if (!this.#holders.has(mine)) return;
        mine.bytes += bytes;
        this.#bytes += bytes;
        if (this.#bytes > this.#limitBytes) this.#makeRoom();
      },
      end: () => this.#remove(mine),
    };
  }

  /** The same of what does not grow; calling what it returns is its end. */
  add(bytes: number, drop: () => void): () => void {
    const held = this.hold(drop);
    held.grow(bytes);
    return held.end;
  }

  #makeRoom(): void {
    for (const holder of this.#holders) {
      if (this.#bytes <= this.#limitBytes) return;
      this.#remove(holder);
      this.#dropped(holder.bytes);
      holder.drop();
    }
  }

  #remove(holder: Holder): void {
    if (this.#holders.delete(holder)) this.#bytes -= holder.bytes;
  }
}
