import type { Log } from '../ops/log.ts';

/** An answer that its client has not taken yet. */
interface Unsent {
  readonly bytes: number;
  /** Ends the client's connection. */
  readonly drop: () => void;
}

/**
 * Large answers on their way to their clients. A client may take its time for as long as there is memory for all of them; past the limit
 * whoever has had the longest loses its connection.
 */
export class UnsentAnswers {
  readonly #limitBytes: number;
  readonly #log: Log;
  /** The oldest first. */
  readonly #unsent = new Set<Unsent>();
  #bytes = 0;

  constructor(limitBytes: number, log: Log) {
    this.#limitBytes = limitBytes;
    this.#log = log;
  }

  /** Counts an answer until what it returns is called: when the client has taken it, or is gone. */
  add(bytes: number, drop: () => void): () => void {
    const mine: Unsent = { bytes, drop };
    this.#unsent.add(mine);
    this.#bytes += bytes;
    this.#makeRoom(mine);
    return () => this.#remove(mine);
  }

  #makeRoom(newest: Unsent): void {
    for (const unsent of this.#unsent) {
      if (this.#bytes <= this.#limitBytes || unsent === newest) return;
      this.#remove(unsent);
      this.#log.warn({ bytes: unsent.bytes }, 'a client that takes too long for its answer is cut off');
      unsent.drop();
    }
  }

  #remove(unsent: Unsent): void {
    if (this.#unsent.delete(unsent)) this.#bytes -= unsent.bytes;
  }
}
