/** How failures of one thing are spaced: doubling with jitter up to a ceiling, from the start again after success. */
export class Backoff {
  readonly #firstMs: number;
  readonly #ceilingMs: number;
  readonly #random: () => number;
  #failures = 0;

  constructor(firstMs: number, ceilingMs: number, random: () => number) {
    this.#firstMs = firstMs;
    this.#ceilingMs = ceilingMs;
    this.#random = random;
  }

  /** The delay before the next try; each call counts one more failure. */
  nextMs(): number {
    const full = Math.min(this.#ceilingMs, this.#firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    // at least half, so that a crowd of feeds spreads out without any of them hurrying
    return full / 2 + (full / 2) * this.#random();
  }

  /** How often it failed since the last success. */
  get failures(): number {
    return this.#failures;
  }

  succeeded(): void {
    this.#failures = 0;
  }
}
