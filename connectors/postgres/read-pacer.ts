/** So many reads within a millisecond mean that the target sends faster than one message at a time is worth reading. */
const BUSY_READS = 8;
const WINDOW_MS = 1;
/** A read of at least this much found more waiting than it could take, or nearly so. */
const LARGE_READ_BYTES = 16 << 10;
/** With less than this between two naps the target is slow, and every message is read as it comes again. */
const BUSY_NAP_BYTES = 4 << 10;

/**
 * Decides when to let a socket rest. A walsender sends every message by itself, so an eager reader wakes up for
 * each of them, which costs both sides several times what the data cost; a rest of a millisecond gathers them.
 * At ordinary rates there is never a rest, so that a single change is not delayed.
 */
export class ReadPacer {
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #reads = 0;
  #isBusy = false;
  #bytesSinceNap = 0;

  /** Whether to rest after a read of so many bytes. */
  shouldNap(bytes: number, nowMs: number): boolean {
    if (this.#isBusy) return this.#napWhileBusy(bytes);
    if (nowMs - this.#windowStartMs >= WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#reads = 0;
    }
    this.#reads += 1;
    this.#isBusy = this.#reads > BUSY_READS;
    this.#bytesSinceNap = 0;
    return this.#isBusy;
  }

  #napWhileBusy(bytes: number): boolean {
    this.#bytesSinceNap += bytes;
    if (bytes >= LARGE_READ_BYTES) return false;
    this.#isBusy = this.#bytesSinceNap >= BUSY_NAP_BYTES;
    this.#bytesSinceNap = 0;
    return this.#isBusy;
  }
}
