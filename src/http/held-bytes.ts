import { keptIn } from '../core/kept-in.ts';

/** One client's share of a bounded amount of memory. */
export interface Held {
  /** The client holds so many bytes more. While all clients together hold too much, the oldest are dropped, perhaps this one. */
  readonly grow: (bytes: number) => void;
  /** The client holds nothing any more. */
  readonly end: () => void;
}

/** Bytes that several clients hold. */
interface Shared {
  readonly drops: Set<() => void>;
  /** They are held no more. */
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
  readonly #shared = new Map<Uint8Array | string, Shared>();
  #bytes = 0;

  /** `dropped` is called for each client that had to go, with what it held. */
  constructor(limitBytes: number, dropped: (bytes: number) => void) {
    this.#limitBytes = limitBytes;
    this.#dropped = dropped;
  }

  /** Counts what a client holds, until `end`; `drop` must make it hold nothing. */
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

  /** As `hold`, for a fixed number of bytes; the function returned is its `end`. */
  add(bytes: number, drop: () => void): () => void {
    const held = this.hold(drop);
    held.grow(bytes);
    return held.end;
  }

  /** As `add`, for bytes that many clients may hold: they count once, and while they are too many all of these are dropped. */
  share(bytes: Uint8Array | string, drop: () => void): () => void {
    const { drops, end } = keptIn(this.#shared, bytes, () => this.#sharedOf(bytes));
    // One client may hold them twice.
    const mine = (): void => drop();
    drops.add(mine);
    return () => {
      if (!drops.delete(mine) || drops.size > 0) return;
      this.#shared.delete(bytes);
      end();
    };
  }

  #sharedOf({ length }: Uint8Array | string): Shared {
    const drops = new Set<() => void>();
    const end = this.add(length, () => {
      for (const drop of drops) drop();
    });
    return { drops, end };
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
